/** `npm run up`: `pulumi up` for a stack that is there, with the logs of what fails. It sets up nothing. */
import type { Places } from "./places.ts";
import { runSteps } from "./progress.ts";
import { configurationOf } from "./stackCheck.ts";
import { servedModelLines } from "./servedModel.ts";
import { openExisting } from "./stop.ts";
import { changesInWords, update } from "./update.ts";

/** Runs the command. `verbose` prints everything that Pulumi and the images' builds say. */
export async function up(stackName: string, places: Places, env: NodeJS.ProcessEnv, verbose = false): Promise<void> {
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    const configuration = await configurationOf(stack, variables, exported);
    await runSteps(
        [
            {
                title: `pulumi up of stack ${stackName}`,
                run: async (say) => changesInWords(await update(stack, places, variables, say, { verbose, exported })),
            },
        ],
        verbose,
    );
    for (const line of await servedModelLines(stackName, configuration, variables)) {
        console.log(line);
    }
}
