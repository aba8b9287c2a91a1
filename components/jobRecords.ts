/** How a stack's jobs ended, from one update to the next: by the stack's output `jobs`. */
import * as pulumi from "@pulumi/pulumi";
import type { JobRecord } from "./job.ts";

/** Name of a job → how it ended. */
export type JobRecords = Readonly<Record<string, JobRecord>>;

/** Outputs of the running program's own stack, as its last update left them. A program may ask once. */
export async function lastOutputs<Name extends string>(...names: Name[]): Promise<Partial<Record<Name, unknown>>> {
    const own = new pulumi.StackReference(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`);
    const details = await Promise.all(names.map((name) => own.getOutputDetails(name)));
    return Object.fromEntries(names.map((name, index) => [name, details[index]?.value as unknown])) as Partial<
        Record<Name, unknown>
    >;
}

/** The records of the last update; undefined for a stack that is new. A program may ask once. */
export async function readJobRecords(): Promise<JobRecords | undefined> {
    return (await lastOutputs("jobs")).jobs as JobRecords | undefined;
}

/** The records for the next update, as the output `jobs`. A job that this update did not get to is as it was. */
export function recordJobs(
    records: Readonly<Record<string, pulumi.Output<JobRecord>>>,
    last: JobRecords | undefined,
): Record<string, pulumi.Output<JobRecord | undefined>> {
    return Object.fromEntries(
        Object.entries(records).map(([name, record]) => [
            name,
            pulumi.recover<JobRecord | undefined>(record, () => last?.[name]),
        ]),
    );
}
