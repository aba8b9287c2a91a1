/** The exchange: the copies become what the stack serves, or it is as before. */
import { existsSync } from "node:fs";
import { type Say, runSteps } from "../progress.ts";
import { UserError } from "../userError.ts";
import type { Found } from "./checks.ts";
import { contents, databaseNames, dropCopy, dropPrevious, swapDatabase, unswapDatabase } from "./databases.ts";
import { stackProblems } from "./findings.ts";
import type { TakeoverOptions } from "./options.ts";
import { type TakeoverFiles, readPhase, writePhase } from "./record.ts";
import type { Target } from "./target.ts";

/** The copies become what the stack serves. Whatever fails, it is as before. */
export async function exchange(
    target: Target,
    { disk }: Found,
    options: TakeoverOptions,
    files: TakeoverFiles,
): Promise<void> {
    const bucket = target.configuration.mlflowBucketName;
    await runSteps([
        {
            title: "Exchange",
            run: async (say) => {
                writePhase(files, "swapping");
                try {
                    say("stopping the server");
                    await target.docker("stop", "mlflow");
                    await expectEmpty(target);
                    if (!options.inPlace) {
                        await target.docker("stop", "minio");
                        await target.ask(["swap", "--bucket", bucket], target.withData(), say);
                        await target.docker("start", "minio");
                        await target.healthy("minio", say);
                    }
                    const served = await target.ask<{ objects: number; versions: number }>(
                        ["served", "--bucket", bucket],
                        target.asRootUser(),
                        say,
                    );
                    if (served.objects !== disk.objects) {
                        throw new Error(`MinIO serves ${served.objects} objects of ${disk.objects}`);
                    }
                    await swapDatabase(target);
                    await target.docker("start", "mlflow");
                    await target.healthy("mlflow", say);
                    writePhase(files, "swapped");
                    return `${served.objects} objects are served`;
                } catch (error) {
                    await goBack(target, say);
                    writePhase(files, "preparing");
                    throw error;
                }
            },
        },
        {
            title: "Clearing up",
            run: async (say) => {
                await dropPrevious(target);
                await target.ask(["discard"], target.withData(), say);
                return undefined;
            },
        },
    ]);
}

/** That nobody has put anything into the stack since the checks: it would be gone. */
async function expectEmpty(target: Target): Promise<void> {
    const [problem] = stackProblems(await contents(target), target.name);
    if (problem !== undefined) {
        throw new UserError(`While the copies were made, somebody used the stack. ${problem.what}`, problem.cure);
    }
}

/** Undoes as much of the exchange as has happened. */
async function goBack(target: Target, say: Say): Promise<void> {
    say("bringing back what the stack had");
    await target.docker("stop", "mlflow", "minio");
    await unswapDatabase(target);
    await target.ask(["unswap", "--bucket", target.configuration.mlflowBucketName], target.withData(), say);
    await target.docker("start", "minio");
    await target.healthy("minio", say);
    await target.docker("start", "mlflow");
    await target.healthy("mlflow", say);
}

/** Brings the stack back to what it had, or clears up after a takeover that came to its end. */
export async function recover(target: Target, files: TakeoverFiles, say: Say): Promise<string> {
    const phase = readPhase(files);
    if (phase === undefined) {
        return "nothing";
    }
    if (phase === "swapping") {
        await goBack(target, say);
        writePhase(files, "preparing");
    }
    await dropCopy(target);
    if (phase === "swapped") {
        await dropPrevious(target);
    }
    await target.ask(["discard"], target.withData(), say);
    return phase === "swapping" ? "the stack serves what it had before" : "cleared";
}

/** `--restore-locations`: writes back what the takeover found, for clients that have S3 keys of their own. */
export async function restoreLocations(target: Target, files: TakeoverFiles): Promise<void> {
    if (readPhase(files) !== "swapped" || !existsSync(files.locations)) {
        throw new UserError(
            `Nothing was taken over into stack ${target.name} with this state directory.`,
            `The locations as they were would be in ${files.locations}.`,
        );
    }
    await runSteps([
        {
            title: "Locations as they were",
            run: async (say) => {
                const { changes, reverted } = await target.ask<{ changes: number; reverted: number }>(
                    ["revert"],
                    { ...target.asOwner(databaseNames(target).own), inputFile: files.locations },
                    say,
                );
                return (
                    `${reverted} of ${changes} written back` +
                    (reverted < changes ? "; the others are not as the takeover left them" : "")
                );
            },
        },
    ]);
}
