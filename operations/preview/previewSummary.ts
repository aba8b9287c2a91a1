/** The summary of previews, in Markdown: for a terminal, a comment on a pull request, a job's page. */
import type { Violation } from "../../rules/resource.ts";
import { wordsOf } from "./changeReasons.ts";
import type { Missing } from "./placeholders.ts";
import { type Change, type Difference, type Operation, countsOf, operations } from "./plannedChanges.ts";
import type { Basis } from "./previewWorkspace.ts";

/** One stack's preview. */
export interface StackPreview {
    readonly stack: string;
    /** Undefined where it could not be opened. */
    readonly basis: Basis | undefined;
    readonly placeholders: Readonly<Record<string, Missing>>;
    readonly leftOut: readonly string[];
    readonly changes: readonly Change[];
    readonly unchanged: number;
    /** What touches data or what is protected. */
    readonly cautions: readonly string[];
    readonly violations: readonly Violation[];
    readonly errors: readonly string[];
    readonly warnings: readonly string[];
    /** Why each change is one, where that was asked for. */
    readonly reasons?: readonly string[] | undefined;
}

/** More changes than this are folded away where all of them make something new. */
const manyNew = 12;

/** A text in Markdown, whatever it holds: no table's cell and no tag ends in it. */
export function inline(text: string): string {
    return text
        .replaceAll("\n", " ")
        .replace(/[\\`*_[\]<>|#]/g, (mark) => (mark === "<" ? "&lt;" : mark === ">" ? "&gt;" : `\\${mark}`));
}

/** The same as code. A bar would end a table's cell even there (GitHub Flavored Markdown, section 4.10). */
export function code(text: string): string {
    const line = text.replaceAll("\n", " ").replaceAll("|", "\\|");
    const fence = "`".repeat(Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length)) + 1);
    const pad = /^`|`$/.test(line) ? " " : "";
    return `${fence}${pad}${line}${pad}${fence}`;
}

/** What a change of data, or of what is protected, means; nothing of other changes. */
export function cautionOf({ op, isData, isProtected, stays, ...change }: Change): string | undefined {
    if (op === "create" || (!isData && !isProtected)) {
        return undefined;
    }
    const verb = { update: "be changed", replace: "be replaced", delete: "be deleted" }[op];
    const loss = isData
        ? stays
            ? " It stays on the engine with its data."
            : " **It holds data, which would be lost.**"
        : " **What was encrypted with it, or logs in by it, would be lost.**";
    const what = `${wordsOf(change)}${isProtected ? ", which is protected," : ""}`;
    return `${what} would ${verb}.${op === "update" ? "" : loss}`;
}

function differenceText({ path, before, after, replaces }: Difference): string {
    const values = before === undefined && after === undefined ? "" : ` ${code(before ?? "")} → ${code(after ?? "")}`;
    return `${code(path)}${values}${replaces ? " (not in place)" : ""}`;
}

function row(change: Change): string {
    const strong = (text: string) => (["replace", "delete"].includes(change.op) ? `**${text}**` : text);
    return `| ${strong(change.op)} | ${strong(inline(wordsOf(change)))} | ${change.differences.map(differenceText).join("<br>")} |`;
}

function table(changes: readonly Change[]): string[] {
    const order = (op: Operation) => ["delete", "replace", "update", "create"].indexOf(op);
    const sorted = [...changes].sort((a, b) => order(a.op) - order(b.op) || (a.name < b.name ? -1 : 1));
    const rows = ["| | resource | properties that differ |", "| --- | --- | --- |", ...sorted.map(row)];
    return changes.length > manyNew && changes.every(({ op }) => op === "create")
        ? [`<details><summary>${changes.length} to create</summary>`, "", ...rows, "", "</details>"]
        : rows;
}

function countsLine({ changes, unchanged }: StackPreview): string {
    const counts = countsOf(changes);
    const parts = operations.map((op) => {
        const text = `${counts[op]} to ${op}`;
        return counts[op] > 0 && (op === "replace" || op === "delete") ? `**${text}**` : text;
    });
    return `${parts.join(", ")}; ${unchanged} unchanged.`;
}

/** What the preview was made against, and what that leaves out. */
function basisLines({ basis, placeholders, leftOut }: StackPreview): string[] {
    if (basis === undefined) {
        return [];
    }
    if (basis.kind === "state") {
        return ["Compared with the stack's state."];
    }
    if (basis.kind === "engine") {
        return ["What the engine has → what the stack made; and what an update would do about it."];
    }
    const stands = Object.entries(placeholders).map(([key, why]) => `${code(key)} (${why})`);
    return [
        `Previewed as a throw-away stack, as if it were new, because ${inline(basis.reason)}. Values and combinations of the ` +
            "configuration and the rules were checked. What a state, an engine or the stack's host knows was not: what is there " +
            "already, drift, ports, directories.",
        ...(stands.length === 0 ? [] : [`Placeholders: ${stands.join(", ")}.`]),
        ...(leftOut.length === 0 ? [] : [`Left out: ${leftOut.map(code).join(", ")}.`]),
    ];
}

function block(text: string): string[] {
    return ["```text", ...text.replaceAll("```", "'''").split("\n"), "```"];
}

function stackSection(preview: StackPreview): string[] {
    const { stack, changes, violations, errors, warnings, basis } = preview;
    return [
        `## Stack ${inline(stack)}`,
        "",
        ...(errors.length === 0 ? [] : ["**The preview failed:**", "", ...block(errors.join("\n")), ""]),
        ...(basis === undefined
            ? []
            : [
                  `${errors.length === 0 ? "" : "As far as it came: "}${countsLine(preview)}`,
                  "",
                  ...basisLines(preview).flatMap((line) => [line, ""]),
              ]),
        ...(changes.length === 0 ? [] : [...table(changes), ""]),
        ...(violations.length === 0
            ? []
            : [
                  "**Rules that are broken:**",
                  "",
                  "| rule | resource | found | cure |",
                  "| --- | --- | --- | --- |",
                  ...violations.map(({ rule, resource, found, cure }) => {
                      const cell = (text: string) =>
                          text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
                      return `| ${code(rule)} | ${inline(resource)} | ${cell(found)} | ${cell(cure)} |`;
                  }),
                  "",
              ]),
        ...(warnings.length === 0 ? [] : ["Warnings:", "", ...block(warnings.join("\n")), ""]),
        ...(preview.reasons === undefined || preview.reasons.length === 0
            ? []
            : ["Why:", "", ...preview.reasons.map((reason) => `- ${reason}`), ""]),
    ];
}

/** Whether every preview worked and every rule is kept. */
export function isFine(previews: readonly StackPreview[]): boolean {
    return previews.every(({ errors, violations }) => errors.length === 0 && violations.length === 0);
}

/** How it all ended, in one line. */
export function endLine(previews: readonly StackPreview[]): string {
    const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
    const total = (of: (preview: StackPreview) => readonly unknown[]) =>
        previews.reduce((sum, preview) => sum + of(preview).length, 0);
    const failed = previews.filter(({ errors }) => errors.length > 0).map(({ stack }) => stack);
    const broken = total(({ violations }) => violations);
    return [
        `${count(previews.length, "stack")}, ${count(
            total(({ changes }) => changes),
            "change",
        )}`,
        failed.length === 0 ? "" : `; failed: ${failed.join(", ")}`,
        broken === 0 ? "" : `; ${count(broken, "violation")} of rules`,
        ".",
    ].join("");
}

/** The whole summary. `more` comes at its end. */
export function previewSummary(title: string, previews: readonly StackPreview[], more: readonly string[] = []): string {
    const cautions = previews.flatMap((each) => each.cautions.map((text) => `Stack ${inline(each.stack)}: ${text}`));
    return [
        `# ${title}`,
        "",
        endLine(previews),
        "",
        ...(cautions.length === 0
            ? []
            : ["> [!CAUTION]", ...cautions.flatMap((text) => [`> ${text}`, ">"]).slice(0, -1), ""]),
        ...previews.flatMap(stackSection),
        ...more,
    ]
        .join("\n")
        .trimEnd();
}
