/** `npm run pulumi -- <args>`: Pulumi's CLI with this user's home, backend and passphrase. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { exportLine } from "../components/buildSecrets.ts";
import { planEngine } from "./engine.ts";
import { ended } from "./interruption.ts";
import { type Places, makeState } from "./places.ts";
import { choicesOf, planTools, variablesOf } from "./platform.ts";
import { type ToolchainPlan, installToolchain } from "./toolchain.ts";
import { UserError } from "./userError.ts";
import { cliRoot } from "./workspace.ts";

/** Shell lines that give any `pulumi` command the same variables. */
export function exportLines(variables: Record<string, string>, path: string): string {
    return Object.entries(variables)
        .map(([name, value]) => (name === "PATH" ? `${exportLine(name, path)}:"$PATH"` : exportLine(name, value)))
        .join("\n");
}

/** What Pulumi's CLI needs, as far as it is there; nothing is changed. Most commands need no engine; those that do say so themselves. */
export async function planCli(places: Places, env: NodeJS.ProcessEnv) {
    const engine = await planEngine(env).catch((error: unknown) => {
        if (error instanceof UserError) {
            return undefined;
        }
        throw error;
    });
    const { toolchain, base } = await planTools(places, env, choicesOf(env), engine);
    return { engine, toolchain, variables: variablesOf({ base, engine }, places, env) };
}

/** Gets CLI and plugins where they are missing; standard output is left to the command. */
export async function provideCli(toolchain: ToolchainPlan, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    if (!toolchain.ready) {
        await installToolchain(toolchain, {
            projectDir: places.project,
            pulumiHome: places.pulumiHome,
            env,
            say: (line) => {
                console.error(line);
            },
            signal: ended,
        });
    }
}

/** Runs the CLI with the arguments as they are, or prints the variables. Returns the exit code. */
export async function pulumi(args: readonly string[], places: Places, env: NodeJS.ProcessEnv): Promise<number> {
    makeState(places);
    const { toolchain, variables } = await planCli(places, env);
    if (args[0] === "--env") {
        console.log(exportLines(variables, join(cliRoot(places), "bin")));
        return 0;
    }
    await provideCli(toolchain, places, env);
    const child = spawn(join(cliRoot(places), "bin", "pulumi"), args, {
        stdio: "inherit",
        env: { ...env, ...variables },
    });
    ended.addEventListener("abort", () => child.kill("SIGTERM"));
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? (signal === null ? 1 : 130);
}
