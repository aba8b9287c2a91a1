/** What is wrong with a stack, by facts alone: each problem with its cure, and the state that follows. */
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import type { Configuration } from "../../../config.ts";
import type { Expiry } from "../../../operations/status/expiry.ts";
import { standing } from "../../../operations/status/expiry.ts";
import { problemsOf, stateOf } from "../../../operations/stackProblems.ts";
import { type ServiceStatus, type StackFacts, expectedServices } from "../../../operations/status/stackStatus.ts";
import { stacksText, statusText } from "../../../operations/status/statusText.ts";

const now = new Date("2026-11-29T12:00:00Z");
const service = (some: Partial<ServiceStatus> = {}): ServiceStatus => ({
    name: "mlflow",
    state: "running",
    health: "healthy",
    since: "2026-11-29T10:00:00Z",
    restarts: 0,
    outOfMemory: false,
    healthOutput: null,
    version: "3.17.2",
    image: "mlflow-platform/mlflow:3.17.2-0123456789ab",
    published: ["127.0.0.1:5000"],
    memoryUsed: 2 ** 29,
    memoryLimit: 2 ** 31,
    ...some,
});
const facts = (some: Partial<StackFacts> = {}): StackFacts => ({
    stack: "prod",
    up: true,
    foreign: [],
    locks: [],
    configurationProblems: [],
    services: [service()],
    jobs: [{ name: "mlflow-migrate", state: "succeeded", exitCode: 0, since: "2026-11-29T09:00:00Z" }],
    models: [],
    addresses: [{ name: "MLflow", url: "http://127.0.0.1:5000" }],
    disks: [],
    volumes: [{ name: "v", size: 1024, there: true }],
    certificates: [],
    ...some,
});
const disk = { what: "engine", path: "/d", size: 100, free: 2 ** 30, usedPercent: 79, usedInodesPercent: 10 };
const expiry = (kind: Expiry["kind"], days: number): Expiry => ({
    what: "the gateway's certificate",
    kind,
    validFrom: "2026-01-01T00:00:00.000Z",
    validTo: new Date(now.getTime() + days * 24 * 3600 * 1000).toISOString(),
});
const lock = { file: "/l", pid: 12, username: "ana", hostname: hostname(), timestamp: "" };

describe("a stack", () => {
    it("whose services are healthy and whose jobs succeeded has no problem", () => {
        expect(problemsOf(facts({ disks: [disk] }), now)).toEqual([]);
        expect(stateOf(facts(), [])).toBe("healthy");
    });

    it.each<[string, Partial<StackFacts>, "fault" | "warn", RegExp, RegExp]>([
        [
            "missing",
            { services: [service({ state: "missing" })] },
            "fault",
            /^mlflow is not there$/,
            /^npm start -- --stack prod/,
        ],
        [
            "ended",
            { services: [service({ state: "exited", health: "none" })] },
            "fault",
            /^mlflow is not running: exited since 2026-11-29 10:00 UTC$/,
            /npm run logs -- mlflow --tail 50 --stack prod shows why; npm start/,
        ],
        [
            "unhealthy",
            { services: [service({ health: "unhealthy", healthOutput: "no answer" })] },
            "fault",
            /^mlflow is unhealthy since 2026-11-29 10:00 UTC: no answer$/,
            /npm run logs -- mlflow/,
        ],
        [
            "starting again and again",
            { services: [service({ health: "starting", restarts: 3 })] },
            "fault",
            /ends again and again \(3 restarts\)/,
            /npm run logs -- mlflow/,
        ],
        ["starting", { services: [service({ health: "starting" })] }, "fault", /still starting/, /^Wait/],
        [
            "paused",
            { services: [service({ state: "paused" })] },
            "fault",
            /is paused/,
            /docker unpause mlflow-platform-prod-mlflow/,
        ],
        [
            "restarting",
            { services: [service({ state: "restarting", restarts: 7 })] },
            "fault",
            /ends again and again \(7 restarts\)/,
            /npm run logs -- mlflow/,
        ],
        [
            "out of memory",
            { services: [service({ state: "exited", outOfMemory: true })] },
            "fault",
            /more than its limit of 2\.0 GiB of memory/,
            /Raise its limit/,
        ],
        [
            "a job that failed",
            { jobs: [{ name: "minio-provision", state: "failed", exitCode: 3, since: null }] },
            "fault",
            /^job minio-provision ended with exit code 3$/,
            /npm run logs -- minio-provision --stack prod/,
        ],
        [
            "a volume that is gone",
            { volumes: [{ name: "v", size: null, there: false }] },
            "fault",
            /^data volume v is gone$/,
            /Bring it back from your backup/,
        ],
        [
            "a model that waits",
            {
                models: [
                    { name: "iris", model: "iris", alias: "p", state: "waiting", version: null, words: "waits: x" },
                ],
            },
            "warn",
            /^model iris waits: x$/,
            /model-iris/,
        ],
        [
            "a disk at 80 %",
            { disks: [{ ...disk, usedPercent: 80 }] },
            "warn",
            /is 80 % full, 1\.0 GiB free/,
            /docker system df/,
        ],
        ["a disk at 97 %", { disks: [{ ...disk, usedPercent: 97 }] }, "fault", /is 97 % full/, /Make room/],
        [
            "a disk without inodes",
            { disks: [{ ...disk, usedInodesPercent: 99 }] },
            "fault",
            /99 % of its inodes/,
            /Make room/,
        ],
        [
            "a certificate that has ended",
            { certificates: [expiry("internal", -1)] },
            "fault",
            /has not been valid since 2026-11-28 12:00 UTC/,
            /npm run logs -- gateway/,
        ],
        [
            "one of one's own that ends soon",
            { certificates: [expiry("given", 20)] },
            "warn",
            /valid for 20 days/,
            /tlsCertificateFile/,
        ],
        [
            "an authority that ends soon",
            { certificates: [expiry("authority", 80)] },
            "warn",
            /valid for 80 days/,
            /Make the stack anew/,
        ],
        [
            "another state's containers",
            { foreign: ["mlflow-platform-prod-x"] },
            "fault",
            /another state made .*prod-x/,
            /Objects of another state/,
        ],
        [
            "a lock of a live process",
            { locks: [{ ...lock, stale: false }] },
            "warn",
            /under way: process 12 of ana on this host/,
            /Wait/,
        ],
        [
            "a lock that was left",
            { locks: [{ ...lock, stale: true }] },
            "warn",
            /killed has left its lock/,
            /npm start -- --stack prod .*removes it/,
        ],
        [
            "a configuration with problems",
            { configurationProblems: ["mlflowPort: x"] },
            "warn",
            /mlflowPort: x/,
            /next update is refused/,
        ],
    ])("%s", (_words, some, level, what, cure) => {
        const problems = problemsOf(facts(some), now);
        expect(problems).toEqual([
            { level, what: expect.stringMatching(what) as string, cure: expect.stringMatching(cure) as string },
        ]);
        expect(stateOf(facts(some), problems)).toBe(level === "fault" ? "unhealthy" : "healthy");
    });

    it("of which nothing is there is stopped, and npm start brings it up", () => {
        const stopped = facts({ up: false, services: [], jobs: [] });
        const problems = problemsOf(stopped, now);
        expect(problems).toEqual([
            { level: "fault", what: "Stack prod is not up", cure: "npm start -- --stack prod brings it up." },
        ]);
        expect(stateOf(stopped, problems)).toBe("stopped");
    });

    it("has its faults before its warnings", () => {
        const both = facts({ services: [service({ state: "missing" })], disks: [{ ...disk, usedPercent: 85 }] });
        const some = facts({ ...both, jobs: [{ name: "j", state: "failed", exitCode: 1, since: null }] });
        expect(problemsOf(some, now).map(({ level }) => level)).toEqual(["fault", "fault", "warn"]);
    });
});

describe("the services that a configuration asks for", () => {
    it.each<[Partial<Configuration>, string[]]>([
        [{}, ["mlflow", "minio", "postgres"]],
        [{ pgHost: "db", minioHost: "s3" }, ["mlflow"]],
        [{ publicHost: "x" }, ["gateway", "mlflow", "minio", "postgres"]],
        [
            {
                modelServers: [
                    { name: "a" },
                    { name: "b", monitorSchedule: "@daily" },
                ] as unknown as Configuration["modelServers"],
            },
            ["mlflow", "minio", "model-a", "model-b", "model-b-monitor", "postgres"],
        ],
    ])("%j", (configuration, names) => {
        expect(expectedServices(configuration)).toEqual(names);
    });
});

describe("a certificate", () => {
    it.each<[Expiry["kind"], number, string]>([
        ["internal", 2.3, "ok"],
        ["internal", 0.9, "warn"],
        ["acme", 30, "ok"],
        ["acme", 13, "warn"],
        ["given", 22, "ok"],
        ["given", 1, "warn"],
        ["given", -0.1, "fault"],
        ["authority", 7000, "ok"],
    ])("%s with %s days left is %s", (kind, days, level) => {
        expect(standing(expiry(kind, days), now).level).toBe(level);
    });

    it("that is not valid yet is a fault", () => {
        const early = { ...expiry("given", 300), validFrom: "2027-01-01T00:00:00.000Z" };
        expect(standing(early, now)).toEqual({ level: "fault", words: "is not valid before 2027-01-01 00:00 UTC" });
    });
});

describe("a status as text", () => {
    const some = facts({
        services: [
            service(),
            service({
                name: "minio",
                health: "unhealthy",
                restarts: 2,
                since: "2026-11-26T12:00:00Z",
                healthOutput: "x",
            }),
            service({
                name: "postgres",
                state: "missing",
                health: "none",
                since: null,
                image: null,
                published: [],
                memoryUsed: null,
            }),
        ],
        disks: [disk],
        certificates: [expiry("internal", 6)],
    });
    const status = { ...some, state: "unhealthy" as const, problems: problemsOf(some, now) };

    it("is plain where it is piped: one line a row, and the faults with their cures at the end", () => {
        const lines = statusText(status, now, { isTTY: false }).split("\n");
        expect(lines[0]).toBe("Stack prod: unhealthy (2 faults)");
        expect(lines).toContain("mlflow    healthy    2 h  0         512 MiB of 2.0 GiB");
        expect(lines).toContain("minio     unhealthy  3 d  2         512 MiB of 2.0 GiB");
        expect(lines).toContain("postgres  missing         0         limit 2.0 GiB");
        expect(lines.slice(-4)).toEqual([
            "Fault: minio is unhealthy since 2026-11-26 12:00 UTC: x",
            "  npm run logs -- minio --tail 50 --stack prod shows why.",
            "Fault: postgres is not there",
            "  npm start -- --stack prod makes it.",
        ]);
        expect(lines.join("")).not.toMatch(/[│─]/);
    });

    it("has lines of 100 characters at most in a terminal, whatever stands in it", () => {
        const long = { ...status, addresses: [{ name: "MLflow", url: `http://${"x".repeat(30)} `.repeat(8) }] };
        const tables = statusText(long, now, { isTTY: true, columns: 200 }).split("\n\n").slice(1, -1);
        expect(tables.length).toBeGreaterThan(5);
        for (const line of tables.join("\n").split("\n")) {
            expect(line.length).toBeLessThanOrEqual(100);
        }
    });

    it("of several stacks is a line for each", () => {
        const stopped = {
            ...facts({ stack: "dev", services: [], addresses: [] }),
            state: "stopped" as const,
            problems: [],
        };
        const well = { ...facts({ stack: "ok" }), state: "healthy" as const, problems: [] };
        expect(stacksText([status, well, stopped], { isTTY: false })).toBe(
            [
                "stack  state      services        MLflow, or what is wrong",
                "prod   unhealthy  1 of 3 healthy  minio is unhealthy since 2026-11-26 12:00 UTC: x",
                "ok     healthy    1 of 1 healthy  http://127.0.0.1:5000",
                "dev    stopped",
            ].join("\n"),
        );
    });
});
