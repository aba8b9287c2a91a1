/** What is kept of a takeover in the state directory: how far it came, the dump, and the locations as they were. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Places } from "../places.ts";

/**
 * `preparing`: the stack serves what it had. `swapping`: it may serve either, or be stopped. `swapped`: it serves what was
 * taken over.
 */
export type Phase = "preparing" | "swapping" | "swapped";

/** The files of one stack's takeover. */
export interface TakeoverFiles {
    readonly directory: string;
    readonly record: string;
    /** pg_dump's custom format. */
    readonly dump: string;
    /** JSON lines: table, keys, column, old, new. */
    readonly locations: string;
    /** There while a takeover is under way: its process. */
    readonly lock: string;
}

/** Where they are; only this user can read them. */
export function takeoverFiles(places: Places, stackName: string): TakeoverFiles {
    const directory = join(places.state, "takeover", stackName);
    return {
        directory,
        record: join(directory, "record.json"),
        dump: join(directory, "database.dump"),
        locations: join(directory, "locations.jsonl"),
        lock: join(directory, "lock.json"),
    };
}

/** How far the last takeover came; undefined where there was none. */
export function readPhase({ record }: TakeoverFiles): Phase | undefined {
    return existsSync(record) ? (JSON.parse(readFileSync(record, "utf8")) as { phase: Phase }).phase : undefined;
}

/** Records it, whole or not at all. */
export function writePhase({ directory, record }: TakeoverFiles, phase: Phase): void {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const temporary = `${record}.new`;
    writeFileSync(temporary, JSON.stringify({ phase, time: new Date().toISOString() }), { mode: 0o600 });
    renameSync(temporary, record);
}
