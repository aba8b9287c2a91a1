/** What a killed test run has left is found and removed by the next one, on a real engine; what looks like it stays. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { originLabel, projectLabel, stackLabel } from "../../../components/labels.ts";
import { projectName } from "../../../operations/places.ts";
import { runVariable } from "../../../operations/testing/runVariable.ts";
import { beginRun, removeKilledRuns, runLabel, startOf } from "../../../operations/testing/runs.ts";
import { docker, dockerLines } from "../support/engine.ts";

const stack = `killed-${randomBytes(2).toString("hex")}`;
const origin = `ana@host-${randomBytes(4).toString("hex")}`;
const mine = `${stack}-mine`;
const anothers = `${stack}-anothers`;
const tools = `${stack}-tools`;
const labels = (of: string) =>
    Object.entries({ [projectLabel]: projectName, [stackLabel]: stack, [originLabel]: of }).flatMap((entry) => [
        "--label",
        entry.join("="),
    ]);

afterAll(async () => {
    for (const name of [mine, anothers, tools]) {
        await docker("volume", "rm", "--force", name);
    }
});

it("processes, a disk, what has the origin of its state or its label; not another state's of the same name", async () => {
    const run = beginRun(process.env.DOCKER_HOST);
    const stacks = join(run.directory, "x/state", projectName, "backend/.pulumi/stacks", projectName);
    mkdirSync(stacks, { recursive: true });
    const type = "random:index/randomId:RandomId";
    const resources = [{ urn: `urn:pulumi:${stack}::p::${type}::origin`, type, outputs: { hex: origin } }];
    writeFileSync(join(stacks, `${stack}.json`), JSON.stringify({ checkpoint: { latest: { resources } } }));
    await docker("volume", "create", ...labels(origin), mine);
    await docker("volume", "create", ...labels("ben@host-01"), anothers);
    await docker("volume", "create", "--label", `${runLabel}=${run.directory}`, tools);
    await docker("network", "create", ...labels(origin), mine);
    const worker = spawn("sleep", ["600"], { env: { ...process.env, [runVariable]: run.directory } });
    const root = process.getuid?.() === 0;
    const disk = join(run.directory, "disk");
    mkdirSync(disk);
    if (root) {
        execFileSync("mount", ["-t", "tmpfs", "tmpfs", disk]);
    }

    // It lives as long as this process does.
    const said: string[] = [];
    await removeKilledRuns((line) => said.push(line));
    expect(said).toEqual([]);
    expect(startOf(worker.pid ?? 0)).toBeDefined();

    const record = join(run.directory, "run.json");
    const { pid } = spawnSync("true");
    writeFileSync(record, JSON.stringify({ ...(JSON.parse(readFileSync(record, "utf8")) as object), pid }));
    await removeKilledRuns((line) => said.push(line));
    expect(said).toEqual([
        `Removing what a test run that was killed has left (process ${pid}, ${run.directory}): the stacks ${stack} …`,
    ]);
    expect(existsSync(run.directory)).toBe(false);
    expect(worker.signalCode).toBe("SIGTERM");
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(disk);
    expect(await dockerLines("volume", "ls", "--quiet", "--filter", `name=${stack}-`)).toEqual([anothers]);
    expect(await dockerLines("network", "ls", "--quiet", "--filter", `name=${stack}-`)).toEqual([]);
});
