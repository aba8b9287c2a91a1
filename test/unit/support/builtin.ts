/** Node's own file functions, played for the program: what it imports by name is another. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { vi } from "vitest";

const { existsSync, readFileSync, statSync } = fs;

/** What tells a container from a host. */
export interface Surroundings {
    /** Whether Docker's file is there. */
    readonly file: boolean;
    /** Lines of /proc/self/mountinfo. */
    readonly mounts: readonly string[];
}

/** Lets the program be in a container or on a host, wherever the tests run. */
export function play({ file, mounts }: Surroundings): void {
    vi.spyOn(fs, "existsSync").mockImplementation((path) => (path === "/.dockerenv" ? file : existsSync(path)));
    vi.spyOn(fs, "readFileSync").mockImplementation((...args: Parameters<typeof readFileSync>) =>
        args[0] === "/proc/self/mountinfo" ? mounts.join("\n") : readFileSync(...args),
    );
    syncBuiltinESMExports();
}

/** Lets `stat` of that path end in this error. */
export function statFails(path: string, code: string): void {
    vi.spyOn(fs, "statSync").mockImplementation((...args: Parameters<typeof statSync>) => {
        if (args[0] === path) {
            throw Object.assign(new Error(`${code}: ${path}`), { code });
        }
        return statSync(...args);
    });
    syncBuiltinESMExports();
}

/** Ends all that. */
export function realFiles(): void {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
}
