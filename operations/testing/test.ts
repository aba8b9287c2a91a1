/** `npm test`: the set-up as far as tests need it, then the test files; and `npm run test:long`, file by file. */
import { type Choices, type Plan, confirmInstallation, planPlatform, setUpSteps, variablesOf } from "../platform.ts";
import type { Places } from "../places.ts";
import { runSteps } from "../progress.ts";
import { lastSeconds } from "./lastSeconds.ts";
import { announce, gateFiles, longFiles, selectFiles, testFiles } from "./selection.ts";
import { type LongResult, currentCommit, isGreen, readLongResults, recordLongResult } from "./longResults.ts";
import { removeKilledRuns } from "./runs.ts";
import { runFiles } from "./vitestRun.ts";

/** Options of `npm test`. */
export interface TestOptions extends Choices {
    readonly long?: boolean | undefined;
}

/** What a file of the long tests may take. */
const longMinutes = 20;

/** Runs the test files that the names select, or all. Returns the exit code. */
export async function test(
    names: readonly string[],
    options: TestOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<number> {
    const all = testFiles(places.project);
    const offered = options.long ? longFiles(places.project, all) : names.length > 0 ? all : gateFiles(all);
    const files = selectFiles(offered, names);
    console.error(announce(files, lastSeconds()));
    const variables = await setUp(options, places, env);
    await removeKilledRuns((line) => {
        console.error(line);
    });
    if (options.long) {
        return runLong(files, variables, places);
    }
    return (await runFiles(files, variables, places.project)).code;
}

/** Sets up what tests need. Returns the variables of their processes. */
async function setUp(options: TestOptions, places: Places, env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
    const plan = await planPlatform(places, env, options);
    await confirmInstallation(plan);
    const found: { plan: Plan } = { plan };
    await runSteps(setUpSteps(plan, places, env, options, found));
    const { DOCKER_HOST, MLFLOW_PLATFORM_BASE_IMAGE } = variablesOf(found.plan, places, env);
    return {
        ...env,
        // The stacks of the tests have a state of their own; engine, tools and images are shared.
        PULUMI_HOME: places.pulumiHome,
        ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }),
        ...(MLFLOW_PLATFORM_BASE_IMAGE === undefined ? {} : { MLFLOW_PLATFORM_BASE_IMAGE }),
        ...(options.long ? { MLFLOW_PLATFORM_TEST_LONG: "true" } : {}),
    };
}

/** Runs the long tests, each file by itself, and records each; what was green at this very commit is not run again. */
async function runLong(files: readonly string[], env: NodeJS.ProcessEnv, places: Places): Promise<number> {
    const commit = await currentCommit(places.project);
    let worst = 0;
    for (const file of files) {
        if (isGreen(readLongResults(places.project)[file], commit)) {
            console.error(`${file}: green at this commit already`);
            continue;
        }
        const begun = Date.now();
        const { code, cut } = await runFiles([file], env, places.project, longMinutes);
        if (cut === "interrupted") {
            return code;
        }
        const result: LongResult["result"] = code === 0 ? "passed" : (cut ?? "failed");
        recordLongResult(places.project, file, { commit, seconds: Math.round((Date.now() - begun) / 1000), result });
        worst = Math.max(worst, code);
    }
    return worst;
}
