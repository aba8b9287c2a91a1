/** The scripts of the pull request workflow's job without credentials, as they stand there, in a fresh clone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Checkout } from "../support/checkout.ts";

interface Step {
    readonly if?: string;
    readonly run?: string;
}
const steps = (
    parse(readFileSync(join(import.meta.dirname, "../../../.github/workflows/preview.yml"), "utf8")) as {
        jobs: { check: { steps: Step[] } };
    }
).jobs.check.steps.filter(({ run }) => run !== undefined);

/**
 * The gate (.ci/run) lints, checks types and runs the unit tests before this file, by the same commands on the same files. So only
 * `npm run test:long` does all of it again.
 */
const long = process.env.MLFLOW_PLATFORM_TEST_LONG !== undefined;
const gate = readFileSync(join(import.meta.dirname, "../../../.ci/run"), "utf8");
const inGate = ["npm run lint", "npm run typecheck"];
/** What follows such a command where a part of its work shows that it runs here. */
const part: Readonly<Record<string, string>> = {
    "npm run test:unit": " -- test/unit/scrub.test.ts",
    // Of every stack's file: preview.test.ts.
    "npm run preview -- --out preview.md": " --stack dev",
};

let clone: string;
let files: string;
const summary = () => readFileSync(join(files, "summary"), "utf8");

beforeAll(async () => {
    const checkout = await Checkout.make();
    clone = checkout.directory;
    // What the runner's checkout leaves: a repository, and nothing installed.
    rmSync(join(clone, "node_modules"));
    const author = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    for (const args of [
        ["init", "--quiet"],
        ["add", "--all"],
        [...author, "commit", "--quiet", "--no-verify", "--message", "clone"],
    ]) {
        await execa("git", args, { cwd: clone });
    }
    files = mkdtempSync(join(tmpdir(), "runner-"));
    for (const name of ["summary", "output", "env"]) {
        writeFileSync(join(files, name), "");
    }
});
afterAll(() => {
    rmSync(dirname(clone), { recursive: true, force: true });
    rmSync(files, { recursive: true, force: true });
});

describe("the job without credentials", () => {
    // In their order: each needs what the ones before have left.
    it.each(steps.map(({ run = "" }) => run))("runs: %s", async (run) => {
        if (!long && inGate.includes(run)) {
            expect(gate).toMatch(new RegExp(`^${run}( |$)`, "m"));
            return;
        }
        const script = long ? run : run + (part[run] ?? "");
        // A runner's shell: bash -e, and pipefail where a step names bash, which these do not.
        const { exitCode, all } = await execa("bash", ["-e", "-c", script], {
            cwd: clone,
            env: {
                ...process.env,
                CI: "true",
                GITHUB_ACTIONS: "true",
                GITHUB_STEP_SUMMARY: join(files, "summary"),
                GITHUB_OUTPUT: join(files, "output"),
                GITHUB_ENV: join(files, "env"),
                XDG_STATE_HOME: join(files, "state"),
                NODE_ENV: undefined,
                VITEST: undefined,
                PULUMI_CONFIG_PASSPHRASE: undefined,
                PULUMI_BACKEND_URL: undefined,
            },
            extendEnv: false,
            all: true,
            reject: false,
        });
        expect(exitCode, all).toBe(0);
    });

    it("ends with what stacks would become, where the reviewer looks", () => {
        expect(summary()).toMatch(/\bdev\b/);
        expect(summary()).toMatch(/\d+ to create/);
    });
});
