/** What a rule sees of a resource, whoever tells of it: a preview's events, a policy pack, a test. */

/** A resource as an update would make it, or, where it would go, as it is. */
export interface Resource {
    readonly urn: string;
    /** Type token, such as docker:index/container:Container. */
    readonly type: string;
    /** Logical name. */
    readonly name: string;
    readonly inputs: Readonly<Record<string, unknown>>;
    /** What an update does with it: same, create, update, replace or delete. Undefined where that is not known. */
    readonly op?: string | undefined;
    readonly protect?: boolean | undefined;
    /** Whether it stays on the engine when it leaves the stack. Undefined where that is not known. */
    readonly retainOnDelete?: boolean | undefined;
}

/** One rule. Pure: the same resources are judged alike everywhere. */
export interface Rule {
    /** Short name, of lower-case words and hyphens. */
    readonly id: string;
    /** What must be true. */
    readonly title: string;
    readonly reason: string;
    /** What to do about a violation. */
    readonly cure: string;
    /** Whether it looks at other resources than the one that is judged. */
    readonly needsStack?: true;
    /** What is wrong with the resource, without a secret; nothing where it obeys, or where the rule is not about it. */
    readonly found: (resource: Resource, stack: readonly Resource[]) => readonly string[];
}

/** A rule that a resource breaks. */
export interface Violation {
    /** Id of the rule. */
    readonly rule: string;
    /** URN of the resource. */
    readonly urn: string;
    /** Kind and name of the resource, such as "container mlflow". */
    readonly resource: string;
    readonly found: string;
    readonly cure: string;
}

/** Stands for a value that is not known while planning (pulumi/pulumi, sdk/go/common/resource/plugin, UnknownStringValue). */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The key of an object that stands for a secret on the wire (pulumi/pulumi, sdk/go/common/resource/sig). */
const signature = "4dabf18193072939515e22adb298388d";

/** What a preview's events have instead of a secret value. */
export const maskedValue = "[secret]";

export function isUnknown(value: unknown): boolean {
    return value === unknownValue;
}

/** Whether a value is, or holds, one that Pulumi keeps as a secret. */
export function isSecret(value: unknown): boolean {
    if (Array.isArray(value)) {
        return value.some(isSecret);
    }
    if (typeof value === "object" && value !== null) {
        return signature in value || Object.values(value).some(isSecret);
    }
    return value === maskedValue;
}

/** The entries of a list; none where there is no list. */
export function entries(value: unknown): readonly unknown[] {
    return Array.isArray(value) ? value : [];
}

/** The texts in a list. */
export function texts(value: unknown): readonly string[] {
    return entries(value).filter((entry) => typeof entry === "string");
}

/** The objects in a list. */
export function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
    return entries(value).filter(isRecord);
}

/** Whether it is an object with properties. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Kind of a resource in words: container, volume, image; else the class's name. */
export function kindOf(type: string): string {
    const name = type.slice(type.lastIndexOf(":") + 1);
    return { RemoteImage: "image", Container: "container", Volume: "volume", Network: "network" }[name] ?? name;
}

/** Logical name in a URN. */
export function nameOf(urn: string): string {
    return urn.slice(urn.lastIndexOf("::") + 2);
}
