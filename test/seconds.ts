/** How long each test file takes: a table at the end of a run, and from the last runs the order of the next one. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Reporter, TestModule, TestSpecification, Vitest } from "vitest/node";
import { BaseSequencer } from "vitest/node";
import { placesOf } from "../operations/places.ts";

/** Of the set-up, which is no file. */
export const setUp = "set-up";

/** The file of this user's last runs, in the cache. */
const file = () => join(placesOf(process.env).cache, "test-seconds.json");

/** Path of a test file, from the project's directory, → seconds in the last run that it was in. */
export function lastSeconds(): Readonly<Record<string, number>> {
    try {
        return JSON.parse(readFileSync(file(), "utf8")) as Record<string, number>;
    } catch {
        // No run yet.
        return {};
    }
}

/** What a run has counted, in the terms of vitest's own JSON report; `success` is missing until it has ended. */
export interface Counts {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    success?: boolean;
}

/**
 * Prints the seconds of each file after a run. Where MLFLOW_PLATFORM_TEST_REPORT names a file, the counts are in there after
 * each test file, so that they are known of an interrupted run, too.
 */
export class Seconds implements Reporter {
    private begun = Date.now();
    private root = process.cwd();
    private readonly starts = new Map<string, number>();
    private readonly seconds: Record<string, number> = {};
    /** Files of which the seconds say nothing of the next run. */
    private readonly failed = new Set<string>();
    private readonly counts: Counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };

    onInit({ config }: Vitest): void {
        this.root = config.root;
    }

    onTestRunStart(): void {
        this.begun = Date.now();
        this.write();
    }

    onTestModuleQueued({ moduleId }: TestModule): void {
        this.seconds[setUp] ??= (Date.now() - this.begun) / 1000;
        this.starts.set(moduleId, Date.now());
    }

    onTestModuleEnd(module: TestModule): void {
        const { moduleId } = module;
        const start = this.starts.get(moduleId);
        const name = relative(this.root, moduleId);
        this.seconds[name] = (Date.now() - (start ?? Date.now())) / 1000;
        if (!module.ok()) {
            this.failed.add(name);
        }
        for (const test of module.children.allTests()) {
            const { state } = test.result();
            if (state === "passed") {
                this.counts.numPassedTests += 1;
            } else if (state === "failed") {
                this.counts.numFailedTests += 1;
            } else {
                this.counts.numPendingTests += 1;
            }
        }
        this.write();
    }

    onTestRunEnd(_modules: readonly TestModule[], _errors: readonly unknown[], reason: string): void {
        this.counts.success = reason === "passed";
        this.write();
        const longest = Object.entries(this.seconds).sort(([, one], [, other]) => other - one);
        const rows = [...longest, ["wall time", (Date.now() - this.begun) / 1000] as const];
        console.log(
            `\nSeconds:\n${rows.map(([name, some]) => `${some.toFixed(1).padStart(8)}  ${name}`).join("\n")}\n`,
        );
        const path = file();
        mkdirSync(dirname(path), { recursive: true });
        const temporary = `${path}.${process.pid}`;
        // Without stacks the set-up is none.
        const stacks = Object.keys(this.seconds).some((name) => name.startsWith("test/stack/"));
        const kept = Object.entries(this.seconds).filter(
            ([name]) => !this.failed.has(name) && (name !== setUp || stacks),
        );
        writeFileSync(temporary, JSON.stringify({ ...lastSeconds(), ...Object.fromEntries(kept) }, undefined, 4));
        renameSync(temporary, path);
    }

    private write(): void {
        const report = process.env.MLFLOW_PLATFORM_TEST_REPORT;
        if (report !== undefined) {
            writeFileSync(report, JSON.stringify(this.counts));
        }
    }
}

/** The longest file first, so that no worker has one left at the end; before them those of which nothing is known. */
export class LongestFirst extends BaseSequencer {
    override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
        const seconds = lastSeconds();
        const of = ({ moduleId, project }: TestSpecification) =>
            seconds[relative(project.vitest.config.root, moduleId)] ?? Infinity;
        const sorted = [...files].sort((one, other) => {
            const [first, second] = [of(one), of(other)];
            return first === second ? one.moduleId.localeCompare(other.moduleId) : second - first;
        });
        return Promise.resolve(sorted);
    }
}
