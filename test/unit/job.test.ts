import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProcessDescription } from "../../components/hardened.ts";
import { Job, JobError, type JobRecord, dueAttempt } from "../../components/job.ts";
import { SecretFiles } from "../../components/secretFiles.ts";
import { UpdateError } from "../../updateError.ts";
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

/** What a job may be given beside its process. */
interface More {
    after?: boolean;
    secrets?: pulumi.Input<string>[];
}

/** A job beside two containers that are only made once it has succeeded: one has it as a property, one depends on it. */
function make(
    outcome: Record<string, unknown>,
    lastRecords?: Record<string, JobRecord>,
    circumstances: Circumstances & More = {},
) {
    const { after = false, secrets = [], ...rest } = circumstances;
    return record(
        () => {
            const secretFiles = new SecretFiles("migrate-secrets", {
                seedImage: "mlflow-platform/seed:1",
                owner,
                labels: {},
                files: { pgpass: "hunter2" },
            });
            const before = after ? ["one", "two"].map((name) => new docker.Container(name, { image: name })) : [];
            const [one, two] = before;
            const job = new Job("migrate", {
                process: migrate,
                secretFiles,
                secrets,
                after: one === undefined || two === undefined ? [] : [one, two.exitCode.apply(() => two)],
                lastRecords,
            });
            new docker.Container("server", { image: job.succeeded.apply(() => "server:1") });
            new docker.Container("client", { image: "client:1" }, { dependsOn: [job.done] });
            return job;
        },
        { ...rest, outputs: { [container]: outcome } },
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
            // What it printed is encrypted in the state.
            additionalSecretOutputs: ["containerLogs"],
            dependencies: ["docker:Container migrate-secrets-seed", "docker:Volume migrate-secrets"],
            replaceWith: ["docker:Container migrate-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("runs after what is to be there before it, and takes nothing of that", async () => {
        const { get } = await make({ exitCode: 0 }, undefined, { after: true });
        expect(get(container).options.dependencies).toEqual([
            "docker:Container migrate-secrets-seed",
            "docker:Container one",
            "docker:Container two",
            "docker:Volume migrate-secrets",
        ]);
        expect(get(container).takes).toEqual({ volumes: ["docker:Volume migrate-secrets"] });
        expect(get(container).options.replaceWith).toEqual(["docker:Container migrate-secrets-seed"]);
    });

    it("has succeeded, is recorded, and lets go on what depends on it", async () => {
        const { result: job, get } = await make({ exitCode: 0, containerLogs: "done" });
        expect(await valueOf(job.succeeded)).toBe(true);
        expect(await valueOf(job.record)).toEqual({ exitCode: 0, attempt: 1 });
        expect(get("docker:Container server").inputs).toEqual({ image: "server:1" });
        expect(get("docker:Container client").inputs).toEqual({ image: "client:1" });
        expect(await valueOf(job.done.apply(({ urn }) => urn))).toBe(get(container).urn);
    });

    it("is before both; what has it as a property is replaced with it, and what only depends on it stays", async () => {
        const { get } = await make({ exitCode: 0 });
        expect(get("docker:Container server").options.dependencies).toEqual([container]);
        expect(get("docker:Container server").takes).toEqual({ image: [container] });
        expect(get("docker:Container client").options.dependencies).toEqual([container]);
        expect(get("docker:Container client").takes).toEqual({});
    });

    it("is no secret, whatever it printed and whatever its secrets are", async () => {
        const secrets = [pulumi.secret("hunter2")];
        const { result: job } = await make({ exitCode: 0, containerLogs: pulumi.secret("hunter2") }, undefined, {
            secrets,
        });
        expect(await pulumi.isSecret(job.succeeded)).toBeFalsy();
        expect(await pulumi.isSecret(job.record)).toBeFalsy();
        expect(await pulumi.isSecret(job.done)).toBeFalsy();
    });
});

describe("a plan in which the job does not run yet", () => {
    it("has all that depends on it, after it", async () => {
        const { get } = await make({ exitCode: undefined, containerLogs: undefined }, undefined, { preview: true });
        expect(get("docker:Container client").options.dependencies).toEqual([container]);
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
        expect(result.registrations.map(({ key }) => key)).not.toContain("docker:Container client");
    });

    it("shows none of its secrets, in any form, and the rest as it is", async () => {
        const secrets = [pulumi.secret("p:w/d"), "hunter2", "abc"];
        const containerLogs = pulumi.secret("p:w/d p\\:w/d p%3Aw%2Fd hunter2 abc\n");
        const { result, failures } = await withFailures(() =>
            make({ exitCode: 3, containerLogs }, undefined, { secrets }),
        );
        const scrubbed =
            "job migrate ended with exit code 3; it runs again with the next update. Its output:\n" +
            "[secret] [secret] [secret] [secret] abc";
        await expect(valueOf(result.result.succeeded)).rejects.toThrow(scrubbed);
        await expect(valueOf(result.result.done)).rejects.toThrow(scrubbed);
        expect(new Set(failures.map((failure) => (failure as Error).message))).toEqual(new Set([scrubbed]));
        expect(await pulumi.isSecret(result.result.record)).toBeFalsy();
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
        expect(error()).toBeInstanceOf(UpdateError);
        expect(error().message).toBe(text);
        expect(error().stack).toBe("");
    });

    it("keeps its empty stack, whatever the SDK sets", () => {
        const on = error();
        on.stack = "a long story";
        expect(on.stack).toBe("");
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

describe("an error of an update", () => {
    it("is the SDK's own kind of error for users, and has its message alone", () => {
        const error = new UpdateError("it is broken: mend it");
        expect(pulumi.RunError.isInstance(error)).toBe(true);
        expect(error.message).toBe("it is broken: mend it");
        expect(error.stack).toBe("");
    });
});
