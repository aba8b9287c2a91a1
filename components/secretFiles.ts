import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type Mount, type Owner, hardenedSeed } from "./hardened.ts";
import type { Labels } from "./labels.ts";

/** Where every image expects its credentials. */
export const secretsPath = "/run/secrets/platform";

/** Arguments of `SecretFiles`. */
export interface SecretFilesArgs {
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** The user who may read the files. */
    owner: Owner;
    /** File name → content. */
    files: Readonly<Record<string, pulumi.Input<string>>>;
    /** Labels of volume and container. */
    labels: Labels;
}

/**
 * Credentials as files (0400) in a volume of one consumer, filled by a container that is never started. So they are in no
 * environment, no argument and no image, and the consumer's root can be read-only.
 *
 * A consumer mounts `mount` and takes `consumerOptions`, so that it is replaced when a credential changes.
 */
export class SecretFiles extends pulumi.ComponentResource {
    /** For the consumer's mounts. */
    public readonly mount: Mount;
    /** For the consumer's options: after the files are there, and again when one of them changes. */
    public readonly consumerOptions: { dependsOn: docker.Container[]; replaceWith: docker.Container[] };
    /** With each of which the consumer is replaced. */
    public readonly resources: readonly pulumi.Resource[];

    constructor(name: string, args: SecretFilesArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:SecretFiles", name, {}, opts);
        const volume = new docker.Volume(
            name,
            {
                labels: [
                    ...Object.entries(args.labels).map(([label, value]) => ({ label, value })),
                    // A file that is no longer uploaded would stay in the volume; another list replaces the volume.
                    { label: "mlflow-platform.files", value: Object.keys(args.files).sort().join(" ") },
                ],
            },
            { parent: this, deleteBeforeReplace: true },
        );
        const { args: seedArgs, options } = hardenedSeed({
            image: args.seedImage,
            labels: args.labels,
            owner: args.owner,
            mounts: [{ source: volume.name, path: secretsPath }],
            files: Object.fromEntries(
                Object.entries(args.files).map(([file, content]) => [`${secretsPath}/${file}`, pulumi.secret(content)]),
            ),
        });
        const seed = new docker.Container(`${name}-seed`, seedArgs, { ...options, parent: this });
        this.mount = { source: volume.name, path: secretsPath, readOnly: true };
        this.consumerOptions = { dependsOn: [seed], replaceWith: [seed] };
        this.resources = [volume, seed];
        this.registerOutputs({ volumeName: volume.name });
    }
}
