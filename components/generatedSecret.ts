import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** Arguments of `GeneratedSecret`. */
export interface GeneratedSecretArgs {
    /** A value that wins over the generated one. */
    configured?: pulumi.Input<string> | undefined;
    /** Characters to generate. Defaults to 32. */
    length?: number;
    /** Upper-case letters and digits only, as S3 access keys are. Defaults to false: letters and digits. */
    upperCase?: boolean;
}

/**
 * A credential: from configuration if it is set there, else generated once and kept.
 *
 * The generated value is declared in both cases: it is protected, and a protected resource that leaves the program fails
 * the update.
 */
export class GeneratedSecret extends pulumi.ComponentResource {
    /** The value, a secret. */
    public readonly value: pulumi.Output<string>;

    constructor(name: string, args: GeneratedSecretArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:GeneratedSecret", name, {}, opts);
        const generated = new random.RandomPassword(
            name,
            // No special characters: the value is a part of URIs, INI files and shell lines.
            { length: args.length ?? 32, special: false, lower: !(args.upperCase ?? false) },
            { parent: this, protect: true },
        );
        this.value = pulumi.secret(args.configured ?? generated.result);
        this.registerOutputs({ value: this.value });
    }
}
