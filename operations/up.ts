/** `npm run up`: `pulumi up` for a stack that is there, with the logs of what fails. It sets up nothing. */
import type { Places } from "./places.ts";
import { runSteps } from "./progress.ts";
import { configurationOf } from "./stackCheck.ts";
import { servedModelLines } from "./servedModel.ts";
import { openExisting } from "./stop.ts";
import { changesInWords, update } from "./update.ts";

/** Runs the command. */
export async function up(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack, variables } = await openExisting(stackName, places, env);
    const configuration = await configurationOf(stack, variables);
    await runSteps([
        {
            title: `pulumi up of stack ${stackName}`,
            run: async (say) => changesInWords(await update(stack, places, variables, say)),
        },
    ]);
    for (const line of await servedModelLines(stackName, configuration, variables)) {
        console.log(line);
    }
}
