/** `npm stop` and `npm run delete-data`: with and without what is protected. */
import { ended, stopIfInterrupted } from "./interruption.ts";
import type { Places } from "./places.ts";
import { planPlatform, variablesOf } from "./platform.ts";
import { runSteps } from "./progress.ts";
import { UpdateProgress } from "./updateProgress.ts";
import { UserError } from "./userError.ts";
import { openStack, runCli, staleLocks } from "./workspace.ts";

async function openExisting(stackName: string, places: Places, env: NodeJS.ProcessEnv) {
    const plan = await planPlatform(places, env, {});
    if (plan.engine.action !== "running" || !plan.toolchain.ready) {
        throw new UserError(
            plan.engine.action === "running" ? plan.toolchain.reason : plan.engine.reason,
            "npm start sets up what is needed; there is nothing to stop without it.",
        );
    }
    const variables = variablesOf(plan, places, env);
    const stack = await openStack(places, stackName, variables);
    if (staleLocks(places, variables.PULUMI_BACKEND_URL ?? "", stackName)) {
        await stack.cancel();
    }
    return { stack, variables };
}

/** Removes containers and networks; volumes, state and every generated secret stay. */
export async function stop(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack } = await openExisting(stackName, places, env);
    await runSteps([
        {
            title: `Stopping stack ${stackName}`,
            run: async (say) => {
                const progress = new UpdateProgress(say, process.stdout.isTTY ? 1 : 30);
                try {
                    await stack.destroy({ excludeProtected: true, onEvent: progress.take, signal: ended });
                } finally {
                    progress.stop();
                }
                stopIfInterrupted();
                return `${progress.changes} removed`;
            },
        },
    ]);
    console.log(
        `The data, the state and the generated secrets of stack ${stackName} are kept; npm start brings the platform back.`,
    );
}

/** Removes everything a stack has: its data, its generated secrets and its state. */
export async function deleteData(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack, variables } = await openExisting(stackName, places, env);
    await runSteps([
        {
            title: `Deleting stack ${stackName} with all its data`,
            run: async (say) => {
                const progress = new UpdateProgress(say, process.stdout.isTTY ? 1 : 30);
                try {
                    await runCli(places, variables, ["state", "unprotect", "--all", "--yes", "--stack", stackName]);
                    await stack.destroy({ onEvent: progress.take, signal: ended });
                    stopIfInterrupted();
                    await runCli(places, variables, [
                        "stack",
                        "rm",
                        "--yes",
                        "--preserve-config",
                        "--stack",
                        stackName,
                    ]);
                } finally {
                    progress.stop();
                }
                return "done";
            },
        },
    ]);
}
