/**
 * What a test run makes lies in a directory of its own under the temporary one, with a record of who runs it. So an interrupted
 * run can be taken down as a whole, and the next run finds what a killed one has left.
 */
import { execFileSync } from "node:child_process";
import {
    chmodSync,
    existsSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { stacksIn } from "../backend.ts";
import { objectsOf, originOf, resourcesOf } from "../engineObjects.ts";
import { projectName } from "../places.ts";
import { runVariable } from "./runVariable.ts";

const prefix = `${projectName}-run-`;
const recordFile = "run.json";

/** The label of containers, volumes and networks that a test makes by docker itself: the run's directory. */
export const runLabel = `${projectName}.test-run`;

/** Who runs it. */
export interface TestRun {
    /** Where everything is that it makes. */
    readonly directory: string;
    readonly host: string;
    readonly pid: number;
    /** When that process started, as the system counts it: a process id is given away again. */
    readonly started: string;
    /** The engine that it used, as DOCKER_HOST has it. */
    readonly dockerHost?: string;
}

/** When a process started, as the system counts it; undefined where there is none of that id. */
export function startOf(pid: number): string | undefined {
    try {
        if (existsSync("/proc/self/stat")) {
            // The 22nd field; the second, a name in brackets, may hold blanks.
            return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19];
        }
        return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
    } catch {
        return undefined;
    }
}

/** Makes the directory of a run of this process. */
export function beginRun(dockerHost: string | undefined): TestRun {
    const directory = mkdtempSync(join(tmpdir(), prefix));
    // As the temporary directory itself: what lies in there says who may read it.
    chmodSync(directory, 0o755);
    const run = {
        directory,
        host: hostname(),
        pid: process.pid,
        started: startOf(process.pid) ?? "",
        ...(dockerHost === undefined ? {} : { dockerHost }),
    };
    writeFileSync(join(directory, recordFile), JSON.stringify(run));
    return run;
}

/** The runs of this user that have a directory in `parent`. */
export function recordedRuns(parent = tmpdir()): TestRun[] {
    return readdirSync(parent)
        .filter((name) => name.startsWith(prefix) && existsSync(join(parent, name, recordFile)))
        .filter((name) => statSync(join(parent, name)).uid === process.getuid?.())
        .map((name) => ({
            ...(JSON.parse(readFileSync(join(parent, name, recordFile), "utf8")) as TestRun),
            directory: join(parent, name),
        }));
}

/** Those of this host whose process is gone. Of another host (a container with the same directory) nobody can tell. */
export function killedRuns(
    runs: readonly TestRun[],
    host: string,
    started: (pid: number) => string | undefined,
): TestRun[] {
    return runs.filter((run) => run.host === host && started(run.pid) !== run.started);
}

/** The stacks of a run, in every checkout that it made: name, and the origin that their objects have, once there are some. */
export function stacksOf({ directory }: TestRun): { stack: string; origin: string | undefined }[] {
    return readdirSync(directory).flatMap((name) => {
        const backend = join(directory, name, "state", projectName, "backend");
        return stacksIn(backend).map((stack) => {
            const file = join(backend, ".pulumi/stacks", projectName, `${stack}.json`);
            const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as { checkpoint?: { latest?: unknown } };
            const deployment = { version: 3, deployment: checkpoint?.latest };
            return { stack, origin: originOf(resourcesOf(deployment)) };
        });
    });
}

/** The processes that work for a run, this one aside. Where there is no /proc, those are not found. */
function processesOf({ directory }: TestRun): number[] {
    if (!existsSync("/proc/self/environ")) {
        return [];
    }
    const own = `${runVariable}=${directory}`;
    return readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
        .filter((name) => {
            try {
                return readFileSync(`/proc/${name}/environ`, "utf8").split("\0").includes(own);
            } catch {
                // It ended in between, or is another user's.
                return false;
            }
        })
        .map(Number);
}

/** Ends the processes of a run: in order first, for an engine among them ends its containers; after half a minute at once. */
async function endProcesses(run: TestRun): Promise<void> {
    for (const [signal, seconds] of [
        ["SIGTERM", 30],
        ["SIGKILL", 10],
    ] as const) {
        for (const pid of processesOf(run)) {
            try {
                process.kill(pid, signal);
            } catch {
                // It ended in between.
            }
        }
        for (let waited = 0; waited < seconds * 5 && processesOf(run).length > 0; waited += 1) {
            await sleep(200);
        }
    }
}

/** Takes away the disks that tests have mounted in a run's directory. */
async function unmountDisks({ directory }: TestRun): Promise<void> {
    if (!existsSync("/proc/self/mounts")) {
        return;
    }
    const places = readFileSync("/proc/self/mounts", "utf8")
        .split("\n")
        .map((line) => line.split(" ")[1] ?? "")
        .filter((place) => place.startsWith(`${directory}/`));
    for (const place of places.reverse()) {
        await execa("umount", ["--lazy", place]);
    }
}

/** Removes from the engine what a run made: what carries its own stacks' origins, or the run's label. */
async function removeFromEngine(run: TestRun): Promise<void> {
    const env: Record<string, string> = run.dockerHost === undefined ? {} : { DOCKER_HOST: run.dockerHost };
    const docker = async (...args: string[]) =>
        (await execa("docker", args, { env })).stdout.split("\n").filter((line) => line !== "");
    const containers = await docker("ps", "--all", "--quiet", "--filter", `label=${runLabel}=${run.directory}`);
    const networks = await docker("network", "ls", "--quiet", "--filter", `label=${runLabel}=${run.directory}`);
    const volumes = await docker("volume", "ls", "--quiet", "--filter", `label=${runLabel}=${run.directory}`);
    for (const { stack, origin } of stacksOf(run)) {
        // Another state may have a stack of this name.
        const objects = (await objectsOf(stack, env)).filter((object) => object.origin === origin);
        const of = (kind: string) => objects.filter((object) => object.kind === kind).map(({ id }) => id);
        containers.push(...of("container"));
        networks.push(...of("network"));
        volumes.push(...of("volume"));
    }
    for (const [command, ids] of [
        [["rm", "--force", "--volumes"], containers],
        [["network", "rm"], networks],
        [["volume", "rm"], volumes],
    ] as const) {
        if (ids.length > 0) {
            await docker(...command, ...new Set(ids));
        }
    }
}

/** Takes down all that a run made. Its record goes last, so what cannot be removed now is found again. */
export async function removeRun(run: TestRun): Promise<void> {
    await endProcesses(run);
    await unmountDisks(run);
    await removeFromEngine(run);
    for (const name of readdirSync(run.directory).filter((each) => each !== recordFile)) {
        rmSync(join(run.directory, name), { recursive: true, force: true });
    }
    rmSync(run.directory, { recursive: true, force: true });
}

/** Removes what killed runs have left, and names it. */
export async function removeKilledRuns(say: (line: string) => void): Promise<void> {
    for (const run of killedRuns(recordedRuns(), hostname(), startOf)) {
        const stacks = [...new Set(stacksOf(run).map(({ stack }) => stack))];
        const what = stacks.length === 0 ? "no stack" : `the stacks ${stacks.join(", ")}`;
        say(`Removing what a test run that was killed has left (process ${run.pid}, ${run.directory}): ${what} …`);
        try {
            await removeRun(run);
        } catch (error) {
            // Its engine may be gone for good.
            say(`It is not all removed: ${(error as Error).message}`);
        }
    }
}
