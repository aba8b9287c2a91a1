/** `npm test`: the set-up as far as tests need it, then every test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ended } from "./interruption.ts";
import { type Choices, type Plan, confirmInstallation, planPlatform, setUpSteps, variablesOf } from "./platform.ts";
import type { Places } from "./places.ts";
import { runSteps } from "./progress.ts";

/** Options of `npm test`. */
export interface TestOptions extends Choices {
    readonly long?: boolean | undefined;
}

/** Runs vitest with the variables of the set-up. Returns its exit code. */
export async function test(
    filters: readonly string[],
    options: TestOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<number> {
    const plan = await planPlatform(places, env, options);
    await confirmInstallation(plan);
    const found: { plan: Plan } = { plan };
    await runSteps(setUpSteps(plan, places, env, options, found));
    const { DOCKER_HOST, MLFLOW_PLATFORM_BASE_IMAGE } = variablesOf(found.plan, places, env);
    const child = spawn(process.execPath, [join(places.project, "node_modules/vitest/vitest.mjs"), "run", ...filters], {
        stdio: "inherit",
        env: {
            ...env,
            // The stacks of the tests have a state of their own; engine, tools and images are shared.
            PULUMI_HOME: places.pulumiHome,
            ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }),
            ...(MLFLOW_PLATFORM_BASE_IMAGE === undefined ? {} : { MLFLOW_PLATFORM_BASE_IMAGE }),
            ...(options.long ? { MLFLOW_PLATFORM_TEST_LONG: "true" } : {}),
        },
    });
    ended.addEventListener("abort", () => child.kill("SIGTERM"));
    const [code] = (await once(child, "exit")) as [number | null];
    return code ?? 1;
}
