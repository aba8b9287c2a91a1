/** The list of served models, the value of the key `modelServers`: its schema, defaults and checks. */
import { closest } from "fastest-levenshtein";
import { longestWait } from "./components/hardened.ts";

/** What the names of model servers' accounts at MLflow begin with (images/mlflow/platform_server, accounts.py); nobody else's may. */
export const accountPrefix = "model-server-";

/** A registered model that the stack serves. */
export interface ServedModel {
    /** Short name, unique in the stack: of its containers, network and account. */
    readonly name: string;
    /** Registered model. */
    readonly model: string;
    /** Alias of the version that is served. */
    readonly alias: string;
    /** Published port. */
    readonly port: number;
    /** Memory limit in MiB, for two versions at a time. */
    readonly memory: number;
    /** CPU limit. */
    readonly cpus: number;
    /** Seconds between two looks at the alias. */
    readonly aliasPollSeconds: number;
    /** MiB of a request, at most. */
    readonly requestSize: number;
    /** Seconds for a request, at most. */
    readonly requestSeconds: number;
    /** Requests that are answered at a time. */
    readonly requestConcurrency: number;
    /** Share of the predictions that are recorded, 0 to 1. */
    readonly recordSampleRate: number;
    /** MiB of all records. */
    readonly recordSize: number;
    /** Days that records are kept. */
    readonly recordDays: number;
    /** Seconds that an update waits for the first version. */
    readonly waitSeconds: number;
    /** Another number is another bearer token. */
    readonly tokenVersion: number;
    /** When the monitor runs, as cron has it, in UTC; undefined is never by itself. */
    readonly monitorSchedule: string | undefined;
    /** Predictions without which the monitor decides nothing. */
    readonly minimumSamples: number;
    /** Who promotes what retraining makes: manual, or auto. */
    readonly promote: string;
}

/** Several defects of one key's value, each with its place. */
export class Problems extends Error {
    readonly list: readonly string[];

    constructor(list: readonly string[]) {
        super(list.join("; "));
        this.list = list;
    }
}

/** A field: its meaning and default for the reference, and its check. */
interface Field<T> {
    readonly doc: string;
    /** Value as text where it is not set; `undefined` is optional. */
    readonly default?: string;
    /** Has to be set. */
    readonly required?: true;
    /** Throws an Error that says the defect and what to set. */
    readonly parse: (text: string) => T;
}

function word(pattern: RegExp, example: string): (text: string) => string {
    return (text) => {
        if (!pattern.test(text)) {
            throw new Error(`"${text}" is not possible: set one such as ${example}`);
        }
        return text;
    };
}

function whole(min: number, max: number): (text: string) => number {
    return (text) => {
        if (!/^\d{1,9}$/.test(text) || Number(text) < min || Number(text) > max) {
            throw new Error(`"${text}" is not a whole number from ${min} to ${max}`);
        }
        return Number(text);
    };
}

function decimal(min: number, max: number): (text: string) => number {
    return (text) => {
        if (!/^\d(\.\d{1,4})?$/.test(text) || Number(text) < min || Number(text) > max) {
            throw new Error(`"${text}" is not a number from ${min} to ${max}`);
        }
        return Number(text);
    };
}

/** MLflow's rule for names of registered models (validate_name in mlflow/utils/validation.py): no slash, no colon. */
function registeredModel(text: string): string {
    if (
        text.length > 250 ||
        // eslint-disable-next-line no-control-regex
        /[/:\u0000-\u001f\u007f]/.test(text) ||
        text.trim() !== text ||
        [".", "..", ""].includes(text)
    ) {
        throw new Error(`"${text}" is not the name of a registered model: set one without slash and colon`);
    }
    return text;
}

/** The fields of cron: smallest and largest number, and names. */
const cronFields: readonly (readonly [number, number, string?])[] = [
    [0, 59],
    [0, 23],
    [1, 31],
    [1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"],
    [0, 7, "sun mon tue wed thu fri sat"],
];

function cron(text: string): string {
    const fields = text.split(" ");
    const isTime =
        fields.length === cronFields.length &&
        fields.every((field, index) => {
            const [low = 0, high = 0, names = ""] = cronFields[index] ?? [];
            return (
                /^[\d*/,#A-Z-]+$/i.test(field) &&
                field.split(/[,\-/]/).every((part) =>
                    // 5#2 is the second Friday, L the last day or, after a weekday, the last one in a month.
                    /^\d+(#[1-5]|L)?$/i.test(part)
                        ? Number.parseInt(part, 10) >= low && Number.parseInt(part, 10) <= high
                        : part.toUpperCase() === "L" ||
                          part === "*" ||
                          (part.length === 3 && names.includes(part.toLowerCase())),
                )
            );
        });
    if (!isTime) {
        throw new Error(`"${text}" is not a time as cron has it: set five fields such as "0 * * * *", every hour`);
    }
    return text;
}

/** MLflow's rule for aliases (validate_model_alias_name in mlflow/utils/validation.py). */
const aliasName = /^(?!latest$)(?!v\d+$)[a-z0-9][a-z0-9_-]{0,100}$/i;

/** The fields of an entry, in the order of the reference. */
export const servedModelFields = {
    name: {
        doc: "Short name, unique in the stack: lower-case letters, digits and hyphens.",
        required: true,
        // What belongs to another one is called by its name with these at the end.
        parse: word(
            /^(?!.*-(monitor|seed)$)[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/,
            "iris, of 1 to 30 lower-case letters, digits and hyphens, without -monitor or -seed at the end",
        ),
    },
    model: { doc: "Registered model; the same as name where it is not set.", parse: registeredModel },
    alias: {
        doc: "Alias of the version that is served.",
        default: "production",
        parse: word(aliasName, "production; MLflow keeps latest, v1 and the like for itself"),
    },
    port: { doc: "Published TCP port.", required: true, parse: whole(1, 65535) },
    memory: {
        doc: "Memory limit in MiB, no swap; two versions have to fit while one takes over from the other.",
        default: "2048",
        parse: whole(512, 1048576),
    },
    cpus: { doc: "CPU limit.", default: "1", parse: decimal(0.1, 9.9) },
    aliasPollSeconds: { doc: "Seconds between two looks at the alias.", default: "10", parse: whole(1, 3600) },
    requestSize: { doc: "MiB of a request, at most.", default: "16", parse: whole(1, 1024) },
    requestSeconds: { doc: "Seconds for a request, at most.", default: "60", parse: whole(1, 3600) },
    requestConcurrency: { doc: "Requests that are answered at a time.", default: "8", parse: whole(1, 256) },
    recordSampleRate: {
        doc: "Share of the predictions that are recorded for the monitor, from 0 (none) to 1 (all).",
        default: "0",
        parse: decimal(0, 1),
    },
    recordSize: { doc: "MiB of all records; the oldest go first.", default: "256", parse: whole(16, 1048576) },
    recordDays: { doc: "Days that records are kept.", default: "30", parse: whole(1, 3650) },
    waitSeconds: {
        doc: "Seconds that an update waits for the first version, with the installation of what it needs.",
        default: "900",
        parse: whole(10, longestWait),
    },
    tokenVersion: {
        doc: "Another number makes another bearer token, with publicHost.",
        default: "1",
        parse: whole(1, 999999999),
    },
    monitorSchedule: {
        doc: "When the monitor runs, in UTC as cron has it, such as 0 * * * *; unset: only by hand.",
        parse: cron,
    },
    minimumSamples: {
        doc: "Recorded predictions without which the monitor decides nothing.",
        default: "100",
        parse: whole(10, 1000000),
    },
    promote: {
        doc: "Who promotes what retraining makes, if it is better: manual or auto.",
        default: "manual",
        parse: word(/^(manual|auto)$/, "manual or auto"),
    },
} satisfies Record<keyof ServedModel, Field<unknown>>;

const fieldNames = Object.keys(servedModelFields);

function parseEntry(entry: unknown, place: string, problems: string[]): ServedModel | undefined {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
        problems.push(`${place}: is not an entry with fields: set ${place}.name and ${place}.port`);
        return undefined;
    }
    const given = entry as Readonly<Record<string, string | number | boolean | object | null>>;
    for (const name of Object.keys(given).filter((field) => !fieldNames.includes(field))) {
        problems.push(`${place}.${name}: there is no such field: did you mean ${closest(name, fieldNames)}?`);
    }
    const parsed: Record<string, unknown> = {};
    const before = problems.length;
    for (const [name, field] of Object.entries<Field<unknown>>(servedModelFields)) {
        const value = given[name] ?? field.default;
        if (value === undefined) {
            if (field.required) {
                problems.push(`${place}.${name}: has to be set`);
            }
            continue;
        }
        try {
            if (typeof value === "object") {
                throw new Error("is not a single value");
            }
            // `pulumi config set --path` turns what looks like a number into one.
            parsed[name] = field.parse(String(value));
        } catch (error) {
            problems.push(`${place}.${name}: ${(error as Error).message}`);
        }
    }
    return problems.length > before ? undefined : ({ model: parsed.name, ...parsed } as unknown as ServedModel);
}

/** The list, from the key's value as JSON. Throws an Error, or `Problems` with every defect of the entries. */
export function parseServedModels(text: string): readonly ServedModel[] {
    let list: unknown;
    try {
        list = JSON.parse(text);
    } catch (error) {
        throw new Error("is not a list: pulumi config set --path 'modelServers[0].name' <name>", { cause: error });
    }
    if (!Array.isArray(list)) {
        throw new Error("is not a list: pulumi config set --path 'modelServers[0].name' <name>");
    }
    const problems: string[] = [];
    const models = list.map((entry, index) => parseEntry(entry, `modelServers[${index}]`, problems));
    for (const [index, model] of models.entries()) {
        const other = models.findIndex((earlier) => earlier?.name === model?.name);
        if (model !== undefined && other < index) {
            problems.push(
                `modelServers[${index}].name: "${model.name}" is also that of modelServers[${other}]: set another name`,
            );
        }
    }
    if (problems.length > 0) {
        throw new Problems(problems);
    }
    return models as ServedModel[];
}
