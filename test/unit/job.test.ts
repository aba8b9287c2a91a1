import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProcessDescription } from "../../components/hardened.ts";
import { Job, JobError, type JobRecord, dueAttempt } from "../../components/job.ts";
import { SecretFiles } from "../../components/secretFiles.ts";
import { type Circumstances, project, record, stack, valueOf, withFailures } from "./support/recording.ts";

const container = "docker:Container migrate";
const owner = { uid: 1000, gid: 1000 };
const migrate: ProcessDescription = {
    image: "mlflow-platform/thing:1",
    labels: { "x.stack": "test" },
    owner,
    entrypoint: ["/usr/local/bin/migrate"],
    environment: { WHERE: "there" },
    mounts: [{ source: "a_volume", path: "/data" }],
    tmpfs: {},
    network: { id: "network id", aliases: [] },
    memory: 256,
    cpus: 0.5,
};

/** A job beside a container that is only made once it has succeeded. */
function make(
    outcome: Record<string, unknown>,
    lastRecords?: Record<string, JobRecord>,
    circumstances: Circumstances = {},
) {
    return record(
        () => {
            const secretFiles = new SecretFiles("migrate-secrets", {
                seedImage: "mlflow-platform/seed:1",
                owner,
                labels: {},
                files: { pgpass: "hunter2" },
            });
            const job = new Job("migrate", {
                process: migrate,
                secretFiles,
                lastRecords: pulumi.output(lastRecords),
            });
            new docker.Container("server", { image: job.succeeded.apply(() => "server:1") });
            return job;
        },
        { ...circumstances, outputs: { [container]: outcome } },
    );
}

describe("the attempt that is due", () => {
    it.each<[string, JobRecord | undefined, number]>([
        ["the first time", undefined, 1],
        ["after the first succeeded", { exitCode: 0, attempt: 1 }, 1],
        ["after the first failed", { exitCode: 1, attempt: 1 }, 2],
        ["after the second failed", { exitCode: 2, attempt: 2 }, 3],
        ["after a later one succeeded", { exitCode: 0, attempt: 3 }, 3],
        ["after one was killed", { exitCode: 137, attempt: 7 }, 8],
        ["after one that never ran to an exit", { exitCode: -1, attempt: 1 }, 2],
    ])("%s", (_words, last, attempt) => {
        expect(dueAttempt(last)).toBe(attempt);
    });

    it("is another one as often as it fails, and the same for ever once it has succeeded", () => {
        fc.assert(
            fc.property(fc.array(fc.integer({ min: -1, max: 255 }), { maxLength: 20 }), (exitCodes) => {
                let last: JobRecord | undefined;
                for (const exitCode of exitCodes) {
                    const attempt = dueAttempt(last);
                    const runs = last?.exitCode !== 0;
                    expect(attempt !== last?.attempt).toBe(runs);
                    // What does not run again keeps its exit code.
                    last = runs ? { exitCode, attempt } : last;
                }
            }),
        );
    });
});

describe("a job that ends with 0", () => {
    it("is a hardened container that is read to its end, with its credentials beside its own mounts", async () => {
        const { get, registrations } = await make({ exitCode: 0 });
        expect(registrations.filter(({ name }) => name === "migrate").map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:Job migrate", "mlflow-platform:index:Job"],
            [container, "docker:index/container:Container"],
        ]);
        expect(get(container).parent).toBe("mlflow-platform:Job migrate");
        expect(get(container).inputs).toStrictEqual({
            image: "mlflow-platform/thing:1",
            entrypoints: ["/usr/local/bin/migrate"],
            envs: ["WHERE=there"],
            labels: [{ label: "x.stack", value: "test" }],
            user: "1000:1000",
            readOnly: true,
            tmpfs: {},
            capabilities: { drops: ["ALL"], adds: [] },
            securityOpts: ["no-new-privileges"],
            init: true,
            memory: 256,
            memorySwap: 256,
            cpus: "0.5",
            volumes: [
                { volumeName: "a_volume", containerPath: "/data", readOnly: false },
                {
                    volumeName: `${project}-${stack}-migrate-secrets`,
                    containerPath: "/run/secrets/platform",
                    readOnly: true,
                },
            ],
            networksAdvanced: [{ name: "network id", aliases: [] }],
            logDriver: "json-file",
            logOpts: { "max-size": "10m", "max-file": "3" },
            mustRun: false,
            attach: true,
            logs: true,
            restart: "no",
        });
    });

    it("runs after its credentials are there, again when they change, and never because it succeeded", async () => {
        const { get } = await make({ exitCode: 0 });
        expect(get(container).options).toStrictEqual({
            deleteBeforeReplace: true,
            replaceOnChanges: ["healthcheck", "tmpfs", "init", "#initerror"],
            dependencies: ["docker:Container migrate-secrets-seed", "docker:Volume migrate-secrets"],
            replaceWith: ["docker:Container migrate-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("has succeeded, is recorded, and lets go on what depends on it", async () => {
        const { result: job, get } = await make({ exitCode: 0, containerLogs: "done" });
        expect(await valueOf(job.succeeded)).toBe(true);
        expect(await valueOf(job.record)).toEqual({ exitCode: 0, attempt: 1 });
        expect(get("docker:Container server").inputs).toEqual({ image: "server:1" });
        expect(get("docker:Container server").options.dependencies).toEqual([container]);
    });
});

describe("the last update's record", () => {
    it.each<[string, Record<string, JobRecord> | undefined, number]>([
        ["none", undefined, 1],
        ["of other jobs only", { provision: { exitCode: 1, attempt: 5 } }, 1],
        ["of a success", { migrate: { exitCode: 0, attempt: 4 } }, 4],
        ["of a failure", { migrate: { exitCode: 3, attempt: 4 } }, 5],
    ])("%s: replaces the container or does not", async (_words, lastRecords, attempt) => {
        const { result: job, get } = await make({ exitCode: 0 }, lastRecords);
        expect(get(container).options.replacementTrigger).toBe(attempt);
        expect(await valueOf(job.record)).toEqual({ exitCode: 0, attempt });
    });
});

describe("a job that ends with another exit code", () => {
    const text =
        "job migrate ended with exit code 3; it runs again with the next update. Its output:\nno database\n  at all";
    const failing = () => withFailures(() => make({ exitCode: 3, containerLogs: "\nno database\n  at all\n\n" }));

    it("has not succeeded: the error has its exit code and its output", async () => {
        const { result } = await failing();
        const error = await valueOf(result.result.succeeded).then(
            () => undefined,
            (failure: unknown) => failure,
        );
        expect(error).toBeInstanceOf(JobError);
        expect((error as Error).message).toBe(text);
    });

    it("makes the update red with that error alone", async () => {
        const { failures } = await failing();
        expect(failures.length).toBeGreaterThan(0);
        expect(new Set(failures.map((failure) => (failure as Error).message))).toEqual(new Set([text]));
    });

    it("stops what depends on it, and nothing else", async () => {
        const { result } = await failing();
        expect(result.registrations.map(({ key }) => key)).toContain(container);
        expect(result.registrations.map(({ key }) => key)).not.toContain("docker:Container server");
    });

    it("is recorded all the same, for the next update", async () => {
        const { result } = await failing();
        expect(await valueOf(result.result.record)).toEqual({ exitCode: 3, attempt: 1 });
    });

    it("is recorded with the attempt that failed", async () => {
        const { result } = await withFailures(() => make({ exitCode: 3 }, { migrate: { exitCode: 1, attempt: 8 } }));
        expect(await valueOf(result.result.record)).toEqual({ exitCode: 3, attempt: 9 });
    });
});

describe("the error of a job", () => {
    const error = () => new JobError("migrate", 3, "\n no database \n");
    const text = "job migrate ended with exit code 3; it runs again with the next update. Its output:\nno database";

    it("is shown by Pulumi without a stack", () => {
        expect(pulumi.RunError.isInstance(error())).toBe(true);
        expect(error().message).toBe(text);
        expect(error().stack).toBe(text);
    });

    it("keeps its message, whatever the SDK adds on the way", () => {
        const on = error();
        on.message = `${on.message} while serialising`;
        expect(on.message).toBe(text);
    });

    it("does not print the promises that the SDK hangs on it", () => {
        const on = error() as JobError & { promise?: unknown };
        on.promise = Promise.resolve("a long story");
        expect(Object.keys(on)).not.toContain("promise");
        expect(inspect(on)).not.toContain("Promise");
    });
});
