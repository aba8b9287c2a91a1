/** What a killed update leaves running or locked. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { directoryOf } from "./backend.ts";
import { type Places, projectName } from "./places.ts";
import type { Say } from "./progress.ts";
import { UserError } from "./userError.ts";

/** Milliseconds that a plugin has to end by itself. */
const patience = 5000;

/** Ids of this user's plugin processes whose CLI is gone. Only Linux shows them (in /proc). */
export function leftOverPlugins(pulumiHome: string): number[] {
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

/** Who holds a stack's lock (lockContent in pulumi/pkg/backend/diy/lock.go). */
export interface Lock {
    /** Absolute path of its file. */
    readonly file: string;
    readonly pid: number;
    readonly username: string;
    readonly hostname: string;
    /** When it was taken, RFC 3339; "" where the file does not say. */
    readonly timestamp: string;
    /** Whether its process is on this host and gone. */
    readonly stale: boolean;
}

/** The locks of a stack in a `file://` backend. Other backends keep their own order. */
export function locksOf(backendUrl: string, stackName: string): Lock[] {
    const backend = directoryOf(backendUrl);
    if (backend === undefined) {
        return [];
    }
    const directory = join(backend, ".pulumi/locks/organization", projectName, stackName);
    // Beside each lock the backend may keep a file with its attributes.
    const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith(".json")) : [];
    return files.map((name) => {
        const file = join(directory, name);
        const nobody = { pid: 0, username: "somebody", hostname: "an unknown host", timestamp: "" };
        let lock = nobody;
        try {
            lock = { ...nobody, ...(JSON.parse(readFileSync(file, "utf8")) as Partial<Lock>) };
        } catch {
            // Cut short by a full disk, or just being written.
        }
        const { pid, username, timestamp } = lock;
        const stale = lock.hostname === hostname() && !isAlive(pid);
        return { file, pid, username, hostname: lock.hostname, timestamp, stale };
    });
}

/** A lock in words: whose it is, where and since when. */
export function lockInWords({ pid, username, hostname: host, timestamp }: Lock): string {
    const when = timestamp === "" ? "" : `, since ${timestamp.replace(/\.\d+/, "")}`;
    return `process ${pid} of ${username} on ${host === hostname() ? "this host" : host}${when}`;
}

/** Whether a process of this host runs. */
export function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EPERM";
    }
    // A process that was killed stays as a zombie until its parent asks for it, which in a container may be never.
    const status = `/proc/${pid}/status`;
    return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, "utf8"));
}

/** The error of a stack whose lock another update holds: who that is, and how to go on. */
export function lockedError(stackName: string, held: readonly Lock[]): UserError {
    const cancel = `  npm run pulumi -- cancel --stack ${stackName}`;
    return new UserError(
        `Another update of stack ${stackName} is under way: ${held.map(lockInWords).join("; ")}.`,
        held.every((lock) => lock.hostname === hostname())
            ? `Wait until it has ended. If that process is no update (ps -p ${held.map(({ pid }) => pid).join(",")}), take its lock away:\n${cancel}`
            : `Wait until it has ended; from this host nobody can see whether it still runs. If it is gone, take its lock away:\n${cancel}`,
    );
}

/** Removes the lock of an update that was killed. Throws a UserError while another update runs. */
export async function settleLock(stack: Stack, variables: Record<string, string>, say: Say): Promise<void> {
    const locks = locksOf(variables.PULUMI_BACKEND_URL ?? "", stack.name);
    const held = locks.filter(({ stale }) => !stale);
    if (held.length > 0) {
        throw lockedError(stack.name, held);
    }
    if (locks.length > 0) {
        say(`removing the lock of an update that was killed: ${locks.map(lockInWords).join("; ")}`);
        await stack.cancel();
    }
}
