/** `npm run pulumi -- <args>`: Pulumi's CLI with this user's home, backend and passphrase. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { exportLine } from "../components/buildSecrets.ts";
import { ended } from "./interruption.ts";
import { type Places, makeState } from "./places.ts";
import { installTools, planWithoutEngine } from "./platform.ts";
import { namedEngine } from "./stackEngine.ts";
import { cliRoot } from "./workspace.ts";

/** Shell lines that give any `pulumi` command the same variables. */
export function exportLines(variables: Record<string, string>, path: string): string {
    return Object.entries(variables)
        .map(([name, value]) => (name === "PATH" ? `${exportLine(name, path)}:"$PATH"` : exportLine(name, value)))
        .join("\n");
}

/** The stack that the arguments name. */
function stackOf(args: readonly string[]): string | undefined {
    const at = args.findIndex((arg) => /^(--stack|-s)$/.test(arg));
    return at === -1 ? args.find((arg) => arg.startsWith("--stack="))?.slice("--stack=".length) : args[at + 1];
}

/** Runs the CLI with the arguments as they are, or prints the variables. Returns the exit code. */
export async function pulumi(args: readonly string[], places: Places, env: NodeJS.ProcessEnv): Promise<number> {
    makeState(places);
    const stackName = stackOf(args);
    // Most commands need no engine; those that do say so themselves.
    const { toolchain, variables } = await planWithoutEngine(
        places,
        env,
        // A stack that names its engine wrongly has to be mended by this command.
        stackName === undefined ? undefined : namedEngine(places, stackName, env),
    );
    if (args[0] === "--env") {
        console.log(exportLines(variables, join(cliRoot(places), "bin")));
        return 0;
    }
    await installTools(toolchain, places, env);
    const child = spawn(join(cliRoot(places), "bin", "pulumi"), args, {
        stdio: "inherit",
        env: { ...env, ...variables },
    });
    ended.addEventListener("abort", () => child.kill("SIGTERM"));
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? (signal === null ? 1 : 130);
}
