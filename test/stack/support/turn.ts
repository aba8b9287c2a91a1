/** What workers that share this machine's caches do one after the other. */
import { mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { placesOf } from "../../../operations/places.ts";

/** Whether a process is there. */
function lives(pid: number): boolean {
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EPERM";
    }
}

/** Does something while no other worker does what has the same name; one that was killed at it holds up nobody. */
export async function inTurn<T>(name: string, act: () => Promise<T>): Promise<T> {
    // A link is made with its content or not at all: the holder's process id.
    const lock = join(placesOf(process.env).cache, "test-locks", name);
    mkdirSync(dirname(lock), { recursive: true });
    for (;;) {
        try {
            symlinkSync(String(process.pid), lock);
            break;
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
                throw error;
            }
        }
        try {
            if (!lives(Number(readlinkSync(lock)))) {
                rmSync(lock, { force: true });
                continue;
            }
        } catch {
            // It was given up in between.
            continue;
        }
        await sleep(500);
    }
    try {
        return await act();
    } finally {
        rmSync(lock, { force: true });
    }
}
