import { defineConfig } from "vitest/config";

const report = process.env.MLFLOW_PLATFORM_TEST_REPORT;
const halfAnHour = 30 * 60 * 1000;

export default defineConfig({
    test: {
        // A JSON report beside the usual one, where a file for it is named.
        reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
        projects: [
            {
                // Rules: no engine, no network, no container.
                test: {
                    name: "unit",
                    include: ["test/unit/**/*.test.ts"],
                    pool: "forks",
                    // Loading Pulumi's SDK takes longer than most files' tests; each run of mocks starts afresh anyway.
                    isolate: false,
                    sequence: { groupOrder: 0 },
                },
            },
            {
                // Real stacks on a real engine, one at a time, after the rules.
                test: {
                    name: "stack",
                    include: ["test/stack/**/*.test.ts"],
                    globalSetup: ["test/stack/platforms.ts"],
                    pool: "forks",
                    fileParallelism: false,
                    maxWorkers: 1,
                    sequence: { groupOrder: 1, concurrent: false },
                    testTimeout: halfAnHour,
                    hookTimeout: halfAnHour,
                },
            },
        ],
    },
});
