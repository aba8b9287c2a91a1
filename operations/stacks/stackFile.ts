/** The file of a stack's configuration, `Pulumi.<stack>.yaml`: what it sets, and the same text with other values. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { parseConfiguration, publishedPorts } from "../../config.ts";
import { type Places, projectName } from "../places.ts";
import { UserError } from "../userError.ts";

/** What a file sets of this project's own keys, without the namespace. */
export interface StackSettings {
    /** In plain text: text, or an object or list as it stands there. */
    readonly plain: Readonly<Record<string, unknown>>;
    /** Encrypted. */
    readonly secure: readonly string[];
    /** Whether Pulumi has left its salt there. */
    readonly salted: boolean;
}

const prefix = `${projectName}:`;

/** Pulumi's notation of an encrypted value. */
function isSecure(value: unknown): boolean {
    return typeof value === "object" && value !== null && "secure" in value;
}

/** Reads the text of a stack's file. `name` is for the error. Throws a UserError where it is no YAML with a map in it. */
export function readSettings(name: string, text: string): StackSettings {
    const document = parseDocument(text);
    const content: unknown = document.errors.length > 0 ? undefined : document.toJS();
    if (content !== null && (typeof content !== "object" || Array.isArray(content))) {
        throw new UserError(
            `${name} is not a stack's file.`,
            "Mend its YAML: npm run pulumi -- config shows what is wrong.",
        );
    }
    const { config, encryptionsalt } = (content ?? {}) as {
        config?: Record<string, unknown>;
        encryptionsalt?: unknown;
    };
    // Pulumi takes a key without a namespace for one of the project's.
    const own = Object.entries(config ?? {}).flatMap(([key, value]) =>
        key.startsWith(prefix) || !key.includes(":") ? [[key.replace(prefix, ""), value] as const] : [],
    );
    return {
        plain: Object.fromEntries(own.filter(([, value]) => !isSecure(value))),
        secure: own.filter(([, value]) => isSecure(value)).map(([key]) => key),
        salted: encryptionsalt !== undefined,
    };
}

/** The plain values as the program gets them: an object or list is JSON. */
export function asTexts(plain: Readonly<Record<string, unknown>>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(plain).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
    );
}

/** The text of a stack's file with these values set; comments and everything else stay. */
export function withValues(text: string, values: Readonly<Record<string, unknown>>): string {
    const document = parseDocument(text);
    // `config:` with nothing below it.
    if (document.get("config") === null) {
        document.delete("config");
    }
    for (const [key, value] of Object.entries(values)) {
        const bare = document.hasIn(["config", key]);
        document.setIn(["config", bare ? key : `${prefix}${key}`], value);
    }
    return document.toString({ lineWidth: 0 });
}

/** Every stack's file in the checkout, by the stack's name. */
export function stackFiles(places: Places): Map<string, string> {
    const names = readdirSync(places.project).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
    return new Map(
        names.sort().map((name) => [name, readFileSync(join(places.project, `Pulumi.${name}.yaml`), "utf8")]),
    );
}

/** The ports that these stacks' files publish, each with the stack's name; a file that cannot be read publishes none. */
export function portsOfOthers(places: Places, stacks: readonly string[]): Map<number, string> {
    const ports = new Map<number, string>();
    for (const [name, text] of [...stackFiles(places)].filter(([name]) => stacks.includes(name))) {
        try {
            const values = asTexts(readSettings(name, text).plain);
            const { value } = parseConfiguration({ values, secrets: new Set() });
            for (const port of Object.values(publishedPorts(value, values.minioHost !== undefined))) {
                ports.set(port, name);
            }
        } catch (error) {
            if (!(error instanceof UserError)) {
                throw error;
            }
        }
    }
    return ports;
}

/** The text of a stack's file, or undefined where there is none. */
export function stackText(file: string): string | undefined {
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
