/** When each file of the long tests was last run, and how it ended: a file of the repository. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

/** The last run of a file. */
export interface LongResult {
    /** The commit, with `+` behind it where the checkout had changes. */
    readonly commit: string;
    readonly seconds: number;
    readonly result: "passed" | "failed" | "out of time";
    /** The last commit at which it was green. */
    readonly green?: string;
}

/** The file, from the project's directory. */
export const longResultsFile = "test/long.json";

/** Test file → its last run. */
export function readLongResults(project: string): Record<string, LongResult> {
    const file = join(project, longResultsFile);
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, LongResult>) : {};
}

/** Whether a file need not run again at a commit. */
export function isGreen(last: LongResult | undefined, commit: string): boolean {
    return last?.result === "passed" && last.commit === commit && !commit.endsWith("+");
}

/** A run, with the last commit at which the file was green. */
export function withGreen(last: LongResult | undefined, run: Omit<LongResult, "green">): LongResult {
    const green = run.result === "passed" ? run.commit : last?.green;
    return green === undefined ? run : { ...run, green };
}

/** Records a run. */
export function recordLongResult(project: string, file: string, run: Omit<LongResult, "green">): void {
    const results = readLongResults(project);
    results[file] = withGreen(results[file], run);
    const sorted = Object.fromEntries(Object.entries(results).sort(([one], [other]) => one.localeCompare(other)));
    writeFileSync(join(project, longResultsFile), `${JSON.stringify(sorted, undefined, 4)}\n`);
}

/** The checkout's commit, with `+` where a file differs from it; what the long tests record themselves does not count. */
export async function currentCommit(project: string): Promise<string> {
    const git = async (...args: string[]) => (await execa("git", args, { cwd: project })).stdout;
    const changes = await git("status", "--porcelain", "--", ".", `:(exclude)${longResultsFile}`);
    return `${await git("rev-parse", "HEAD")}${changes === "" ? "" : "+"}`;
}
