import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { LongestFirst, Seconds } from "./test/seconds.ts";

const twoMinutes = 2 * 60 * 1000;
const halfAnHour = 30 * 60 * 1000;

/** Real stacks on a real engine. */
const stacks = {
    pool: "forks",
    testTimeout: halfAnHour,
    hookTimeout: halfAnHour,
} as const;

export default defineConfig({
    test: {
        reporters: ["default", new Seconds()],
        // Of the whole run, before its first file; it looks itself at what the selected files need.
        globalSetup: ["test/stack/support/setUp.ts"],
        sequence: { sequencer: LongestFirst },
        projects: [
            {
                // Rules: no engine, no network, no container.
                test: {
                    name: "unit",
                    include: ["test/unit/**/*.test.ts"],
                    pool: "forks",
                    maxWorkers: availableParallelism(),
                    // Loading Pulumi's SDK takes longer than most files' tests; each run of mocks starts afresh anyway.
                    isolate: false,
                    // Beside other work many take longer than the five seconds of vitest's own.
                    testTimeout: twoMinutes,
                    hookTimeout: twoMinutes,
                    sequence: { groupOrder: 0 },
                },
            },
            {
                // What does not disturb each other: two at a time, because a stack's test waits far more than it computes.
                test: {
                    name: "stack",
                    include: ["test/stack/{shared,own}/**/*.test.ts"],
                    maxWorkers: 2,
                    sequence: { groupOrder: 1 },
                    ...stacks,
                },
            },
            {
                // What changes the shared platforms, stops the engine or looks at all of it: one at a time, last. And what the
                // long tests run, file by file.
                test: {
                    name: "alone",
                    include: ["test/stack/{alone,long}/**/*.test.ts"],
                    maxWorkers: 1,
                    sequence: { groupOrder: 2 },
                    ...stacks,
                },
            },
        ],
    },
});
