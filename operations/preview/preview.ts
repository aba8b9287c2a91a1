/** `npm run preview`: what an update of every stack would change, judged by the rules, as one summary. It changes nothing. */
import { existsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import { judge, rules } from "../../rules/judge.ts";
import { reasons } from "./changeReasons.ts";
import { resourcesOf } from "../engineObjects.ts";
import { ended, stopIfInterrupted } from "../interruption.ts";
import type { Places } from "../places.ts";
import { type Planned, countsOf, plannedChanges } from "./plannedChanges.ts";
import { type StackPreview, cautionOf, endLine, isFine, previewSummary } from "./previewSummary.ts";
import { firstError, inProjectCopy, openForPreview, stacksWithFile } from "./previewWorkspace.ts";
import { installTools, planWithoutEngine } from "../platform.ts";
import { namedEngine } from "../stackEngine.ts";
import { userPath } from "../stacks/importEnv.ts";
import { UserError } from "../userError.ts";
import { stackNames } from "../workspace.ts";

/** Options of `npm run preview`. */
export interface PreviewOptions {
    /** Names of stacks; none is every stack that has a file in the project. */
    readonly stack: readonly string[];
    readonly out?: string | undefined;
    readonly json?: boolean | undefined;
    readonly explain?: boolean | undefined;
    readonly detailedExitcode?: boolean | undefined;
}

/** One preview by Pulumi. What the CLI itself fails with is an error of the preview, too. */
export async function planStack(stack: Stack, refresh = false): Promise<Planned> {
    const events: EngineEvent[] = [];
    let failure: unknown;
    try {
        await stack.preview({ refresh, color: "never", onEvent: (event) => events.push(event), signal: ended });
    } catch (error) {
        failure = error;
    }
    stopIfInterrupted();
    const planned = plannedChanges(events);
    return failure === undefined || planned.errors.length > 0 ? planned : { ...planned, errors: [firstError(failure)] };
}

/** A preview of a stack that could not be opened. */
function failed(stack: string, error: unknown): StackPreview {
    const text = error instanceof UserError ? `${error.message} ${error.cure}` : firstError(error);
    return {
        ...{ stack, basis: undefined, placeholders: {}, leftOut: [], changes: [], unchanged: 0 },
        ...{ cautions: [], violations: [], errors: [text], warnings: [] },
    };
}

async function previewStack(
    name: string,
    places: Places,
    variables: Record<string, string>,
    explain: boolean,
): Promise<StackPreview> {
    return inProjectCopy(places, async (directory) => {
        const { stack, basis, placeholders, leftOut, problems } = await openForPreview(
            name,
            directory,
            places,
            variables,
        );
        const { changes, unchanged, resources, warnings, ...planned } = await planStack(stack);
        const errors = [...problems, ...planned.errors];
        const known = explain ? resourcesOf(await stack.exportStack()) : [];
        return {
            ...{ stack: name, basis, placeholders, leftOut, changes, unchanged, warnings, errors },
            cautions: changes.flatMap((change) => cautionOf(change) ?? []),
            violations: judge(resources, errors.length === 0),
            reasons: explain
                ? reasons(changes, new Map(known.map((resource) => [resource.urn ?? "", resource])))
                : undefined,
        };
    });
}

/** The command's exit code: 1 for a failed preview or a broken rule, 2 for changes where that was asked for. */
export function exitCodeOf(previews: readonly StackPreview[], detailed: boolean): number {
    if (!isFine(previews)) {
        return 1;
    }
    return detailed && previews.some(({ changes }) => changes.length > 0) ? 2 : 0;
}

/** The same for scripts. */
export function previewJson(previews: readonly StackPreview[]): string {
    const stacks = previews.map((preview) => ({ ...preview, counts: countsOf(preview.changes) }));
    return JSON.stringify({ fine: isFine(previews), stacks }, undefined, 2);
}

/** Writes to the file, or to standard output. */
export function give(text: string, file: string | undefined): void {
    if (file === undefined) {
        console.log(text);
    } else {
        writeFileSync(file, `${text}\n`);
    }
}

const rulesJudged = (): string[] => ["## Rules judged", "", ...rules.map(({ id, title }) => `- \`${id}\`: ${title}`)];

/** Runs the command. Returns its exit code. */
export async function preview(options: PreviewOptions, places: Places, env: NodeJS.ProcessEnv): Promise<number> {
    const names = options.stack.length === 0 ? stacksWithFile(places.project) : [...new Set(options.stack)];
    if (names.length === 0) {
        throw new UserError("There is no stack to preview: no Pulumi.<stack>.yaml here.", "npm start makes one.");
    }
    const out = options.out === undefined ? undefined : userPath(options.out, env);
    if (out !== undefined && !existsSync(dirname(out))) {
        throw new UserError(`There is no directory ${dirname(out)}.`, "Make it, or name another file by --out.");
    }
    const { toolchain, variables } = await planWithoutEngine(places, env, undefined);
    await installTools(toolchain, places, env);
    const known = await stackNames(places, variables).catch((): string[] => []);
    // A stack that is there has the base image of its own engine; that of another one is not asked.
    const variablesOf = async (name: string) =>
        known.includes(name)
            ? (await planWithoutEngine(places, env, namedEngine(places, name, env))).variables
            : variables;
    const explain = options.explain ?? false;
    const previews: StackPreview[] = [];
    for (const name of names) {
        console.error(`Previewing stack ${name}`);
        // A stack that cannot be opened does not stop the others.
        const one = await variablesOf(name)
            .then(async (own) => previewStack(name, places, own, explain))
            .catch((error: unknown) => failed(name, error));
        stopIfInterrupted();
        previews.push(one);
    }
    give(options.json ? previewJson(previews) : previewSummary("Preview", previews, explain ? rulesJudged() : []), out);
    console.error(endLine(previews));
    return exitCodeOf(previews, options.detailedExitcode ?? false);
}
