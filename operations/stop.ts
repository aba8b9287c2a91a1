/** `npm stop` and `npm run delete-data`: with and without what is protected. */
import { rmSync } from "node:fs";
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { adoptedVolumes, objectsOf, originOf, resourcesOf } from "./engineObjects.ts";
import { ended, stopIfInterrupted } from "./interruption.ts";
import type { Places } from "./places.ts";
import { choicesOf, planPlatform, variablesOf } from "./platform.ts";
import { type Say, announced, period, runSteps, sayOnError } from "./progress.ts";
import { settleObjects } from "./stackCheck.ts";
import { takeoverFiles } from "./takeover/record.ts";
import { UpdateProgress } from "./updateProgress.ts";
import { UserError } from "./userError.ts";
import { openStack, runCli } from "./workspace.ts";

/** A stack that is there, cleared of what an interrupted update left. Throws a UserError where there is nothing to work with. */
export async function openExisting(stackName: string, places: Places, env: NodeJS.ProcessEnv) {
    return announced(`Opening stack ${stackName}`, async () => {
        const plan = await planPlatform(places, env, choicesOf(env), stackName);
        if (plan.engine.action !== "running" || !plan.toolchain.ready) {
            throw new UserError(
                plan.engine.action === "running" ? plan.toolchain.reason : plan.engine.reason,
                "npm start sets up what is needed; there is nothing to work on without it.",
            );
        }
        const variables = variablesOf(plan, places, env);
        const stack = await openStack(places, stackName, variables, true);
        const exported = await settleObjects(stack, places, variables, sayOnError, true);
        return { stack, variables, exported };
    });
}

/** Destroys what a stack has, and says why if that fails. Returns the number of resources that went. */
async function destroy(stack: Stack, say: Say, excludeProtected: boolean): Promise<number> {
    const progress = new UpdateProgress(say, { period: period() });
    try {
        await stack.destroy({ excludeProtected, onEvent: progress.take, signal: ended });
        stopIfInterrupted();
        return progress.changes;
    } catch (error) {
        stopIfInterrupted();
        throw new UserError(
            `pulumi destroy failed:\n${progress.errors.length > 0 ? progress.errors.join("\n") : String(error)}`,
            "Mend what it says and run this again; what is gone is gone, and the rest is still known.",
        );
    } finally {
        progress.stop();
    }
}

/**
 * Protects data and generated secrets again, which an interrupted deletion has left without: what a stop then removes is
 * what it says.
 */
async function protectData(
    stack: Stack,
    exported: Deployment,
    places: Places,
    variables: Record<string, string>,
): Promise<void> {
    const bare = resourcesOf(exported)
        .filter(
            ({ type, protect, urn = "" }) =>
                !protect &&
                // A service's certificate is not protected: the authority that signs it is.
                ((type.startsWith("random:") && !urn.includes(":ServerCertificate$")) || /Volume::\w+_data$/.test(urn)),
        )
        .flatMap(({ urn }) => urn ?? []);
    if (bare.length > 0) {
        await runCli(places, variables, ["state", "protect", "--yes", "--stack", stack.name, ...bare]);
    }
}

/** Removes containers and networks; volumes, state and every generated secret stay. */
export async function stop(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    await protectData(stack, exported, places, variables);
    await runSteps([
        {
            title: `Stopping stack ${stackName}`,
            run: async (say) => `${await destroy(stack, say, true)} removed`,
        },
    ]);
    console.log(
        `The data, the state and the generated secrets of stack ${stackName} are kept; ` +
            `npm start -- --stack ${stackName} brings the platform back.`,
    );
}

/** Removes everything a stack has: its data, its generated secrets and its state. */
export async function deleteData(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack, variables } = await openExisting(stackName, places, env);
    await runSteps([
        {
            title: `Deleting stack ${stackName} with all its data`,
            run: async (say) => {
                const resources = resourcesOf(await stack.exportStack());
                const origin = originOf(resources);
                const adopted = adoptedVolumes(await objectsOf(stackName, variables), resources);
                if (adopted.length > 0) {
                    throw new UserError(
                        `Another state made ${adopted.map(({ name, origin }) => `volume ${name} (${origin})`).join(", ")}.`,
                        "Nothing was deleted. If no other stack needs it, stop this one and remove the volume by hand:\n" +
                            `  npm stop -- --stack ${stackName}\n` +
                            adopted.map(({ name }) => `  docker volume rm ${name}`).join("\n"),
                    );
                }
                await runCli(places, variables, ["state", "unprotect", "--all", "--yes", "--stack", stackName]);
                const removed = await destroy(stack, say, false);
                // Those of served models stay on the engine when their resources go, and are found again.
                const left = (await objectsOf(stackName, variables)).filter(
                    ({ kind, origin: maker }) => kind === "volume" && maker === origin,
                );
                if (left.length > 0) {
                    await execa("docker", ["volume", "rm", ...left.map(({ name }) => name)], { env: variables });
                }
                rmSync(takeoverFiles(places, stackName).directory, { recursive: true, force: true });
                await runCli(places, variables, ["stack", "rm", "--yes", "--preserve-config", "--stack", stackName]);
                return `${removed} removed`;
            },
        },
    ]);
}
