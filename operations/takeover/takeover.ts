/** `npm run takeover`: the data of an earlier Compose installation moves into a stack. */
import { existsSync, readFileSync } from "node:fs";
import { interrupted } from "../interruption.ts";
import type { Places } from "../places.ts";
import { runSteps } from "../progress.ts";
import { configurationOf } from "../stackCheck.ts";
import { openExisting } from "../stop.ts";
import { type Found, check } from "./checks.ts";
import { discard, prepare } from "./copies.ts";
import { type Earlier, earlierInstallation } from "./earlier.ts";
import { exchange, recover, restoreLocations } from "./exchange.ts";
import { overview } from "./findings.ts";
import type { TakeoverOptions } from "./options.ts";
import { takeoverFiles, writePhase } from "./record.ts";
import { Target } from "./target.ts";
import { UserError } from "../userError.ts";

/** The earlier installation as the options name it. Throws a UserError with all that its file lacks. */
function readEarlier({ env, data }: TakeoverOptions): Earlier {
    if (env === undefined || !existsSync(env)) {
        throw new UserError(
            env === undefined ? "--env is missing." : `There is no file ${env}.`,
            "--env names the .env of the earlier installation.",
        );
    }
    const { earlier, problems } = earlierInstallation(readFileSync(env, "utf8"), env, data);
    if (earlier === undefined) {
        throw new UserError(problems.join("\n"), "The file has to be the one that the earlier Compose file reads.");
    }
    return earlier;
}

/** Runs the command. */
export async function takeover(options: TakeoverOptions, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const earlier = options.restoreLocations ? undefined : readEarlier(options);
    const { stack, variables } = await openExisting(options.stack, places, env);
    const target = await Target.find(stack, await configurationOf(stack, variables), variables);
    const files = takeoverFiles(places, target.name);
    if (earlier === undefined) {
        await restoreLocations(target, files);
        return;
    }
    await runSteps([
        {
            title: "What an interrupted takeover left",
            run: async (say) => recover(target, files, say),
        },
    ]);
    let found: Found | undefined;
    await runSteps([
        {
            title: "Checks",
            run: async (say) => {
                found = await check(target, earlier, options, say);
                return "nothing is in the way";
            },
        },
    ]);
    if (found === undefined) {
        throw new Error("nothing was checked");
    }
    const { bucket } = earlier;
    console.log(overview(found.disk, found.database, bucket, target.configuration.mlflowBucketName).join("\n"));
    if (options.check) {
        console.log("Nothing was changed.");
        return;
    }
    writePhase(files, "preparing");
    const everything = found;
    await orAsBefore(target, async () => {
        await prepare(target, earlier, everything, options, files);
        await (options.dryRun ? discard(target) : exchange(target, everything, options, files));
    });
    if (options.dryRun) {
        console.log(`Everything was tried on copies. They are gone, and stack ${target.name} serves what it had.`);
        return;
    }
    console.log(
        `Stack ${target.name} serves what the earlier installation had. ` +
            (options.inPlace
                ? "The earlier database was not changed; its objects are the stack's now."
                : "That was not changed: its containers, started again, serve it too.") +
            `\nThe dump and the locations as they were: ${files.directory}`,
    );
}

/** Says of any failure that nothing is lost by it. */
async function orAsBefore(target: Target, act: () => Promise<void>): Promise<void> {
    try {
        await act();
    } catch (error) {
        if (error instanceof UserError || interrupted()) {
            throw error;
        }
        throw new UserError(
            `The takeover failed: ${(error as Error).message}`,
            `Stack ${target.name} serves what it had, and the earlier installation is as it was. Mend what it says and run this again.`,
        );
    }
}
