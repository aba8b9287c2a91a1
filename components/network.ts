import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Labels } from "./labels.ts";

/** Arguments of `Network`. */
export interface NetworkArgs {
    /** Labels of the network. */
    labels: Labels;
}

/** A bridge network of the stack's own, on which its containers find each other by name. */
export class Network extends pulumi.ComponentResource {
    /** Id to attach containers to. */
    public readonly networkId: pulumi.Output<string>;

    constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Network", name, {}, opts);
        const network = new docker.Network(
            name,
            {
                driver: "bridge",
                labels: Object.entries(args.labels).map(([label, value]) => ({ label, value })),
            },
            { parent: this, deleteBeforeReplace: true },
        );
        this.networkId = network.id;
        this.registerOutputs({ networkId: this.networkId });
    }
}
