/**
 * Runs a part of the program against Pulumi's mock monitor and returns what it registered, written as plainly as a table
 * can have it: secrets as `secret(value)`, resources as "docker:Container postgres", options only where they are set.
 */
import * as pulumi from "@pulumi/pulumi";
import { keptAuthority } from "./certificates.ts";

const secretMark = "4dabf18193072939515e22adb298388d";
const secretKind = "1b47061264138c4ac30d75fd1eb44270";
const unknownMark = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The names under which everything is recorded. */
export const project = "mlflow-platform";
export const stack = "test";

/** A secret input, as `Registration.inputs` holds it. */
export class Secret {
    readonly value: unknown;

    constructor(value: unknown) {
        this.value = value;
    }
}
export const secret = (value: unknown) => new Secret(value);

/** An input that is not known while planning. */
export const unknown = Symbol("unknown");

/** Options as the engine gets them; those at their default are left out. References are "package:Class name". */
export interface Options {
    protect?: boolean;
    deleteBeforeReplace?: boolean;
    retainOnDelete?: boolean;
    replaceOnChanges?: string[];
    ignoreChanges?: string[];
    additionalSecretOutputs?: string[];
    dependencies?: string[];
    replaceWith?: string[];
    replacementTrigger?: unknown;
    aliases?: number;
    create?: string;
    import?: string;
}

export interface Registration {
    /** "docker:Container postgres" */
    readonly key: string;
    readonly type: string;
    readonly name: string;
    readonly urn: string;
    readonly custom: boolean;
    /** Reference of the parent; undefined for the stack. */
    readonly parent: string | undefined;
    readonly inputs: Readonly<Record<string, unknown>>;
    /** Property → the resources that it is made of, where there are any: what is replaced with them. */
    readonly takes: Readonly<Record<string, readonly string[]>>;
    readonly options: Options;
}

export interface Recording<T> {
    readonly result: T;
    /** What the program warned of: reference of the resource, then the text. */
    readonly warnings: readonly string[];
    readonly registrations: readonly Registration[];
    /** The one registration of that reference. */
    readonly get: (key: string) => Registration;
}

export interface Circumstances {
    /** Outputs of this stack's last update, as the stack reference gives them. */
    readonly lastOutputs?: Readonly<Record<string, unknown>>;
    /** What the provider answers, beside the inputs: by "package:Class name". */
    readonly outputs?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    /** What cannot be made: "package:Class name". */
    readonly impossible?: readonly string[];
    readonly preview?: boolean;
    /** Whether there was no update before, so that key pairs are what the program makes now. Defaults to false. */
    readonly firstUpdate?: boolean;
}

/** What a resource is called in these tests. */
function keyOf(type: string, name: string): string {
    return `${type.split(":")[0] ?? ""}:${type.split(":").at(-1) ?? ""} ${name}`;
}

/** A value off the wire, with secrets and unknowns as their marks here. */
function plain(value: unknown): unknown {
    if (value === unknownMark) {
        return unknown;
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (typeof value === "object" && value !== null) {
        const entries = value as Record<string, unknown>;
        return entries[secretMark] === secretKind
            ? new Secret(plain(entries.value))
            : Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, plain(entry)]));
    }
    return value;
}

/** What is under the marks of secrets. */
export function revealed(value: unknown): unknown {
    if (value instanceof Secret) {
        return revealed(value.value);
    }
    if (Array.isArray(value)) {
        return value.map(revealed);
    }
    if (typeof value === "object" && value !== null) {
        return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, revealed(entry)]));
    }
    return value;
}

/** Every text in a value that is not under the mark of a secret; names of properties, too. */
export function textsInSight(value: unknown): string[] {
    if (value instanceof Secret) {
        return [];
    }
    if (Array.isArray(value)) {
        return value.flatMap(textsInSight);
    }
    if (typeof value === "object" && value !== null) {
        return Object.entries(value).flatMap(([name, entry]) => [name, ...textsInSight(entry)]);
    }
    return typeof value === "string" || typeof value === "number" ? [String(value)] : [];
}

/** What the providers would answer beside the inputs: autonamed names, generated values, a job that succeeded. */
function answers(type: string, name: string): Record<string, unknown> {
    switch (type) {
        case "docker:index/container:Container":
            return { name: `${project}-${stack}-${name}`, exitCode: 0, containerLogs: "" };
        case "docker:index/network:Network":
        case "docker:index/volume:Volume":
            return { name: `${project}-${stack}-${name}` };
        case "random:index/randomPassword:RandomPassword":
            return { result: `generated ${name}` };
        case "random:index/randomId:RandomId":
            return { hex: "ana@laptop-0badcafe" };
        default:
            return {};
    }
}

/** A resource's name without the hash of what it stands for. */
export function withoutHash(name: string): string {
    return name.replace(/-[0-9a-f]{8}$/, "");
}

/** The key pair that an id has kept since an earlier update, whatever is made now. */
function keptPair(name: string): object {
    return name === "authority"
        ? keptAuthority
        : { certificate: `certificate of ${name}`, privateKey: `private key of ${name}` };
}

/** The parts of the mock monitor's requests that are read here. */
interface Request {
    getType(): string;
    getName(): string;
    getCustom(): boolean;
    getParent(): string;
    getObject(): { toJavaScript(): Record<string, unknown> };
    getProtect(): boolean;
    getDeletebeforereplace(): boolean;
    getRetainondelete(): boolean;
    getReplaceonchangesList(): string[];
    getIgnorechangesList(): string[];
    getAdditionalsecretoutputsList(): string[];
    getDependenciesList(): string[];
    getPropertydependenciesMap(): {
        forEach(each: (dependencies: { getUrnsList(): string[] }, property: string) => void): void;
    };
    getReplaceWithList(): string[];
    getReplacementTrigger(): { toJavaScript(): unknown } | undefined;
    getAliasesList(): unknown[];
    getCustomtimeouts(): { getCreate(): string } | undefined;
    getImportid(): string;
}
type Respond = (error: Error | null, response: { getUrn(): string } | undefined) => void;
interface Monitor {
    registerResource(request: Request, respond: Respond): Promise<void>;
}

function optionsOf(request: Request, keys: ReadonlyMap<string, string>): Options {
    const references = (urns: string[]) => urns.map((urn) => keys.get(urn) ?? urn).sort();
    const trigger = request.getReplacementTrigger()?.toJavaScript();
    const all: Options = {
        protect: request.getProtect(),
        deleteBeforeReplace: request.getDeletebeforereplace(),
        retainOnDelete: request.getRetainondelete(),
        replaceOnChanges: request.getReplaceonchangesList(),
        ignoreChanges: request.getIgnorechangesList(),
        additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
        dependencies: references(request.getDependenciesList()),
        replaceWith: references(request.getReplaceWithList()),
        replacementTrigger: trigger === undefined ? undefined : plain(trigger),
        aliases: request.getAliasesList().length,
        create: request.getCustomtimeouts()?.getCreate() ?? "",
        import: request.getImportid(),
    };
    return Object.fromEntries(
        Object.entries(all).filter(
            ([, value]) =>
                value !== undefined &&
                value !== null &&
                value !== false &&
                value !== "" &&
                value !== 0 &&
                !(Array.isArray(value) && value.length === 0),
        ),
    );
}

function takesOf(request: Request, keys: ReadonlyMap<string, string>): Record<string, string[]> {
    const takes: Record<string, string[]> = {};
    request.getPropertydependenciesMap().forEach((dependencies, property) => {
        const urns = dependencies.getUrnsList();
        if (urns.length > 0) {
            takes[property] = urns.map((urn) => keys.get(urn) ?? urn).sort();
        }
    });
    return takes;
}

/** Runs `make` and waits until all that it registered is registered. */
export async function record<T>(make: () => T | Promise<T>, circumstances: Circumstances = {}): Promise<Recording<T>> {
    const { lastOutputs = {}, outputs = {}, impossible = [], preview = false, firstUpdate = false } = circumstances;
    const mocks: pulumi.runtime.Mocks = {
        call: ({ token }) => {
            throw new Error(`the program calls ${token}`);
        },
        newResource: ({ type, name, inputs }) => {
            const given = inputs as Record<string, unknown>;
            if (type === "pulumi:pulumi:StackReference") {
                return { id: name, state: { ...given, outputs: lastOutputs, secretOutputNames: [] } };
            }
            if (impossible.includes(keyOf(type, name))) {
                throw new Error(`${name} cannot be made`);
            }
            // A name that is set is the object's name; else it has the one that autonaming gives.
            const state = { ...answers(type, name), ...given, ...outputs[keyOf(type, name)] };
            const isKept = "keepers" in given && !firstUpdate && outputs[keyOf(type, name)] === undefined;
            return { id: `id of ${name}`, state: isKept ? { ...state, keepers: keptPair(name) } : state };
        },
    };
    await pulumi.runtime.setMocks(mocks, project, stack, preview, "organization");
    const { getMonitor } = pulumi.runtime as unknown as { getMonitor: () => Monitor };
    const { waitForRPCs } = pulumi.runtime as unknown as { waitForRPCs: () => Promise<void> };
    const monitor = getMonitor();
    const register = monitor.registerResource.bind(monitor);
    const registrations: Registration[] = [];
    const keys = new Map<string, string>();
    monitor.registerResource = (request, respond) => {
        const type = request.getType();
        const name = request.getName();
        const key = keyOf(type, name);
        return register(request, (error, response) => {
            const urn = response?.getUrn() ?? "";
            keys.set(urn, key);
            registrations.push({
                key,
                type,
                name,
                urn,
                custom: request.getCustom(),
                parent: request.getParent() === "" ? undefined : (keys.get(request.getParent()) ?? request.getParent()),
                inputs: plain(request.getObject().toJavaScript()) as Record<string, unknown>,
                takes: takesOf(request, keys),
                options: optionsOf(request, keys),
            });
            respond(error, response);
        });
    };
    const warnings: string[] = [];
    const { warn } = pulumi.log;
    Object.assign(pulumi.log, {
        warn: (text: string, resource?: pulumi.Resource & { __pulumiType?: string; __name?: string }) => {
            warnings.push(`${keyOf(resource?.__pulumiType ?? "", resource?.__name ?? "")}: ${text}`);
            return Promise.resolve();
        },
    });
    // The SDK takes a stack with each promise and each resource; mapping them all to sources would take most of the time.
    const usual = {
        prepareStackTrace: Object.getOwnPropertyDescriptor(Error, "prepareStackTrace")?.value as unknown,
        stackTraceLimit: Error.stackTraceLimit,
    };
    Object.assign(Error, { prepareStackTrace: undefined, stackTraceLimit: 5 });
    let result: T;
    try {
        result = await make();
        await waitForRPCs();
    } finally {
        Object.assign(Error, usual);
        Object.assign(pulumi.log, { warn });
    }
    return {
        result,
        warnings,
        registrations,
        get: (key) => {
            const found = registrations.filter((registration) => registration.key === key);
            const [only] = found;
            if (only === undefined || found.length > 1) {
                throw new Error(
                    `${found.length} registrations are "${key}"; there are:\n${registrations.map((each) => each.key).join("\n")}`,
                );
            }
            return only;
        },
    };
}

/** The value of an output. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        // `promise` is how the SDK itself waits; apply() would turn a failure into an unhandled one.
        (output as unknown as { promise(): Promise<T> }).promise().then(resolve, reject);
    });
}

/**
 * Runs `act` and returns, beside its result, what made the update red meanwhile: failures that nobody handled. Elsewhere
 * such a failure fails the test.
 */
export async function withFailures<T>(act: () => Promise<T>): Promise<{ result: T; failures: unknown[] }> {
    const failures: unknown[] = [];
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (failure) => failures.push(failure));
    try {
        const result = await act();
        // Node reports a rejection after the microtasks of its turn.
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { result, failures };
    } finally {
        process.removeAllListeners("unhandledRejection");
        for (const listener of listeners) {
            process.on("unhandledRejection", listener);
        }
    }
}
