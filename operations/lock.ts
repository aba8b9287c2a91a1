/** What a killed update leaves running or locked. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { type Places, projectName } from "./places.ts";
import type { Say } from "./progress.ts";
import { UserError } from "./userError.ts";

/** Milliseconds that a plugin has to end by itself. */
const patience = 5000;

/** Ids of this user's plugin processes whose CLI is gone. Only Linux shows them (in /proc). */
function leftOverPlugins(pulumiHome: string): number[] {
    if (!existsSync("/proc/self/exe")) {
        return [];
    }
    const plugins = join(pulumiHome, "plugins") + sep;
    return readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((pid) => {
            try {
                if (!readlinkSync(`/proc/${pid}/exe`).startsWith(plugins)) {
                    return false;
                }
                const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
                return readFileSync(`/proc/${parent}/comm`, "utf8").trim() !== "pulumi";
            } catch {
                // It ended in between, or is another user's.
                return false;
            }
        });
}

/**
 * Ends the plugins of updates that were killed. A plugin outlives its CLI, and finishes what it was asked for: it would go
 * on to make containers that no state knows.
 */
export async function endLeftOverPlugins({ pulumiHome }: Places, say: Say): Promise<void> {
    const pids = leftOverPlugins(pulumiHome);
    if (pids.length === 0) {
        return;
    }
    say(`ending plugins that outlived an update which was killed: processes ${pids.join(", ")}`);
    const signal = (name: NodeJS.Signals) => {
        for (const pid of pids.filter(isAlive)) {
            process.kill(pid, name);
        }
    };
    signal("SIGTERM");
    const deadline = Date.now() + patience;
    while (pids.some(isAlive) && Date.now() < deadline) {
        await sleep(50);
    }
    signal("SIGKILL");
}

/** `held`: an update runs, as far as can be known here. `stale`: its process on this host is gone. */
export type LockState = "none" | "held" | "stale";

/** The state of the lock that an update holds on its stack in a `file://` backend. Other backends keep their own order. */
export function lockState(backendUrl: string, stackName: string): LockState {
    if (!backendUrl.startsWith("file://")) {
        return "none";
    }
    const directory = join(backendUrl.slice("file://".length), ".pulumi/locks/organization", projectName, stackName);
    // Beside each lock the backend may keep a file with its attributes.
    const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith(".json")) : [];
    const locks = files.map(
        (file) => JSON.parse(readFileSync(join(directory, file), "utf8")) as { pid: number; hostname: string },
    );
    if (locks.length === 0) {
        return "none";
    }
    return locks.every((lock) => lock.hostname === hostname() && !isAlive(lock.pid)) ? "stale" : "held";
}

function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EPERM";
    }
    // A process that was killed stays as a zombie until its parent asks for it, which in a container may be never.
    const status = `/proc/${pid}/status`;
    return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, "utf8"));
}

/** Removes the lock of an update that was killed. Throws a UserError while another update runs. */
export async function settleLock(stack: Stack, variables: Record<string, string>, say: Say): Promise<void> {
    const state = lockState(variables.PULUMI_BACKEND_URL ?? "", stack.name);
    if (state === "held") {
        throw new UserError(
            `Another update of stack ${stack.name} is under way.`,
            "Wait until it has ended. If it ran on a machine that is gone:\n" +
                `  npm run pulumi -- cancel --stack ${stack.name}`,
        );
    }
    if (state === "stale") {
        say("removing the lock of an update that was killed");
        await stack.cancel();
    }
}
