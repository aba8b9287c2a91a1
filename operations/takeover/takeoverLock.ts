/** One takeover of a stack at a time: another one would undo it as interrupted. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { isAlive } from "../lock.ts";
import { UserError } from "../userError.ts";
import type { TakeoverFiles } from "./record.ts";

interface Holder {
    readonly pid: number;
    readonly hostname: string;
}

/** Who holds a lock; undefined where nobody does or its file does not say. */
function holderOf(lock: string): Holder | undefined {
    try {
        return JSON.parse(readFileSync(lock, "utf8")) as Holder;
    } catch {
        return undefined;
    }
}

function isStale(holder: Holder | undefined): boolean {
    return holder?.hostname === hostname() && !isAlive(holder.pid);
}

/** Makes the lock's file, which must not be there. Returns whether it was not. */
function made(lock: string): boolean {
    try {
        writeFileSync(lock, JSON.stringify({ pid: process.pid, hostname: hostname() }), { flag: "wx", mode: 0o600 });
        return true;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
            throw error;
        }
        return false;
    }
}

/** Removes a stale lock. Returns false where another process that found it stale was first. */
function takenAway(lock: string): boolean {
    const aside = `${lock}.${process.pid}`;
    try {
        renameSync(lock, aside);
    } catch {
        return false;
    }
    if (!isStale(holderOf(aside))) {
        // That process's own.
        renameSync(aside, lock);
        return false;
    }
    rmSync(aside);
    return true;
}

/**
 * Takes the lock, also from a process of this host that is gone. Returns what gives it back. Throws a UserError while somebody
 * else has it.
 */
export function takeLock(
    { directory, lock }: Pick<TakeoverFiles, "directory" | "lock">,
    stackName: string,
): () => void {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!made(lock)) {
        const holder = holderOf(lock);
        if (!isStale(holder) || !takenAway(lock) || !made(lock)) {
            throw heldError(lock, stackName, holderOf(lock));
        }
    }
    return () => {
        rmSync(lock, { force: true });
    };
}

function heldError(lock: string, stackName: string, holder: Holder | undefined): UserError {
    const host = holder?.hostname === hostname() ? "this host" : holder?.hostname;
    return new UserError(
        `Another takeover of stack ${stackName} is under way` +
            (holder === undefined ? "." : `: process ${holder.pid} on ${host ?? ""}.`),
        `Wait until it has ended. If that process is no takeover any more, remove its lock: ${lock}`,
    );
}
