/** The set-up that every command shares: engine, CLI and plugins, base image, and the variables for all of them. */
import { createInterface } from "node:readline/promises";
import { type BasePlan, type BaseSource, planBase, provideBase } from "./baseImage.ts";
import { type EnginePlan, planEngine, provideEngine } from "./engine.ts";
import { ended, stopIfInterrupted } from "./interruption.ts";
import { type Places, makeState } from "./places.ts";
import { type Say, type Step, sayOnError } from "./progress.ts";
import { stackEngine } from "./stackEngine.ts";
import { type ToolchainPlan, type ToolchainSource, installToolchain, planToolchain } from "./toolchain.ts";
import { UserError } from "./userError.ts";
import { pulumiVariables } from "./workspace.ts";

/** What the user can force. */
export interface Choices {
    readonly toolchain?: ToolchainSource | undefined;
    readonly base?: BaseSource | undefined;
}

/** The choices that the environment makes, for commands without the options. */
export function choicesOf(env: NodeJS.ProcessEnv): Choices {
    const { MLFLOW_PLATFORM_TOOLCHAIN: toolchain, MLFLOW_PLATFORM_BASE: base } = env;
    return {
        toolchain: toolchain === "official" || toolchain === "modules" ? toolchain : undefined,
        base: base === "registry" || base === "packages" ? base : undefined,
    };
}

/** What would be used, and why. */
export interface Plan {
    readonly engine: EnginePlan;
    readonly toolchain: ToolchainPlan;
    readonly base: BasePlan;
}

/**
 * Looks at everything and changes nothing; the engine is the one that the stack names for itself, if it does. Throws a UserError
 * where no engine can be had.
 */
export async function planPlatform(
    places: Places,
    env: NodeJS.ProcessEnv,
    choices: Choices,
    stackName?: string,
): Promise<Plan> {
    const engine = await planEngine(env, stackName === undefined ? undefined : stackEngine(places, stackName, env));
    return { engine, ...(await planTools(places, env, choices, engine)) };
}

/** The same for tools and base image alone, with an engine or without one. */
export async function planTools(
    places: Places,
    env: NodeJS.ProcessEnv,
    { toolchain: forced, base: forcedBase }: Choices,
    engine: EnginePlan | undefined,
): Promise<Omit<Plan, "engine">> {
    const [toolchain, base] = await Promise.all([
        planToolchain({ pulumiHome: places.pulumiHome, env, ...(forced === undefined ? {} : { forced }) }),
        planBase(places, env, engine?.action === "running" ? engine : undefined, forcedBase),
    ]);
    return { toolchain, base };
}

/**
 * What commands use that need Pulumi's CLI, and an engine only to ask it something: `named`, the one that the stack names for
 * itself, else the user's.
 */
export async function planWithoutEngine(
    places: Places,
    env: NodeJS.ProcessEnv,
    named: string | undefined,
): Promise<{ toolchain: ToolchainPlan; engine: EnginePlan | undefined; variables: Record<string, string> }> {
    const engine = await planEngine(env, named).catch((error: unknown) => {
        if (error instanceof UserError) {
            return undefined;
        }
        throw error;
    });
    const plan = await planTools(places, env, choicesOf(env), engine);
    return { toolchain: plan.toolchain, engine, variables: variablesOf({ ...plan, engine }, places, env) };
}

/** Installs Pulumi's CLI and plugins where they are not there; standard output is left to the command. */
export async function installTools(
    plan: ToolchainPlan,
    places: Places,
    env: NodeJS.ProcessEnv,
    say: Say = sayOnError,
): Promise<void> {
    if (!plan.ready) {
        await installToolchain(plan, {
            projectDir: places.project,
            pulumiHome: places.pulumiHome,
            env,
            say,
            signal: ended,
        });
    }
}

/** Variables for Pulumi and docker under a plan. */
export function variablesOf(
    plan: Pick<Plan, "base"> & { readonly engine?: EnginePlan | undefined },
    places: Places,
    env: NodeJS.ProcessEnv,
): Record<string, string> {
    return pulumiVariables(places, env, { dockerHost: plan.engine?.host, baseImage: plan.base.reference });
}

/** Asks before the distribution's engine is installed. No terminal counts as yes. */
export async function confirmInstallation(plan: Plan): Promise<void> {
    if (plan.engine.action !== "install" || !process.stdin.isTTY) {
        return;
    }
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    // Ctrl-C and Ctrl-D are a no.
    const closed = new Promise<string>((resolve) =>
        terminal.once("close", () => {
            resolve("no");
        }),
    );
    const asked = terminal
        .question(`${plan.engine.reason}. Install the distribution's (docker.io, about 300 MB) and start it? [Y/n] `)
        .catch(() => "no");
    const reply = await Promise.race([asked, closed]);
    terminal.close();
    if (!/^(y(es)?)?$/i.test(reply.trim())) {
        throw new UserError("Without a Docker engine nothing can run.", "Install one, start it, and run this again.");
    }
}

/** The steps that make a plan true. What they find out on the way (a base that can only be asked for now) is in `found`. */
export function setUpSteps(
    plan: Plan,
    places: Places,
    env: NodeJS.ProcessEnv,
    choices: Choices,
    found: { plan: Plan },
): Step[] {
    return [
        {
            title: "Docker engine",
            run: async (say) => {
                makeState(places);
                await provideEngine(plan.engine, places, say);
                stopIfInterrupted();
                return plan.engine.action === "running" ? plan.engine.reason : "started";
            },
        },
        {
            title: "Pulumi CLI and plugins",
            run: async (say) => {
                await installToolchain(plan.toolchain, {
                    projectDir: places.project,
                    pulumiHome: places.pulumiHome,
                    env,
                    say,
                    signal: ended,
                });
                stopIfInterrupted();
                return plan.toolchain.reason;
            },
        },
        {
            title: "Base image",
            run: async (say) => {
                // An engine that was only just started may have the image already.
                const base =
                    plan.engine.action === "running"
                        ? plan.base
                        : await planBase(places, env, plan.engine, choices.base);
                found.plan = { ...plan, base };
                await provideBase(base, places, variablesOf(found.plan, places, env), say);
                stopIfInterrupted();
                return base.reason;
            },
        },
    ];
}
