/** The exchange: the copies become what the stack serves, or it is as before. */
import { existsSync } from "node:fs";
import { type Say, runSteps } from "../progress.ts";
import { UserError } from "../userError.ts";
import type { Found } from "./checks.ts";
import { contents } from "./contents.ts";
import { databaseNames, dropCopy, dropPrevious, swapDatabase, unswapDatabase } from "./databases.ts";
import { stackProblems } from "./findings.ts";
import type { TakeoverOptions } from "./options.ts";
import { type Phase, type TakeoverFiles, readPhase, writePhase } from "./record.ts";
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
                    await expectEmpty(target, options.inPlace ?? false, say);
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
                    await goBack(target, say).catch((second: unknown) => {
                        throw new Error(
                            `${(error as Error).message}; then what the stack had could not be brought back: ${(second as Error).message}`,
                        );
                    });
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
async function expectEmpty(target: Target, inPlace: boolean, say: Say): Promise<void> {
    const [problem] = stackProblems(await contents(target, inPlace, say), target.name, inPlace);
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

/** What a takeover that failed has left, and how to go on. */
export function afterFailure(phase: Phase | undefined, stackName: string): string {
    switch (phase) {
        case "swapping":
            return (
                `Stack ${stackName} may be stopped, or serve half of it; the earlier installation is as it was. Mend what it says and ` +
                "run this again: that first brings back what the stack had."
            );
        case "swapped":
            return (
                `Stack ${stackName} serves what the earlier installation had; only copies were not cleared up. Mend what it says and run ` +
                "this again: that clears them up, and then says that the stack has data of its own."
            );
        default:
            return `Stack ${stackName} serves what it had, and the earlier installation is as it was. Mend what it says and run this again.`;
    }
}

/** What an earlier takeover left, for one that only checks. Throws a UserError where the stack may serve half of it. */
export function leftBehind(phase: Phase | undefined, stackName: string): string {
    if (phase === "swapping") {
        throw new UserError(
            `A takeover of stack ${stackName} was interrupted in its exchange: the stack may be stopped, or serve half of it.`,
            "Run the takeover without --check, or with --dry-run: that first brings back what the stack had.",
        );
    }
    return phase === undefined ? "nothing" : "copies at most, which the next takeover clears up";
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
