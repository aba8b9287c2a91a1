import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type ProcessDescription, hardenedJob } from "./hardened.ts";
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
    /** How each job ended in the last update; undefined when there was none. */
    lastRecords: pulumi.Input<Readonly<Record<string, JobRecord>> | undefined>;
}

/** The attempt that is due: another one after a failure, else the one that has succeeded. */
export function dueAttempt(last: JobRecord | undefined): number {
    if (last === undefined) {
        return 1;
    }
    return last.exitCode === 0 ? last.attempt : last.attempt + 1;
}

/**
 * The error of a job that failed. The output is the job's own, and jobs print no credential.
 *
 * On its way through everything that depends on the job, the SDK adds to an error's message where it passed, and hangs
 * promises on it that take half a minute to print (`serializeFilteredProperties` and `debuggablePromise` in
 * `@pulumi/pulumi/runtime`); here it is shown as it is, without a stack.
 */
export class JobError extends pulumi.RunError {
    constructor(name: string, exitCode: number, output: string) {
        const message =
            `job ${name} ended with exit code ${exitCode}; it runs again with the next update. Its output:
` + output.trim();
        super(message);
        Object.defineProperties(this, {
            message: { get: () => message, set: () => undefined },
            stack: { value: message },
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
    /** True once the job has succeeded; whatever depends on it is only made then. */
    public readonly succeeded: pulumi.Output<boolean>;
    /** For the stack's outputs, also when the job failed. */
    public readonly record: pulumi.Output<JobRecord>;

    constructor(name: string, args: JobArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Job", name, {}, opts);
        const attempt = pulumi.output(args.lastRecords).apply((records) => dueAttempt(records?.[name]));
        const { args: containerArgs, options } = hardenedJob({
            ...args.process,
            mounts: [...args.process.mounts, args.secretFiles.mount],
        });
        const container = new docker.Container(name, containerArgs, {
            ...options,
            ...args.secretFiles.consumerOptions,
            parent: this,
            replacementTrigger: attempt,
        });
        this.record = pulumi
            .all([container.exitCode, attempt])
            .apply(([exitCode, number]) => ({ exitCode, attempt: number }));
        this.succeeded = pulumi.all([container.exitCode, container.containerLogs]).apply(([exitCode, output]) => {
            if (exitCode !== 0) {
                throw new JobError(name, exitCode, output);
            }
            return true;
        });
        this.registerOutputs({ record: this.record });
    }
}
