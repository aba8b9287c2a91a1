/** Test runs: which were killed, and which stacks are theirs. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type TestRun, killedRuns, recordedRuns, stacksOf, startOf } from "../../../operations/testing/runs.ts";

const run = (pid: number, started: string, host = "here"): TestRun => ({
    directory: `/tmp/${pid}`,
    host,
    pid,
    started,
});

describe("a run was killed", () => {
    const living = new Map([
        [1, "100"],
        [2, "900"],
    ]);
    const killed = (...runs: TestRun[]) => killedRuns(runs, "here", (pid) => living.get(pid)).map(({ pid }) => pid);

    it("where nobody has its process id", () => {
        expect(killed(run(1, "100"), run(3, "300"))).toEqual([3]);
    });

    it("where a later process has got its id", () => {
        expect(killed(run(1, "100"), run(2, "200"))).toEqual([2]);
    });

    it("not where it is of another host, whose processes cannot be seen", () => {
        expect(killed(run(3, "300", "there"))).toEqual([]);
    });
});

describe("a process's start", () => {
    it("is the same each time, and nobody's is undefined", () => {
        expect(startOf(process.pid)).toMatch(/\d/);
        expect(startOf(process.pid)).toBe(startOf(process.pid));
        const { pid } = spawnSync(process.execPath, ["--version"]);
        expect(startOf(pid)).toBeUndefined();
    });
});

describe("a run's directory", () => {
    let parent: string;
    beforeEach(() => {
        parent = mkdtempSync(join(tmpdir(), "runs-"));
    });
    afterEach(() => {
        rmSync(parent, { recursive: true });
    });

    it("is one with a record, by whatever path it is reached", () => {
        for (const name of ["mlflow-platform-run-a", "mlflow-platform-run-b", "mlflow-platform-c"]) {
            mkdirSync(join(parent, name));
        }
        const record = { directory: "/elsewhere", host: "here", pid: 7, started: "70" };
        writeFileSync(join(parent, "mlflow-platform-run-a", "run.json"), JSON.stringify(record));
        writeFileSync(join(parent, "mlflow-platform-c", "run.json"), JSON.stringify(record));
        expect(recordedRuns(parent)).toEqual([{ ...record, directory: join(parent, "mlflow-platform-run-a") }]);
    });

    it("has the stacks of every checkout in it, with the origin of what they have on the engine", () => {
        const origin = {
            urn: "urn:pulumi:one::p::a$random:index/randomId:RandomId::origin",
            outputs: { hex: "ana@host-01" },
        };
        const files = {
            "x/state/mlflow-platform/backend/.pulumi/stacks/mlflow-platform/one.json": {
                checkpoint: { latest: { resources: [{ ...origin, type: "random:index/randomId:RandomId" }] } },
            },
            "x/state/mlflow-platform/backend/.pulumi/stacks/mlflow-platform/one.json.bak": {},
            "y/state/mlflow-platform/backend/.pulumi/stacks/mlflow-platform/two.json": { checkpoint: {} },
        };
        for (const [file, content] of Object.entries(files)) {
            mkdirSync(join(parent, file, ".."), { recursive: true });
            writeFileSync(join(parent, file), JSON.stringify(content));
        }
        mkdirSync(join(parent, "z"));
        expect(stacksOf({ ...run(1, ""), directory: parent })).toEqual([
            { stack: "one", origin: "ana@host-01" },
            { stack: "two", origin: undefined },
        ]);
    });
});
