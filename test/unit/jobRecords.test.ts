/** How jobs ended, from one update to the next. */
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import type { JobRecord } from "../../components/job.ts";
import { type JobRecords, readJobRecords, recordJobs } from "../../components/jobRecords.ts";
import { record as recording, valueOf } from "./support/recording.ts";

const failing = <T>() =>
    pulumi.output(1).apply((): T => {
        throw new Error("not this time");
    });

describe("reading the last update's", () => {
    const read = async (lastOutputs: Record<string, unknown>) =>
        (await recording(readJobRecords, { lastOutputs })).result;

    it("gives how each ended", async () => {
        const jobs = { "mlflow-migrate": { exitCode: 1, attempt: 3 } };
        expect(await read({ jobs, trackingUri: "http://127.0.0.1:5000" })).toEqual(jobs);
    });

    it("gives nothing of a stack that is new", async () => {
        expect(await read({})).toBeUndefined();
    });
});

describe("the record of the jobs", () => {
    const record = (exitCode: number, attempt: number): JobRecord => ({ exitCode, attempt });
    const recorded = async (records: Record<string, pulumi.Output<JobRecord>>, last?: JobRecords) =>
        valueOf(pulumi.output(recordJobs(records, last)));

    it("is how each ended", async () => {
        const last = { a: record(1, 1), gone: record(0, 1) };
        expect(await recorded({ a: pulumi.output(record(0, 2)), b: pulumi.output(record(7, 1)) }, last)).toEqual({
            a: record(0, 2),
            b: record(7, 1),
        });
    });

    it("is as it was for a job that this update did not get to", async () => {
        const last = { a: record(3, 4) };
        expect(await recorded({ a: failing(), b: pulumi.output(record(0, 1)) }, last)).toEqual({
            a: record(3, 4),
            b: record(0, 1),
        });
    });

    it.each<[string, JobRecords | undefined]>([
        ["there was no update", undefined],
        ["it was not there then", { b: record(0, 1) }],
    ])("is left out where %s", async (_words, last) => {
        expect(await recorded({ a: failing() }, last)).toEqual({ a: undefined });
    });
});
