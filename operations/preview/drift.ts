/** `npm run drift`: what on the engine differs from what the program made. It changes nothing. */
import { wordsOf } from "./changeReasons.ts";
import type { Places } from "../places.ts";
import type { Change, Planned } from "./plannedChanges.ts";
import { give, planStack, previewJson } from "./preview.ts";
import { type StackPreview, cautionOf, previewSummary } from "./previewSummary.ts";
import { inProjectCopy, openKnown } from "./previewWorkspace.ts";
import { announced } from "../progress.ts";
import { installTools, planWithoutEngine } from "../platform.ts";
import { stackEngine } from "../stackEngine.ts";
import { UserError } from "../userError.ts";

/** Options of `npm run drift`. */
export interface DriftOptions {
    readonly stack: string;
    readonly json?: boolean | undefined;
}

/** Whether two changes are of the same thing, alike. */
function isSame(a: Change, b: Change): boolean {
    const paths = ({ differences }: Change) => differences.map(({ path }) => path).join(" ");
    return a.urn === b.urn && a.op === b.op && paths(a) === paths(b);
}

/** What a look at the engine adds to the changes that an update would make anyhow: those wait in the configuration. */
export function driftOf(refreshed: Planned, plain: Planned): readonly Change[] {
    return refreshed.changes.filter((change) => !plain.changes.some((other) => isSame(change, other)));
}

/** What is found, in words, and what an update does about it. */
export function driftInWords(change: Change): string {
    const what = wordsOf(change);
    const does = {
        create: "makes it",
        update: "changes it back",
        replace: "makes it anew",
        delete: "removes it",
    }[change.op];
    const stopped = change.differences.some(({ path, before }) => path === "mustRun" && before === "false");
    const found = change.op === "create" ? `${what} is gone` : stopped ? `${what} does not run` : `${what} differs`;
    return `${found}: an update (npm start) ${does}.`;
}

/** What was lost, or would be by the update that mends the rest. */
export function driftCaution(change: Change): string | undefined {
    return change.op === "create" && (change.isData || change.isProtected)
        ? `${wordsOf(change)} is gone${change.isData ? " from the engine, **and the data in it with it**" : ""}.`
        : cautionOf(change);
}

/** Exit code: 0 none, 2 drift, 1 an error. */
export function driftExitCode({ errors, changes }: StackPreview): number {
    return errors.length > 0 ? 1 : changes.length > 0 ? 2 : 0;
}

/** Runs the command. Returns its exit code. */
export async function drift(options: DriftOptions, places: Places, env: NodeJS.ProcessEnv): Promise<number> {
    const { engine, toolchain, variables } = await planWithoutEngine(
        places,
        env,
        stackEngine(places, options.stack, env),
    );
    if (engine?.action !== "running") {
        throw new UserError(
            `Drift is looked for on the engine, and ${engine === undefined ? "none answers" : engine.reason}.`,
            "Start it, or point DOCKER_HOST at it.",
        );
    }
    await installTools(toolchain, places, env);
    const compared = inProjectCopy(places, async (directory): Promise<StackPreview> => {
        const stack = await openKnown(options.stack, directory, places, variables);
        if (typeof stack === "string") {
            throw new UserError(
                `Stack ${options.stack} cannot be compared with the engine: ${stack}.`,
                "It needs the stack's state and passphrase: this user's, or PULUMI_BACKEND_URL and PULUMI_CONFIG_PASSPHRASE.",
            );
        }
        const refreshed = await planStack(stack, true);
        const { errors, warnings, resources } = refreshed;
        const changes = refreshed.changes.length === 0 ? [] : driftOf(refreshed, await planStack(stack));
        return {
            ...{ stack: options.stack, basis: { kind: "engine" }, placeholders: {}, leftOut: [], violations: [] },
            ...{ changes, unchanged: resources.length - changes.length, errors, warnings },
            cautions: changes.flatMap((change) => driftCaution(change) ?? []),
            reasons: changes.map(driftInWords),
        };
    });
    const found = await announced(`Comparing stack ${options.stack} with the engine`, async () => compared);
    give(options.json ? previewJson([found]) : previewSummary("Drift", [found]), undefined);
    return driftExitCode(found);
}
