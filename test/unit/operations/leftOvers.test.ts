/** Plugins of an update that was killed: they are found by their executable and their parent, and ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { endLeftOverPlugins } from "../../../operations/lock.ts";
import { Commands } from "../support/commands.ts";

/** Whether a process runs: it is there and no zombie. */
function runs(pid: number): boolean {
    const status = `/proc/${pid}/status`;
    return existsSync(status) && !/^State:\s+[ZX]/m.test(readFileSync(status, "utf8"));
}

// Other systems do not show them.
describe.runIf(existsSync("/proc/self/exe"))("plugins of an update that was killed", () => {
    let commands: Commands;
    let pids: number[];
    let parents: ChildProcess[];
    let said: string[];
    const say = (line: string) => said.push(line);
    beforeEach(() => {
        commands = new Commands();
        pids = [];
        parents = [];
        said = [];
    });
    afterEach(() => {
        vi.useRealTimers();
        for (const pid of pids.filter(runs)) {
            process.kill(pid, "SIGKILL");
        }
        for (const parent of parents) {
            parent.kill("SIGKILL");
        }
        commands.remove();
    });

    /** A program below Pulumi's home that runs for a minute, if it is let. */
    const install = (...directory: string[]): string => {
        const path = join(commands.places.pulumiHome, ...directory, "sleep");
        mkdirSync(join(path, ".."), { recursive: true });
        copyFileSync(realpathSync("/bin/sleep"), path);
        return path;
    };
    const plugin = () => install("plugins", "resource-docker-v4.0.0");
    interface Circumstances {
        /** Name of the program that starts it. */
        parent?: string;
        /** Whether that runs on. */
        stays?: boolean;
        /** Whether a request to end is ignored. */
        deaf?: boolean;
    }
    /** Starts a program. Returns its id once it runs. */
    const start = async (path: string, { parent = "pulumi", stays = false, deaf = false }: Circumstances) => {
        const shell = join(commands.directory, parent);
        if (!existsSync(shell)) {
            symlinkSync("/bin/sh", shell);
        }
        const script = `${deaf ? 'trap "" TERM; ' : ""}"${path}" 60 & echo $!; ${stays ? "wait" : "exit"}`;
        // A process is called as its file is, whatever it takes itself for.
        const child = spawn(shell, ["-c", script], { argv0: "sh", stdio: ["ignore", "pipe", "ignore"] });
        parents.push(child);
        const exited = once(child, "exit");
        const [data] = (await once(child.stdout, "data")) as [Buffer];
        const pid = Number(data.toString());
        pids.push(pid);
        if (!stays) {
            await exited;
        }
        while (readlinkSync(`/proc/${pid}/exe`) !== path) {
            await sleep(5);
        }
        return pid;
    };

    const ending = (...left: number[]) =>
        `ending plugins that outlived an update which was killed: processes ${left.sort((a, b) => a - b).join(", ")}`;

    it("are ended, and it is said which", async () => {
        const path = plugin();
        const left = [await start(path, {}), await start(path, { parent: "sh" })];
        expect(left.map(runs)).toEqual([true, true]);
        await endLeftOverPlugins(commands.places, say);
        expect(left.map(runs)).toEqual([false, false]);
        expect(said).toEqual([ending(...left)]);
    });

    it("are left alone where their CLI runs", async () => {
        const kept = await start(plugin(), { stays: true });
        await endLeftOverPlugins(commands.places, say);
        expect(runs(kept)).toBe(true);
        expect(said).toEqual([]);
    });

    it("are ended where another program is their parent now, and those of an update that runs beside it stay", async () => {
        const path = plugin();
        const kept = await start(path, { stays: true });
        const left = await start(path, { parent: "init", stays: true });
        await endLeftOverPlugins(commands.places, say);
        expect([runs(kept), runs(left)]).toEqual([true, false]);
        expect(said).toEqual([ending(left)]);
    });

    it("are ended for good where they do not end by themselves in five seconds", async () => {
        const left = await start(plugin(), { deaf: true });
        vi.useFakeTimers({ toFake: ["Date"] });
        const done = endLeftOverPlugins(commands.places, say);
        vi.setSystemTime(Date.now() + 4999);
        await sleep(200);
        // It was asked to end a while ago and goes on.
        expect(runs(left)).toBe(true);
        vi.setSystemTime(Date.now() + 1);
        await done;
        while (runs(left)) {
            await sleep(5);
        }
        expect(said).toEqual([ending(left)]);
    });

    it.each<[string, string[]]>([
        ["programs of another directory of Pulumi's home", ["versions", "3", "bin"]],
        ["programs of a directory that is only called alike", ["plugins-of-mine", "x"]],
    ])("are not %s", async (_words, directory) => {
        const kept = await start(install(...directory), {});
        await endLeftOverPlugins(commands.places, say);
        expect(runs(kept)).toBe(true);
        expect(said).toEqual([]);
    });

    it("are not those of another user's home", async () => {
        const kept = await start(plugin(), {});
        await endLeftOverPlugins({ ...commands.places, pulumiHome: join(commands.directory, "other") }, say);
        expect(runs(kept)).toBe(true);
        expect(said).toEqual([]);
    });

    it("are none where there is no Pulumi yet", async () => {
        await endLeftOverPlugins(commands.places, say);
        expect(said).toEqual([]);
    });
});
