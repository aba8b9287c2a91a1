import { hostname, userInfo } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { type Labels, originLabel, projectLabel, stackLabel } from "./labels.ts";

/** Who runs the program: user and host. */
export function currentMaker(): string {
    try {
        return `${userInfo().username}@${hostname()}`;
    } catch {
        // A user id without a name, as containers and runners have.
        return `${process.getuid?.() ?? "unknown"}@${hostname()}`;
    }
}

/** Arguments of `Origin`. */
export interface OriginArgs {
    /** Who makes the stack, such as ana@laptop. Used once, when the stack is first made. */
    maker: pulumi.Input<string>;
}

/**
 * The identity of one stack's state. Two checkouts with different states may name their containers and volumes alike; this
 * tells whose an object on the engine is.
 */
export class Origin extends pulumi.ComponentResource {
    /** For everything the stack makes on the engine. */
    public readonly labels: Labels;

    constructor(name: string, args: OriginArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Origin", name, {}, opts);
        const id = new random.RandomId(
            name,
            { byteLength: 4, prefix: pulumi.interpolate`${args.maker}-` },
            // The maker is a fact of the first update; another user's later one must not replace every container.
            { parent: this, protect: true, ignoreChanges: ["prefix"] },
        );
        this.labels = {
            [projectLabel]: pulumi.getProject(),
            [stackLabel]: pulumi.getStack(),
            [originLabel]: id.hex,
        };
        this.registerOutputs({ origin: id.hex });
    }
}
