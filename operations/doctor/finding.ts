/** What the doctor finds. */
import type { Problem } from "../stackProblems.ts";

/** What was looked at. */
export type Check =
    "engine" | "versions" | "state" | "configuration" | "ports" | "disk" | "names" | "clock" | "certificates" | "stack";

/** One finding. `fault`: something does not work, or will not. `warn`: it may. */
export interface Finding {
    readonly check: Check;
    readonly level: "ok" | "warn" | "fault";
    readonly what: string;
    /** What to do; none where all is well. */
    readonly cure?: string;
}

/** Problems as findings, or one that all is well. */
export function findingsOf(check: Check, problems: readonly Problem[], well: string): Finding[] {
    return problems.length === 0
        ? [{ check, level: "ok", what: well }]
        : problems.map((found) => ({ check, ...found }));
}
