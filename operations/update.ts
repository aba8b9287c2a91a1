/** `pulumi up --refresh`, as every command here runs it. */
import type { Deployment, OutputMap, Stack } from "@pulumi/pulumi/automation/index.js";
import { incomplete, resourcesOf } from "./engineObjects.ts";
import { ended, stopIfInterrupted } from "./interruption.ts";
import { withLogTails } from "./logTail.ts";
import type { Places } from "./places.ts";
import { type Say, period } from "./progress.ts";
import { UpdateProgress } from "./updateProgress.ts";
import { UserError } from "./userError.ts";
import { runCli } from "./workspace.ts";

/** How an update ended well. */
export interface Updated {
    /** Resources that changed. */
    readonly changes: number;
    readonly outputs: OutputMap;
}

/**
 * Runs the update; `verbose` prints everything that Pulumi and the images' builds say, and
 * `exported` is the state, where it is known. Throws a UserError with what failed, the last
 * log lines of containers that did, and no secret.
 */
export async function update(
    stack: Stack,
    places: Places,
    variables: Record<string, string>,
    say: Say,
    { verbose = false, exported }: { verbose?: boolean | undefined; exported?: Deployment | undefined } = {},
): Promise<Updated> {
    const progress = verbose
        ? // Pulumi's own lines say how far it is.
          new UpdateProgress(() => undefined, { period: 1, details: console.log })
        : new UpdateProgress(say, { period: period() });
    say("comparing what is there with what is wanted");
    try {
        // The refresh forgets that a creation ended in an error (RefreshStep in pulumi/pkg/resource/deploy), and with it
        // "#initerror" in components/hardened.ts; that a resource is to be made anew it keeps.
        await replaceNext(
            stack.name,
            incomplete(resourcesOf(exported ?? (await stack.exportStack()))),
            places,
            variables,
        );
        const { outputs } = await stack.up({
            refresh: true,
            onEvent: progress.take,
            signal: ended,
            color: "never",
            ...(verbose ? { onOutput: (text) => process.stdout.write(text) } : {}),
        });
        stopIfInterrupted();
        for (const warning of progress.warnings) {
            console.warn(`Warning: ${warning}`);
        }
        return { changes: progress.changes, outputs };
    } catch (error) {
        stopIfInterrupted();
        const found = progress.errors.length > 0 ? progress.errors.join("\n") : String(error);
        throw new UserError(
            // Where the secrets or logs cannot be had, the reason is that of the failure itself.
            `pulumi up failed:\n${await withLogTails(stack, found, progress.failed, places, variables).catch(() => found)}`,
            "Mend what it says and run this again; what is there already is kept.",
        );
    } finally {
        progress.stop();
    }
}

/** Marks resources to be made anew by the next update, or by the one after it if that fails. */
export async function replaceNext(
    stackName: string,
    urns: readonly string[],
    places: Places,
    variables: Record<string, string>,
): Promise<void> {
    if (urns.length > 0) {
        await runCli(places, variables, ["state", "taint", "--yes", "--stack", stackName, ...urns]);
    }
}

/** The number of changes, in words. */
export function changesInWords({ changes }: Updated): string {
    return changes === 0 ? "nothing to change" : `${changes} ${changes === 1 ? "change" : "changes"}`;
}
