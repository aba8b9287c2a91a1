/** `npm run takeover`: the data of an earlier Compose installation moves into a stack. */
import { interrupted } from "../interruption.ts";
import type { Places } from "../places.ts";
import { runSteps } from "../progress.ts";
import { configurationOf } from "../stackCheck.ts";
import { readUserFile, userPath } from "../stacks/importEnv.ts";
import { openExisting } from "../stop.ts";
import { UserError } from "../userError.ts";
import { type Found, check } from "./checks.ts";
import { discard, prepare } from "./copies.ts";
import { type Earlier, earlierInstallation } from "./earlier.ts";
import { afterFailure, exchange, leftBehind, recover, restoreLocations } from "./exchange.ts";
import { overview } from "./findings.ts";
import { type TakeoverOptions, prefixOf } from "./options.ts";
import { type TakeoverFiles, readPhase, takeoverFiles, writePhase } from "./record.ts";
import { takeLock } from "./takeoverLock.ts";
import { Target } from "./target.ts";

/** The earlier installation as the options name it. Throws a UserError with all that its file lacks. */
function readEarlier({ env: file, data }: TakeoverOptions, env: NodeJS.ProcessEnv): Earlier {
    if (file === undefined) {
        throw new UserError("--env is missing.", "--env names the .env of the earlier installation.");
    }
    const path = userPath(file, env);
    const place = data?.startsWith(".") ? userPath(data, env) : data;
    const { earlier, problems } = earlierInstallation(readUserFile(path), path, place, env);
    if (earlier === undefined) {
        throw new UserError(problems.join("\n"), "The file has to be the one that the earlier Compose file reads.");
    }
    return earlier;
}

/** Runs the command. */
export async function takeover(given: TakeoverOptions, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const options = { ...given, prefix: prefixOf(given.prefix) };
    const earlier = options.restoreLocations ? undefined : readEarlier(options, env);
    const { stack, variables } = await openExisting(options.stack, places, env);
    const configuration = await configurationOf(stack, variables);
    const files = takeoverFiles(places, stack.name);
    const release = takeLock(files, stack.name);
    try {
        const target = await Target.find(stack, configuration, variables, readPhase(files) === "swapping");
        await (earlier === undefined ? restoreLocations(target, files) : takeOver(target, earlier, options, files));
    } finally {
        release();
    }
}

/** All of it, with the stack's lock held. */
async function takeOver(
    target: Target,
    earlier: Earlier,
    options: TakeoverOptions,
    files: TakeoverFiles,
): Promise<void> {
    await runSteps([
        {
            title: "What an interrupted takeover left",
            run: async (say) =>
                options.check ? leftBehind(readPhase(files), target.name) : recover(target, files, say),
        },
    ]);
    let found: Found | undefined;
    await runSteps([
        {
            title: "Checks",
            run: async (say) => {
                found = await check(target, earlier, options, files, say);
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
    await orInWords(target, files, async () => {
        await prepare(target, earlier, everything, options, files);
        await (options.dryRun ? discard(target, files) : exchange(target, everything, options, files));
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

/** Says of any failure what it has left. */
async function orInWords(target: Target, files: TakeoverFiles, act: () => Promise<void>): Promise<void> {
    try {
        await act();
    } catch (error) {
        const phase = readPhase(files);
        if ((error instanceof UserError && phase === "preparing") || interrupted()) {
            throw error;
        }
        throw new UserError(`The takeover failed: ${(error as Error).message}`, afterFailure(phase, target.name));
    }
}
