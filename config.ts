/**
 * The only reader of configuration: one table of keys is the schema, the documentation and the validation.
 *
 * `pulumi config set <key> <value>` sets a key of this project's own namespace. `readConfiguration` reports every
 * problem of a stack's configuration in one error, before anything is registered.
 */
import { isIPv4 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { closest } from "fastest-levenshtein";

/** One configuration key. `T` is the type of its parsed value. */
export interface Key<T> {
    /** What it means, for the reference in docs/configuration.md. */
    readonly doc: string;
    readonly type: "text" | "integer" | "number" | "boolean";
    /** Unit of a number. */
    readonly unit?: string;
    /** Allowed values in words. */
    readonly range?: string;
    /** Value as text where the key is unset; without it the key is optional. */
    readonly default?: string;
    /** What stands in for an unset optional key, in words. */
    readonly unset?: string;
    /** Must be set with `--secret`. */
    readonly secret?: true;
    /** The variable of the Compose file that this key takes over. */
    readonly compose?: string;
    /** Turns the text into a value; throws an Error that says the defect and what to set. */
    readonly parse: (text: string) => T;
}

type Described<T> = Omit<Key<T>, "type" | "parse" | "default" | "secret"> & {
    check?: (value: T) => string | undefined;
};

function checked<T>(value: T, check: ((value: T) => string | undefined) | undefined): T {
    const defect = check?.(value);
    if (defect !== undefined) {
        throw new Error(defect);
    }
    return value;
}

// A control character would end a line of pgpass, of the AWS credentials file or of a header; a blank at either end is
// stripped by the AWS credentials file's format (INI), so that key and file would disagree.
function checkText(text: string): string {
    if (text === "") {
        throw new Error("is empty: set a value or remove the key");
    }
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(text)) {
        throw new Error("contains a control character: use printable characters only");
    }
    if (text !== text.trim()) {
        throw new Error("begins or ends with a blank: remove it");
    }
    return text;
}

function text<D extends string | undefined>(
    { check, ...key }: Described<string>,
    defaultValue?: D,
): Key<string> & { default: D } {
    return {
        ...key,
        type: "text",
        default: defaultValue as D,
        parse: (value) => checked(checkText(value), check),
    };
}

function secret({ check, ...key }: Described<string>): Key<string> & { default: undefined } {
    return {
        ...key,
        type: "text",
        secret: true,
        default: undefined,
        parse: (value) => checked(checkText(value), check),
    };
}

function integer<D extends string | undefined>(
    key: Omit<Described<number>, "range"> & { min: number; max: number },
    defaultValue?: D,
): Key<number> & { default: D } {
    const { min, max, check, ...rest } = key;
    const range = `${min} to ${max}`;
    return {
        ...rest,
        range,
        type: "integer",
        default: defaultValue as D,
        parse: (value) => {
            if (!/^\d{1,9}$/.test(value) || Number(value) < min || Number(value) > max) {
                throw new Error(`"${value}" is not a whole number from ${range}`);
            }
            return checked(Number(value), check);
        },
    };
}

function cpus(doc: string, defaultValue: string): Key<number> & { default: string } {
    return {
        doc,
        type: "number",
        unit: "CPUs",
        range: "0.1 to 9.9",
        default: defaultValue,
        parse: (value) => {
            if (!/^\d(\.\d{1,2})?$/.test(value) || Number(value) < 0.1 || Number(value) > 9.9) {
                throw new Error(`"${value}" is not a number of CPUs from 0.1 to 9.9, such as 1.5`);
            }
            return Number(value);
        },
    };
}

function boolean(doc: string, defaultValue: string, compose?: string): Key<boolean> & { default: string } {
    return {
        doc,
        type: "boolean",
        range: "true or false",
        default: defaultValue,
        ...(compose === undefined ? {} : { compose }),
        parse: (value) => {
            if (value !== "true" && value !== "false") {
                throw new Error(`"${value}" is neither true nor false`);
            }
            return value === "true";
        },
    };
}

const port = { min: 1, max: 65535, unit: "TCP port" };
const memory = { max: 1048576, unit: "MiB" };
const waitSeconds = { min: 10, max: 7200, unit: "seconds" };

/**
 * Bucket naming rules of S3 (Amazon S3 User Guide, "General purpose bucket naming rules") and, stricter, of MinIO, which
 * also refuses a dot beside a hyphen (minio-go, `CheckValidBucketNameStrict`). Returns the defect, or undefined.
 */
export function bucketNameDefect(name: string): string | undefined {
    const set = "set 3 to 63 lower-case letters, digits, dots and hyphens, such as mlflow";
    if (name.length < 3 || name.length > 63) {
        return `"${name}" has ${name.length} characters: ${set}`;
    }
    if (!/^[a-z0-9.-]+$/.test(name)) {
        return `"${name}" contains other characters than those allowed: ${set}`;
    }
    if (!/^[a-z0-9].*[a-z0-9]$/.test(name)) {
        return `"${name}" does not begin and end with a letter or digit: ${set}`;
    }
    if (/\.\.|\.-|-\./.test(name)) {
        return `"${name}" has a dot beside a dot or hyphen: ${set}`;
    }
    if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) {
        return `"${name}" looks like an IP address: ${set}`;
    }
    const reserved =
        ["xn--", "sthree-", "amzn-s3-demo-"].find((prefix) => name.startsWith(prefix)) ??
        ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].find((suffix) => name.endsWith(suffix));
    return reserved === undefined ? undefined : `"${name}" uses "${reserved}", which S3 reserves: set another name`;
}

/** The role or database name's defect, or undefined. PostgreSQL cuts identifiers at 63 bytes without an error. */
export function postgresNameDefect(name: string): string | undefined {
    if (Buffer.byteLength(name) > 63) {
        return `"${name}" is longer than PostgreSQL's 63 bytes: set a shorter name`;
    }
    if (/^pg_/i.test(name)) {
        return `"${name}" begins with pg_, which PostgreSQL reserves: set another name`;
    }
    // Group roles that PostgreSQL's start keeps (images/postgres), its superuser and its own databases.
    const taken = [
        "postgres",
        "public",
        "none",
        "template0",
        "template1",
        "mlflow_platform_owner",
        "mlflow_platform_server",
    ];
    return taken.includes(name) ? `"${name}" is taken by PostgreSQL or this platform: set another name` : undefined;
}

/** The image reference's defect, or undefined: `[registry/]name[:tag][@sha256:digest]`, or an image id. */
export function imageReferenceDefect(reference: string): string | undefined {
    const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
    const host = "(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\\d+)?|\\[[0-9a-f:]+\\](?::\\d+)?)";
    const pattern = new RegExp(
        `^(?:${host}/)?${component}(?:/${component})*(?::[\\w][\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$|^sha256:[0-9a-f]{64}$`,
    );
    return pattern.test(reference)
        ? undefined
        : `"${reference}" is not an image reference: set one such as registry.example.com/mlflow:3.17.2`;
}

function atLeast(length: number): (value: string) => string | undefined {
    return (value) =>
        value.length < length ? `has ${value.length} characters: MinIO needs at least ${length}` : undefined;
}

// MinIO's limits for keys of users other than root (minio, internal/auth/credentials.go).
function accessKeyDefect(key: string): string | undefined {
    if (key.length < 3 || key.length > 20) {
        return `"${key}" has ${key.length} characters: set 3 to 20`;
    }
    return /[=,]/.test(key) ? `"${key}" contains = or a comma, which MinIO refuses: set another key` : undefined;
}

function secretAccessKeyDefect(value: string): string | undefined {
    return value.length < 8 || value.length > 40 ? `has ${value.length} characters: set 8 to 40` : undefined;
}

function consoleAddressDefect(address: string): string | undefined {
    const match = /^(.*):(\d{1,5})$/.exec(address);
    if (match === null || Number(match[2]) < 1 || Number(match[2]) > 65535) {
        return `"${address}" is not an address with a port: set one such as :9001`;
    }
    return ["", "0.0.0.0", "[::]"].includes(match[1] ?? "")
        ? undefined
        : `"${address}" names a host: inside the stack's network the console listens on every address; ` +
              `set :${match[2] ?? ""} here, and bindAddress for where it is published`;
}

const generated = "generated once and kept";
const image = (what: string, directory: string) =>
    text({
        doc: `Image reference that replaces the build of ${what}.`,
        unset: `built from ${directory}`,
        check: imageReferenceDefect,
    });

/** The schema. Keys that take over a variable of the Compose file come first, in that file's order. */
export const keys = {
    mlflowPort: integer(
        { ...port, compose: "MLFLOW_PORT", doc: "Published port of the tracking server and its web UI." },
        "5000",
    ),
    minioAccessKey: text({
        compose: "MINIO_ACCESS_KEY",
        unset: generated,
        range: "3 to 20 characters",
        doc: "S3 access key that MLflow uses; its policy is limited to the one bucket.",
        check: accessKeyDefect,
    }),
    minioSecretAccessKey: secret({
        compose: "MINIO_SECRET_ACCESS_KEY",
        unset: generated,
        range: "8 to 40 characters",
        doc: "Secret of minioAccessKey.",
        check: secretAccessKeyDefect,
    }),
    minioHost: text({
        compose: "MINIO_HOST",
        unset: "MinIO runs here",
        doc: "Host of an S3 store that is not ours. Refused in this version: only the store that runs here is supported.",
    }),
    minioPort: integer({ ...port, compose: "MINIO_PORT", doc: "Published port of the S3 API." }, "9000"),
    pgUser: text(
        {
            compose: "PG_USER",
            doc: "PostgreSQL role of the tracking server; it can change rows but not tables.",
            check: postgresNameDefect,
        },
        "mlflow",
    ),
    pgPassword: secret({ compose: "PG_PASSWORD", unset: generated, doc: "Password of pgUser." }),
    pgHost: text({
        compose: "PG_HOST",
        unset: "PostgreSQL runs here",
        doc: "Host of a PostgreSQL that is not ours. Refused in this version: only the database that runs here is supported.",
    }),
    pgPort: integer(
        {
            ...port,
            compose: "PG_PORT",
            doc: "Port of PostgreSQL on the stack's network; it is not published.",
        },
        "5432",
    ),
    pgDatabase: text({ compose: "PG_DATABASE", doc: "PostgreSQL database.", check: postgresNameDefect }, "mlflow"),
    mlflowBucketName: text(
        {
            compose: "MLFLOW_BUCKET_NAME",
            range: "S3 bucket name",
            doc: "Bucket of the artifacts; made if it is not there.",
            check: bucketNameDefect,
        },
        "mlflow",
    ),
    minioVolumePath: text({
        compose: "MINIO_VOLUME_PATH",
        unset: "a named volume",
        doc: "Directory on the engine's host for MinIO's data, owned by uid 1000.",
        check: (path) =>
            // A colon would end the path in the engine's notation of a mount.
            path.startsWith("/") && !/^\/+$/.test(path) && !path.includes(":")
                ? undefined
                : `"${path}" is not an absolute path of a directory, without colons: set one such as /srv/minio, ` +
                  `or minioVolumeName for a named volume`,
    }),
    minioConsoleAddress: text(
        {
            compose: "MINIO_CONSOLE_ADDRESS",
            range: ":port",
            doc: "Address of MinIO's console on the stack's network; published on bindAddress under the same port.",
            check: consoleAddressDefect,
        },
        ":9001",
    ),
    minioRootUser: text({
        compose: "MINIO_ROOT_USER",
        unset: generated,
        range: "at least 3 characters",
        doc: "MinIO's root user; MLflow never gets it.",
        check: atLeast(3),
    }),
    minioRootPassword: secret({
        compose: "MINIO_ROOT_PASSWORD",
        unset: generated,
        range: "at least 8 characters",
        doc: "Password of minioRootUser.",
        check: atLeast(8),
    }),
    minioStorageUseHttps: boolean(
        "S3 by TLS. Only false in this version: the store is published on loopback without TLS.",
        "false",
        "MINIO_STORAGE_USE_HTTPS",
    ),

    bindAddress: text(
        {
            range: "a loopback address",
            doc: "Address of the engine's host on which ports are published.",
            check: (address) =>
                isIPv4(address) && address.startsWith("127.")
                    ? undefined
                    : `"${address}" is not a loopback address, and without login and TLS everybody who reaches it could ` +
                      `read and delete everything: set 127.0.0.1, and reach it from elsewhere by an SSH tunnel`,
        },
        "127.0.0.1",
    ),
    pgOwnerUser: text(
        {
            doc: "PostgreSQL role that owns the tables and migrates them; the server never gets it.",
            check: postgresNameDefect,
        },
        "mlflow_owner",
    ),
    pgOwnerPassword: secret({ unset: generated, doc: "Password of pgOwnerUser." }),
    minioVolumeName: text({
        unset: "<project>-<stack>-minio_data",
        doc: "Name of the volume for MinIO's data, for one that exists already.",
        check: (name) =>
            /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)
                ? undefined
                : `"${name}" is not a volume's name: set letters, digits, dots, hyphens and underscores`,
    }),
    mlflowImage: image("the tracking server", "images/mlflow"),
    minioImage: image("MinIO", "images/minio"),
    postgresImage: image("PostgreSQL", "images/postgres"),
    baseImage: text({
        unset: "Debian's official image, pinned by digest in the Dockerfiles",
        doc:
            "Debian image that the builds start from. The environment variable MLFLOW_PLATFORM_BASE_IMAGE stands in " +
            "for an unset key (npm start sets it where it made the image from Debian packages).",
        check: imageReferenceDefect,
    }),
    mlflowWorkers: integer({ min: 1, max: 32, unit: "processes", doc: "Processes of the tracking server." }, "2"),
    mlflowMemory: integer({ ...memory, min: 768, doc: "Memory limit of the tracking server; no swap." }, "2048"),
    mlflowCpus: cpus("CPU limit of the tracking server.", "2"),
    mlflowWaitSeconds: integer(
        { ...waitSeconds, doc: "How long an update waits for the tracking server to be healthy." },
        "600",
    ),
    minioMemory: integer({ ...memory, min: 256, doc: "Memory limit of MinIO; no swap." }, "1024"),
    minioCpus: cpus("CPU limit of MinIO.", "1"),
    minioWaitSeconds: integer({ ...waitSeconds, doc: "How long an update waits for MinIO to be healthy." }, "300"),
    pgMemory: integer(
        {
            ...memory,
            min: 256,
            doc: "Memory limit of PostgreSQL; no swap. A quarter of it becomes shared_buffers.",
        },
        "1024",
    ),
    pgCpus: cpus("CPU limit of PostgreSQL.", "1"),
    pgWaitSeconds: integer({ ...waitSeconds, doc: "How long an update waits for PostgreSQL to be healthy." }, "300"),
} satisfies Record<string, Key<unknown>>;

type Keys = typeof keys;
type ValueOf<K> = K extends Key<infer T> & { default: infer D } ? (D extends string ? T : T | undefined) : never;

/** The typed value of every key: the set one, else its default, else undefined. */
export type Configuration = { readonly [K in keyof Keys]: ValueOf<Keys[K]> };

/** What a stack has set, before validation. */
export interface RawConfiguration {
    /** Key without namespace → text; namespaces of others are left out. */
    readonly values: Readonly<Record<string, string>>;
    /** Keys that were set with `--secret`. */
    readonly secrets: ReadonlySet<string>;
    /** Stands in for an unset `baseImage`; empty counts as unset. */
    readonly baseImage?: string | undefined;
}

/**
 * Validates the whole configuration. Returns the typed value and the list of problems (one line a problem: key, defect,
 * what to set); the value is only to be used when there is none.
 */
export function parseConfiguration(raw: RawConfiguration): { value: Configuration; problems: string[] } {
    const problems: string[] = [];
    const value: Record<string, unknown> = {};
    const known = Object.keys(keys);
    for (const name of Object.keys(raw.values)) {
        if (!known.includes(name)) {
            problems.push(
                `${name}: there is no such key: did you mean ${closest(name, known)}? (pulumi config rm ${name})`,
            );
        }
    }
    for (const [name, key] of Object.entries<Key<unknown>>(keys)) {
        const set = raw.values[name] ?? (name === "baseImage" && raw.baseImage !== "" ? raw.baseImage : undefined);
        if (set !== undefined && key.secret && !raw.secrets.has(name)) {
            problems.push(
                `${name}: is a secret but stands in plain text in the stack's file: pulumi config set --secret ${name}`,
            );
        }
        const given = set ?? key.default;
        if (given === undefined) {
            continue;
        }
        try {
            value[name] = key.parse(given);
        } catch (error) {
            problems.push(`${name}: ${(error as Error).message}`);
        }
    }
    const configuration = value as unknown as Configuration;
    return { value: configuration, problems: [...problems, ...combinationProblems(configuration)] };
}

/** Problems between keys. A key that has a problem of its own is absent from `c` here. */
function combinationProblems(c: Partial<Configuration>): string[] {
    const problems: string[] = [];
    if (c.pgHost !== undefined) {
        problems.push(
            "pgHost: an existing PostgreSQL is not supported in this version: pulumi config rm pgHost, and PostgreSQL runs here",
        );
    }
    if (c.minioHost !== undefined) {
        problems.push(
            "minioHost: an existing S3 store is not supported in this version: pulumi config rm minioHost, and MinIO runs here",
        );
    }
    if (c.minioStorageUseHttps === true) {
        problems.push(
            "minioStorageUseHttps: TLS for the store that runs here is not supported in this version: set false; it is " +
                "published on loopback only",
        );
    }
    if (c.minioVolumePath !== undefined && c.minioVolumeName !== undefined) {
        problems.push("minioVolumePath: stands beside minioVolumeName, and data has one place: remove one of them");
    }
    if (c.pgUser !== undefined && c.pgUser === c.pgOwnerUser) {
        problems.push(
            `pgOwnerUser: "${c.pgUser}" is also pgUser, which must not own the tables: set two different names`,
        );
    }
    if (c.minioRootUser !== undefined && c.minioRootUser === c.minioAccessKey) {
        problems.push("minioAccessKey: is also minioRootUser, which MLflow must not get: set two different names");
    }
    if (c.mlflowWorkers !== undefined && c.mlflowMemory !== undefined) {
        // Measured: about 300 MiB for each process and as much for the parent and transfers.
        const needed = 300 * (c.mlflowWorkers + 1);
        if (c.mlflowMemory < needed) {
            problems.push(
                `mlflowMemory: ${c.mlflowMemory} MiB is too little for ${c.mlflowWorkers} workers: set at least ${needed}, ` +
                    "or fewer mlflowWorkers",
            );
        }
    }
    const published = Object.entries(publishedPorts(c));
    for (const [index, [name, number]] of published.entries()) {
        const other = published.slice(0, index).find(([, earlier]) => earlier === number);
        if (other !== undefined) {
            problems.push(`${name}: port ${number} is also that of ${other[0]}: set two different ports`);
        }
    }
    if (c.minioConsoleAddress !== undefined && portOf(c.minioConsoleAddress) === 9000 && c.minioPort !== 9000) {
        problems.push("minioConsoleAddress: port 9000 is MinIO's S3 port on the stack's network: set another one");
    }
    return problems;
}

/** Port number of an address such as `:9001`. */
export function portOf(address: string): number {
    return Number(address.slice(address.lastIndexOf(":") + 1));
}

/** The ports that the platform publishes on `bindAddress`, by the key that sets each. */
export function publishedPorts(c: Partial<Configuration>): Record<string, number> {
    return {
        ...(c.mlflowPort === undefined ? {} : { mlflowPort: c.mlflowPort }),
        ...(c.minioPort === undefined ? {} : { minioPort: c.minioPort }),
        ...(c.minioConsoleAddress === undefined ? {} : { minioConsoleAddress: portOf(c.minioConsoleAddress) }),
    };
}

/** One error text for a list of problems. */
export function problemText(stack: string, problems: readonly string[]): string {
    return `the configuration of stack "${stack}" has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n${problems
        .map((problem) => `  ${problem}`)
        .join("\n")}`;
}

/** Reads the running program's configuration. Throws one `pulumi.RunError` that lists every problem. */
export function readConfiguration(): Configuration {
    const prefix = `${pulumi.getProject()}:`;
    const own = Object.entries(pulumi.runtime.allConfig()).filter(([name]) => name.startsWith(prefix));
    // Which keys are secret is in the SDK's runtime but not in its published types.
    const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret: (key: string) => boolean };
    const { value, problems } = parseConfiguration({
        values: Object.fromEntries(own.map(([name, text]) => [name.slice(prefix.length), text])),
        secrets: new Set(own.filter(([name]) => isConfigSecret(name)).map(([name]) => name.slice(prefix.length))),
        baseImage: process.env.MLFLOW_PLATFORM_BASE_IMAGE,
    });
    if (problems.length > 0) {
        throw new pulumi.RunError(problemText(pulumi.getStack(), problems));
    }
    return value;
}
