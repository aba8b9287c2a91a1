/** What commands start from that only look: an engine that answers, and a stack as it is. They leave everything as they find it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { planEngine } from "./engine.ts";
import type { Places } from "./places.ts";
import { announced } from "./progress.ts";
import { stackEngine } from "./stackEngine.ts";
import { UserError } from "./userError.ts";
import { type ReadStack, cliRoot, pulumiVariables, readStack } from "./workspace.ts";

const cure = "npm start sets up what is needed; there is nothing to look at without it.";

/** Variables for docker and Pulumi, with the address of a stack's engine. Throws a UserError where that does not answer. */
export async function readingVariables(
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
    const engine = await planEngine(env, stackEngine(places, stackName, env));
    if (engine.action !== "running") {
        throw new UserError(`No Docker engine answers: ${engine.reason}.`, cure);
    }
    return pulumiVariables(places, env, { dockerHost: engine.host });
}

/** Throws a UserError where Pulumi's CLI is not there yet. */
export function requireCli(places: Places): void {
    const name = process.platform === "win32" ? "pulumi.exe" : "pulumi";
    if (!existsSync(join(cliRoot(places), "bin", name))) {
        throw new UserError(`Pulumi's CLI is not in ${places.pulumiHome}.`, cure);
    }
}

/** A stack that is there, whatever goes on with it. Throws a UserError where there is nothing to look at. */
export async function openToRead(
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<{ stack: ReadStack; variables: Record<string, string> }> {
    return announced(`Opening stack ${stackName}`, async () => {
        const variables = await readingVariables(stackName, places, env);
        requireCli(places);
        return { stack: await readStack(places, stackName, variables), variables };
    });
}
