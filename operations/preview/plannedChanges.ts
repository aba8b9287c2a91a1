/** What a preview's engine events say: every change with the properties that differ, what stays, and what went wrong. */
import type { EngineEvent, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import { type ContainerKind, containerKind } from "../../rules/container.ts";
import { isDataVolume } from "../../rules/data.ts";
import { type Resource, isRecord, isSecret, isUnknown, kindOf, maskedValue, nameOf } from "../../rules/resource.ts";
import { plain } from "../updateProgress.ts";

export const operations = ["create", "update", "replace", "delete"] as const;
export type Operation = (typeof operations)[number];

/** A property that differs. Values are texts for people; a secret is `[secret]`. */
export interface Difference {
    /** Such as ports[0].external. */
    readonly path: string;
    /** Undefined where only the property is known. */
    readonly before?: string | undefined;
    readonly after?: string | undefined;
    /** Whether it cannot be changed in place. */
    readonly replaces: boolean;
}

/** One change of one resource, however many steps it has. */
export interface Change {
    readonly op: Operation;
    readonly urn: string;
    readonly type: string;
    readonly name: string;
    /** Of a container: what it is. */
    readonly container?: ContainerKind | undefined;
    readonly differences: readonly Difference[];
    readonly isData: boolean;
    readonly isProtected: boolean;
    /** Whether it stays on the engine when it leaves the stack. */
    readonly stays: boolean;
}

/** A preview. */
export interface Planned {
    readonly changes: readonly Change[];
    /** How many resources stay as they are. */
    readonly unchanged: number;
    /** Every resource as an update would make it, for the rules. */
    readonly resources: readonly Resource[];
    readonly errors: readonly string[];
    readonly warnings: readonly string[];
}

const kinds: Readonly<Record<string, Operation>> = {
    create: "create",
    import: "create",
    update: "update",
    replace: "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    delete: "delete",
};

/** What a path such as `ports[0].external` or `logOpts["max-size"]` leads to. */
export function valueAt(value: unknown, path: string): unknown {
    const steps = [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)];
    return steps.reduce<unknown>((at, [, quoted, index, word]) => {
        if (Array.isArray(at)) {
            return at[Number(index)] as unknown;
        }
        return isRecord(at) ? at[quoted ?? word ?? index ?? ""] : undefined;
    }, value);
}

/** Longest text of a value. */
const longest = 60;

/** A value for people: no secret, no mark of the engine's, not endless. */
export function valueText(value: unknown): string {
    if (value === undefined || value === null) {
        return "not set";
    }
    if (isSecret(value)) {
        return maskedValue;
    }
    if (isUnknown(value)) {
        return "known later";
    }
    const text =
        typeof value === "string"
            ? value
            : JSON.stringify(value, (name, entry: unknown) =>
                  name === "__defaults" ? undefined : isUnknown(entry) ? "known later" : entry,
              );
    return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/** A step's own part of a change, which a replacement has three of. */
interface Step {
    readonly op: Operation;
    readonly metadata: StepEventMetadata;
}

function differencesOf(steps: readonly Step[]): Difference[] {
    const old = steps.map(({ metadata }) => metadata.old).find(Boolean);
    // The last step has the new state; deleting has none.
    const made = steps
        .map(({ metadata }) => metadata.new)
        .filter(Boolean)
        .at(-1);
    const detailed = Object.assign({}, ...steps.map(({ metadata }) => metadata.detailedDiff ?? {})) as Record<
        string,
        { diffKind: string }
    >;
    const keys = new Set(steps.flatMap(({ metadata }) => metadata.keys ?? []));
    const before = (path: string) => valueAt(old?.inputs, path) ?? valueAt(old?.outputs, path);
    const paths = Object.keys(detailed);
    const top = (path: string) => /^[^.[]*/.exec(path)?.[0] ?? path;
    const more = new Set([...steps.flatMap(({ metadata }) => metadata.diffs ?? []), ...keys]);
    return [
        ...paths.map((path) => ({
            path,
            before: valueText(before(path)),
            after: valueText(valueAt(made?.inputs, path)),
            replaces: detailed[path]?.diffKind.endsWith("replace") ?? false,
        })),
        ...[...more]
            .filter((key) => !paths.some((path) => top(path) === top(key)))
            .map((key) => ({ path: key, replaces: keys.has(key) })),
    ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Whether it is something on the engine or in the state, and neither a component nor a part of Pulumi's own. */
function isResource({ type, new: made, old }: StepEventMetadata): boolean {
    return !type.startsWith("pulumi:") && ((made ?? old)?.custom ?? false);
}

/** The resource as it would be, or as it is where it would go. */
function resourceOf(urn: string, op: string, metadata: readonly StepEventMetadata[]): Resource {
    const made = metadata.map((step) => step.new).filter(Boolean);
    const state = made.at(-1) ?? metadata.map(({ old }) => old).find(Boolean);
    return {
        urn,
        type: metadata[0]?.type ?? "",
        name: nameOf(urn),
        inputs: (state?.inputs ?? {}) as Readonly<Record<string, unknown>>,
        op,
        protect: state?.protect ?? false,
        retainOnDelete: state?.retainOnDelete ?? false,
    };
}

function changeOf(urn: string, steps: readonly Step[]): Change & { resource: Resource } {
    const metadata = steps.map((step) => step.metadata);
    const states = metadata.flatMap((step) => [step.old, step.new]);
    const ops = new Set(steps.map(({ op }) => op));
    // A resource that is created and deleted is replaced.
    const op = ops.size === 1 ? (steps[0]?.op ?? "update") : "replace";
    const resource = resourceOf(urn, op, metadata);
    return {
        op,
        urn,
        type: resource.type,
        name: resource.name,
        // One that goes is still of a kind.
        container: containerKind({ ...resource, op: undefined }),
        differences: differencesOf(steps),
        isData: isDataVolume({ urn }),
        isProtected: states.some((state) => state?.protect),
        stays: states.some((state) => state?.retainOnDelete),
        resource,
    };
}

/** Pulumi's refusal to touch what is protected, in this project's words. */
function inWords(message: string): string {
    const match = /unable to (\w+) resource "([^"]*)"\s+as it is currently marked for protection/.exec(message);
    if (match === null) {
        return message;
    }
    const [, verb = "", urn = ""] = match;
    const type = urn.split("::").at(-2)?.split("$").at(-1) ?? "";
    return `Pulumi refuses to ${verb} ${kindOf(type)} ${nameOf(urn)}: it is protected`;
}

function messages(events: readonly EngineEvent[], severity: string): string[] {
    const texts = events.flatMap(({ diagnosticEvent: message }) =>
        message?.severity === severity ? [inWords(plain(message.message))] : [],
    );
    // What Pulumi says after every error, and of a program that has ended in one.
    const empty = /^(preview|update) failed$|^$/;
    return [...new Set(texts)].filter((text) => !empty.test(text));
}

/** Reads the events of one preview. Those of a refresh before it count only by what the program's own steps then say. */
export function plannedChanges(events: readonly EngineEvent[]): Planned {
    const steps = new Map<string, Step[]>();
    const same = new Map<string, StepEventMetadata>();
    for (const { resourcePreEvent } of events) {
        const metadata = resourcePreEvent?.metadata;
        if (metadata === undefined || !isResource(metadata)) {
            continue;
        }
        const op = kinds[metadata.op];
        if (op !== undefined) {
            steps.set(metadata.urn, [...(steps.get(metadata.urn) ?? []), { op, metadata }]);
        } else if (metadata.op === "same") {
            same.set(metadata.urn, metadata);
        }
    }
    const changed = [...steps].map(([urn, list]) => changeOf(urn, list));
    return {
        changes: changed.map(({ resource: _resource, ...change }) => change),
        unchanged: same.size,
        resources: [
            ...changed.map(({ resource }) => resource),
            ...[...same].map(([urn, metadata]) => resourceOf(urn, "same", [metadata])),
        ],
        errors: messages(events, "error"),
        warnings: messages(events, "warning"),
    };
}

/** How many changes there are of each kind. */
export function countsOf(changes: readonly Change[]): Record<Operation, number> {
    const count = (op: Operation) => changes.filter((change) => change.op === op).length;
    return { create: count("create"), update: count("update"), replace: count("replace"), delete: count("delete") };
}
