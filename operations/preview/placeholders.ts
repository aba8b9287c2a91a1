/**
 * The configuration of a throw-away preview: what stands in a stack's file, with placeholders for what this machine does not
 * have: encrypted values, secrets that are kept elsewhere, and files of the host that the stack is for.
 */
import { isAbsolute } from "node:path";
import { stringify } from "yaml";
import { issueCertificate, makeAuthority } from "../../components/certificates.ts";
import {
    type Configuration,
    type Key,
    type RawConfiguration,
    givenCertificateProblems,
    keys,
    missingSecrets,
} from "../../config.ts";
import { projectName } from "../places.ts";

/** Why a placeholder stands for a key's value. */
export type Missing = "encrypted" | "not set" | "not on this machine" | "has to fit another placeholder";

/** What a throw-away stack is configured with. */
export interface ThrowAwayConfiguration {
    /** The stack's file, in YAML, without anything encrypted. */
    readonly text: string;
    /** Values that are set as secrets: full key → placeholder. */
    readonly secrets: Readonly<Record<string, string>>;
    /** Files beside it: name → content. */
    readonly files: Readonly<Record<string, string>>;
    /** Key → why its value is a placeholder. */
    readonly placeholders: Readonly<Record<string, Missing>>;
    /** Keys of others' namespaces that were left out: what an engine is reached by, and encrypted values. */
    readonly leftOut: readonly string[];
    /** Problems that the placeholders would hide. */
    readonly problems: readonly string[];
}

const prefix = `${projectName}:`;
const table: Readonly<Record<string, Key<unknown> | undefined>> = keys;

/** Texts that some key takes, whatever it is. */
const candidates = [
    "80",
    "true",
    "[]",
    "placeholder.invalid",
    "placeholder@placeholder.invalid",
    "https://placeholder.invalid/simple",
    "/placeholder",
    "verify-full",
];

/** A value that the key takes, which is nobody's. */
export function placeholderOf(name: string): string {
    const key = table[name];
    const text = `placeholder-${name}`;
    // Secrets have a least length, names a largest one.
    const own = key?.secret ? text.padEnd(32, "-") : text.slice(0, 20);
    const takes = (value: string) => {
        try {
            key?.parse(value);
            return true;
        } catch {
            return false;
        }
    };
    return [...(key?.default === undefined ? [] : [key.default]), own, ...candidates].find(takes) ?? text;
}

function isEncrypted(value: unknown): boolean {
    return typeof value === "object" && value !== null && Object.keys(value).join() === "secure";
}

/** Whether there is an encrypted value in it. */
function holdsEncrypted(value: unknown): boolean {
    return (
        isEncrypted(value) || (typeof value === "object" && value !== null && Object.values(value).some(holdsEncrypted))
    );
}

/** A list or record with placeholders for what is encrypted in it. */
function withoutEncrypted(value: unknown): unknown {
    if (isEncrypted(value)) {
        return "placeholder";
    }
    if (Array.isArray(value)) {
        return value.map(withoutEncrypted);
    }
    return typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, withoutEncrypted(entry)]))
        : value;
}

/** A value as `pulumi config` gives it to the program. */
function textOf(value: unknown): string {
    return typeof value === "string" ? value : JSON.stringify(value);
}

/** An engine that is neither here nor asked: the program then looks at no port and no directory of this host, and plugins do not ping it. */
export const noEngine = "ssh://127.0.0.1:1";

/** The problems of a certificate of one's own that is there, though its key is not. */
function certificateProblems(values: Readonly<Record<string, string>>): string[] {
    try {
        return givenCertificateProblems({
            tlsCertificateFile: keys.tlsCertificateFile.parse(values.tlsCertificateFile ?? ""),
            publicHost: values.publicHost,
        } satisfies Partial<Configuration>);
    } catch (error) {
        return [`tlsCertificateFile: ${(error as Error).message}`];
    }
}

/**
 * Makes the configuration from a stack's file (its `config`, as YAML gives it). `isThere` says of a path, as the file has it,
 * whether this machine has it.
 */
export async function throwAwayConfiguration(
    config: Readonly<Record<string, unknown>>,
    isThere: (path: string) => boolean,
): Promise<ThrowAwayConfiguration> {
    const placeholders: Record<string, Missing> = {};
    const values: Record<string, string> = {};
    // Whatever engine the project's own file names.
    const plain: Record<string, unknown> = { "docker:host": noEngine };
    const secrets: Record<string, string> = {};
    const leftOut: string[] = [];
    for (const [given, value] of Object.entries(config)) {
        // Pulumi takes a key without a namespace for one of the project's.
        const key = given.includes(":") ? given : `${prefix}${given}`;
        if (!key.startsWith(prefix)) {
            if (key.startsWith("docker:") || holdsEncrypted(value)) {
                leftOut.push(key);
            } else {
                plain[key] = value;
            }
            continue;
        }
        const name = key.slice(prefix.length);
        if (isEncrypted(value)) {
            placeholders[name] = "encrypted";
            values[name] = secrets[key] = placeholderOf(name);
        } else {
            if (holdsEncrypted(value)) {
                placeholders[name] = "encrypted";
            }
            plain[key] = withoutEncrypted(value);
            values[name] = textOf(plain[key]);
        }
    }
    const raw: RawConfiguration = { values, secrets: new Set(Object.keys(values)) };
    for (const name of missingSecrets(raw)) {
        placeholders[name] = "not set";
        values[name] = secrets[`${prefix}${name}`] = placeholderOf(name);
    }

    const authority = await makeAuthority("placeholder", new Date());
    const files: Record<string, string> = {};
    const problems: string[] = [];
    const placeFile = (name: string, content: string) => {
        files[`placeholder-${name}.pem`] = content;
        plain[`${prefix}${name}`] = `placeholder-${name}.pem`;
    };
    for (const [name] of Object.entries(table).filter(([, key]) => key?.file)) {
        const path = values[name];
        if (path !== undefined && !isThere(path)) {
            placeholders[name] ??= "not on this machine";
            placeFile(name, authority.certificate);
        }
    }
    // Certificate and key have to belong together, so where one of them is a placeholder both are.
    if (values.tlsCertificateFile !== undefined && (placeholders.tlsCertificateFile ?? placeholders.tlsPrivateKey)) {
        if (placeholders.tlsCertificateFile === undefined) {
            problems.push(...certificateProblems(values));
        }
        for (const name of ["tlsCertificateFile", "tlsPrivateKey"]) {
            placeholders[name] ??= "has to fit another placeholder";
        }
        const own = await issueCertificate(authority, [values.publicHost ?? "placeholder.invalid"], new Date());
        placeFile("tlsCertificateFile", own.certificate);
        secrets[`${prefix}tlsPrivateKey`] = own.privateKey;
    } else if (placeholders.tlsPrivateKey !== undefined) {
        secrets[`${prefix}tlsPrivateKey`] = authority.privateKey;
    }
    const project = values.monitorProject;
    if (project !== undefined && isAbsolute(project) && !isThere(project)) {
        placeholders.monitorProject = "not on this machine";
        plain[`${prefix}monitorProject`] = keys.monitorProject.default;
    }
    for (const key of Object.keys(secrets)) {
        // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
        delete plain[key];
    }
    return { text: stringify({ config: plain }), secrets, files, placeholders, leftOut, problems };
}
