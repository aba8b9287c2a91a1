import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Labels } from "./labels.ts";

/** Arguments of `Volume`. */
export interface VolumeArgs {
    /** Labels of the volume, as long as it is new. */
    labels: Labels;
    /** Name of an existing volume to use. Defaults to a name of the stack's own. */
    volumeName?: pulumi.Input<string> | undefined;
    /** What it is for may leave the stack; the volume then stays on the engine, and is found again. Defaults to false. */
    removable?: boolean;
}

/** A volume that holds data: it outlives whatever uses it, and is never replaced by a change of labels or driver. */
export class Volume extends pulumi.ComponentResource {
    /** Name to mount it by. */
    public readonly volumeName: pulumi.Output<string>;

    constructor(name: string, args: VolumeArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Volume", name, {}, opts);
        const volume = new docker.Volume(
            name,
            {
                ...(args.volumeName === undefined ? {} : { name: args.volumeName }),
                labels: Object.entries(args.labels).map(([label, value]) => ({ label, value })),
            },
            // The provider replaces a volume whose labels or driver differ, and creating one that exists takes it over
            // with the labels it has.
            {
                parent: this,
                ...(args.removable ? { retainOnDelete: true } : { protect: true }),
                ignoreChanges: ["labels", "driver", "driverOpts"],
            },
        );
        this.volumeName = volume.name;
        this.registerOutputs({ volumeName: this.volumeName });
    }
}
