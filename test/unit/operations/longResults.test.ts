/** The record of the long tests: what need not run again, and when each was last green. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
    currentCommit,
    isGreen,
    readLongResults,
    recordLongResult,
    withGreen,
} from "../../../operations/testing/longResults.ts";

let project: string;
const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.com", ...args], {
        cwd: project,
        encoding: "utf8",
    }).trim();
beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "long-"));
    mkdirSync(join(project, "test"));
    git("init", "--quiet");
    git("commit", "--quiet", "--allow-empty", "--message", "one");
});
afterEach(() => {
    rmSync(project, { recursive: true });
});

describe("a file", () => {
    it("need not run again only where it passed at this very commit", () => {
        expect(isGreen({ commit: "a", seconds: 1, result: "passed" }, "a")).toBe(true);
        expect(isGreen({ commit: "a", seconds: 1, result: "passed" }, "b")).toBe(false);
        expect(isGreen({ commit: "a", seconds: 1, result: "failed", green: "a" }, "a")).toBe(false);
        expect(isGreen({ commit: "a+", seconds: 1, result: "passed" }, "a+")).toBe(false);
        expect(isGreen(undefined, "a")).toBe(false);
    });

    it("keeps the commit at which it was green when it fails", () => {
        const passed = withGreen(undefined, { commit: "a", seconds: 5, result: "passed" });
        expect(passed).toEqual({ commit: "a", seconds: 5, result: "passed", green: "a" });
        expect(withGreen(passed, { commit: "b", seconds: 1200, result: "out of time" })).toEqual({
            commit: "b",
            seconds: 1200,
            result: "out of time",
            green: "a",
        });
        expect(withGreen(undefined, { commit: "b", seconds: 7, result: "failed" })).toEqual({
            commit: "b",
            seconds: 7,
            result: "failed",
        });
    });
});

it("the record is one line of results for each file, in order, and the gate says how old each is", async () => {
    recordLongResult(project, "test/b", { commit: git("rev-parse", "HEAD"), seconds: 5, result: "passed" });
    recordLongResult(project, "test/a", { commit: git("rev-parse", "HEAD"), seconds: 6, result: "failed" });
    expect(Object.keys(readLongResults(project))).toEqual(["test/a", "test/b"]);
    // What it records itself is no change.
    expect(await currentCommit(project)).toBe(git("rev-parse", "HEAD"));
    writeFileSync(join(project, "new"), "");
    expect(await currentCommit(project)).toBe(`${git("rev-parse", "HEAD")}+`);
    git("commit", "--quiet", "--allow-empty", "--message", "two");
    git("commit", "--quiet", "--allow-empty", "--message", "three");
    const script = join(import.meta.dirname, "../../../.ci/long.mjs");
    expect(execFileSync(process.execPath, [script], { cwd: project, encoding: "utf8" })).toBe(
        "npm run test:long -- test/a: was never green (last failed in 6 s)\n" +
            "npm run test:long -- test/b: was last green 2 commits ago (last passed in 5 s)\n",
    );
});

it.each([
    [{ numPassedTests: 7, numFailedTests: 0, numPendingTests: 2, success: true }, "skipped: 2\n7 passed, 0 failed\n"],
    [{ numPassedTests: 7, numFailedTests: 2, numPendingTests: 0, success: false }, "7 passed, 2 failed\n"],
    [{ numPassedTests: 7, numFailedTests: 0, numPendingTests: 0 }, "7 passed, 1 failed\n"],
    [undefined, "0 passed, 1 failed\n"],
])("the gate's last line of %j", (counts, line) => {
    const file = join(project, "counts");
    writeFileSync(file, counts === undefined ? "" : JSON.stringify(counts));
    const script = join(import.meta.dirname, "../../../.ci/count.mjs");
    expect(execFileSync(process.execPath, [script, file], { encoding: "utf8" })).toBe(line);
});
