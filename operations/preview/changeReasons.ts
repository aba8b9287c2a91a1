/** Why a preview would change something, and what that does to it and to others. */
import { kindOf } from "../../rules/resource.ts";
import type { Change } from "./plannedChanges.ts";

/** What the state knows of a resource's ties. */
export interface Ties {
    /** URNs with each of which it is replaced. */
    readonly replaceWith?: readonly string[] | undefined;
    readonly dependencies?: readonly string[] | undefined;
}

/** Kind and name, such as "container mlflow". */
export function wordsOf({ type, name }: Pick<Change, "type" | "name">): string {
    return `${kindOf(type)} ${name}`;
}

/** The replaced resources that a replaced one, of which nothing differs itself, follows. */
function leadersOf(change: Change, changes: readonly Change[], ties: ReadonlyMap<string, Ties>): readonly Change[] {
    if (change.op !== "replace" || change.differences.some(({ replaces }) => replaces)) {
        return [];
    }
    const replaced = (urns: readonly string[] = []) =>
        changes.filter(({ op, urn }) => op === "replace" && urn !== change.urn && urns.includes(urn));
    const own = ties.get(change.urn);
    const together = replaced(own?.replaceWith);
    return together.length > 0 ? together : replaced(own?.dependencies);
}

function list(words: readonly string[]): string {
    return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

/** The effect on the thing itself. */
function effectOf({ op, container, isData }: Change): string {
    const replaced = {
        service: "is stopped, removed and made anew (a break; data in volumes stays)",
        job: "runs again",
        seed: "gets other files",
        none: `is removed and made anew${isData ? ", **and its data is lost**" : ""}`,
    };
    switch (op) {
        case "create":
            return "is made";
        case "update":
            return container === undefined ? "is changed in place" : "is changed while it runs, without a restart";
        case "delete":
            return container === undefined ? "is removed" : "is stopped and removed";
        case "replace":
            return replaced[container ?? "none"];
    }
}

/** Why, in words that follow the effect. */
function causeOf(change: Change, leaders: readonly Change[]): string {
    const paths = (differences: Change["differences"]) => list(differences.map(({ path }) => `\`${path}\``));
    const replacing = change.differences.filter(({ replaces }) => replaces);
    if (change.op === "delete") {
        return "the program has it no more";
    }
    if (replacing.length > 0) {
        return `${paths(replacing)} cannot be changed in place`;
    }
    if (leaders.length > 0) {
        return `${list(leaders.map(wordsOf))} ${leaders.length === 1 ? "is" : "are"} made anew`;
    }
    const { length } = change.differences;
    return length === 0
        ? "it has to run again, or its last creation failed"
        : `${paths(change.differences)} ${length === 1 ? "differs" : "differ"}`;
}

/** One sentence for each change: what happens to it, why, and who follows. What is only new is one sentence together. */
export function reasons(changes: readonly Change[], ties: ReadonlyMap<string, Ties>): string[] {
    const leaders = new Map(changes.map((change) => [change.urn, leadersOf(change, changes, ties)]));
    const made = changes.filter(({ op }) => op === "create");
    const others = changes.filter(({ op }) => op !== "create");
    const sentences = others.map((change) => {
        const followers = others.filter(({ urn }) => leaders.get(urn)?.includes(change));
        const what = `${wordsOf(change)} ${effectOf(change)}, because ${causeOf(change, leaders.get(change.urn) ?? [])}`;
        return followers.length === 0 ? `${what}.` : `${what}; with it ${list(followers.map(wordsOf))}.`;
    });
    return made.length === 0
        ? sentences
        : [...sentences, `made, because the stack has it not yet: ${list(made.map(wordsOf))}.`];
}
