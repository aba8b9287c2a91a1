/** How long each test file took in this user's last runs: a file of the cache. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { placesOf } from "../places.ts";

/** Of the set-up, which is no file. */
export const setUp = "set-up";

const file = () => join(placesOf(process.env).cache, "test-seconds.json");

/** Path of a test file, from the project's directory, → seconds in the last run in which it passed. */
export function lastSeconds(): Readonly<Record<string, number>> {
    try {
        return JSON.parse(readFileSync(file(), "utf8")) as Record<string, number>;
    } catch {
        // No run yet.
        return {};
    }
}

/** Records the seconds of some files; those of others stay. */
export function recordSeconds(seconds: Readonly<Record<string, number>>): void {
    const path = file();
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify({ ...lastSeconds(), ...seconds }, undefined, 4));
    renameSync(temporary, path);
}
