import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type ProcessDescription, hardenedJob } from "./hardened.ts";
import { scrub } from "./scrub.ts";
import { UpdateError } from "../updateError.ts";
import type { SecretFiles } from "./secretFiles.ts";

/** How a job ended, as it is recorded in the stack's outputs for the next update. */
export interface JobRecord {
    /** 0 is success. */
    readonly exitCode: number;
    /** Grows by one for each run after a failed one. */
    readonly attempt: number;
}

/** Arguments of `Job`. */
export interface JobArgs {
    /** What runs, once; it must be idempotent. The credentials are mounted beside its own mounts. */
    process: ProcessDescription;
    /** Its credentials. */
    secretFiles: SecretFiles;
    /** Values that must not be seen in its output, should it print one. */
    secrets: readonly pulumi.Input<string>[];
    /** What has to be there before it runs. */
    after: readonly pulumi.Input<pulumi.Resource>[];
    /** How each job ended in the last update; undefined when there was none. */
    lastRecords: Readonly<Record<string, JobRecord>> | undefined;
}

/** The attempt that is due: another one after a failure, else the one that has succeeded. */
export function dueAttempt(last: JobRecord | undefined): number {
    if (last === undefined) {
        return 1;
    }
    return last.exitCode === 0 ? last.attempt : last.attempt + 1;
}

/**
 * The error of a job that failed, with its output.
 *
 * On its way through everything that depends on the job, the SDK adds to an error's message where it passed, and hangs
 * promises on it (`serializeFilteredProperties` and `debuggablePromise` in `@pulumi/pulumi/runtime`); here the message stays
 * as it is.
 */
export class JobError extends UpdateError {
    constructor(name: string, exitCode: number, output: string) {
        const message =
            `job ${name} ended with exit code ${exitCode}; it runs again with the next update. Its output:\n` +
            output.trim();
        super(message);
        Object.defineProperties(this, {
            message: { get: () => message, set: () => undefined },
            stack: { get: () => "", set: () => undefined },
            promise: { writable: true, enumerable: false },
        });
    }
}

/**
 * A container that runs once in an update and must exit with 0.
 *
 * The Docker provider takes any exit code for a success. So the exit code is checked here, and it is recorded in the
 * stack's outputs: while the last recorded one is not 0, the next update runs the job again. An update is red as often as
 * the job fails, and green as soon as the cause is gone.
 */
export class Job extends pulumi.ComponentResource {
    /** True once the job has succeeded. Whatever has it as a property is only made then, and replaced with the job. */
    public readonly succeeded: pulumi.Output<boolean>;
    /** The same for `dependsOn`: what depends on it is only made after the job, and stays when the job runs again. */
    public readonly done: pulumi.Output<pulumi.Resource>;
    /** What runs the job again. */
    public readonly resources: readonly pulumi.Resource[];
    /** For the stack's outputs, also when the job failed. */
    public readonly record: pulumi.Output<JobRecord>;

    constructor(name: string, args: JobArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Job", name, {}, opts);
        const attempt = dueAttempt(args.lastRecords?.[name]);
        const { secretFiles } = args;
        const { args: containerArgs, options } = hardenedJob({
            ...args.process,
            mounts: [...args.process.mounts, secretFiles.mount],
        });
        const container = new docker.Container(name, containerArgs, {
            ...options,
            ...secretFiles.consumerOptions,
            dependsOn: [...secretFiles.consumerOptions.dependsOn, ...args.after],
            // What a job printed is encrypted in the state, whatever it is.
            additionalSecretOutputs: ["containerLogs"],
            parent: this,
            replacementTrigger: attempt,
        });
        this.resources = [container, ...secretFiles.resources];
        this.record = container.exitCode.apply((exitCode) => ({ exitCode, attempt }));
        // Not a secret: what comes of it is that the job succeeded, or an error without the secrets.
        this.succeeded = pulumi.unsecret(
            pulumi
                .all([container.exitCode, container.containerLogs, pulumi.all([...args.secrets])])
                .apply(([exitCode, output, secrets]) => {
                    if (exitCode !== 0) {
                        throw new JobError(name, exitCode, scrub(output, secrets));
                    }
                    return true;
                }),
        );
        this.done = this.succeeded.apply(() => container);
        this.registerOutputs({ record: this.record });
    }
}
