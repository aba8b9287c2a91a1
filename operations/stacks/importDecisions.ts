/** What becomes of each variable of a Compose `.env` file: a pure function from variables to rows and a configuration. */
import { isAbsolute, join, resolve } from "node:path";
import { type Key, defaultAuthUser, defaultOwner, keys, takenPostgresNames } from "../../config.ts";
import { composeProject } from "./composeEnv.ts";

/** The Compose file's variables, in its order, each with the key that takes it over. */
export const composeKeys: ReadonlyMap<string, keyof typeof keys> = new Map(
    (Object.entries(keys) as [keyof typeof keys, Key<unknown>][]).flatMap(([name, { compose }]) =>
        compose === undefined ? [] : [[compose, name]],
    ),
);

/** What the user can ask for. */
export interface ImportOptions {
    /** Uses the old installation's objects where they are, instead of a volume of the new stack's own. */
    readonly inPlace?: boolean | undefined;
    /** Uses the old database where it is, instead of a PostgreSQL of the new stack's own. */
    readonly keepDatabase?: boolean | undefined;
    /** Other published ports than those of the file: of MLflow, S3 and MinIO's console. */
    readonly ports?: readonly [string, string, string] | undefined;
}

/** Where the file was found. */
export interface Origin {
    /** Its directory: a relative path is relative to it, and Compose names a project after it. */
    readonly directory: string;
    /** The user's home. */
    readonly home: string;
    /** Names of the engine's volumes; undefined where no engine could be asked. */
    readonly volumes?: readonly string[] | undefined;
}

/**
 * `set`: taken over as it is. `changed`: taken over in another form. `left out`: not taken over, on purpose. `unset`: empty, or not
 * in the file. `refused`: wrong, and nothing may be written before it is put right. `unknown`: no variable of the Compose file.
 */
export type Decision = "set" | "changed" | "left out" | "unset" | "refused" | "unknown";

/** What becomes of one variable. */
export interface Row {
    readonly variable: string;
    /** The keys that it sets, or would set. */
    readonly keys: readonly string[];
    /** What is set, or what the file has where nothing is; without it there is nothing to show. */
    readonly value?: string;
    /** Whether the value may be shown. */
    readonly secret: boolean;
    readonly decision: Decision;
    readonly why: string;
}

/** The decisions. */
export interface Import {
    /** One for each variable of the file, and one for each of the 16 that it does not have. */
    readonly rows: readonly Row[];
    /** Configuration key → text. */
    readonly values: Readonly<Record<string, string>>;
}

/** A variable's fate before it is a row: keys with their values, a reason, or a defect. */
type Fate =
    | { readonly set: Readonly<Record<string, string>>; readonly why?: string }
    | { readonly leftOut: string }
    | { readonly refused: string };

/** An address as such files have it: a host, perhaps with scheme and port. */
interface Address {
    readonly scheme: string | undefined;
    readonly host: string;
    readonly port: string | undefined;
}

/** Takes an address apart; a name and password in it are dropped. Undefined where it is none. */
export function addressOf(text: string): Address | undefined {
    const [, scheme, host, port] =
        /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:[^/@]*@)?(\[[^\]]*\]|[^:/@\s]+)(?::(\d{1,5}))?(?:\/.*)?$/i.exec(text) ?? [];
    return host === undefined ? undefined : { scheme: scheme?.toLowerCase(), host: host.replace(/^\[|\]$/g, ""), port };
}

const isLocal = (host: string) => /^(localhost|127\.[\d.]*|::1|0\.0\.0\.0)$/i.test(host);

/** Names that the Compose file gives to its MinIO. */
const storeNames = ["s3", "minio", "mlflow_minio"];

/** Names that a Compose file gives to a PostgreSQL; one with an underscore is no name of DNS, so only Compose can have given it. */
function isDatabaseService(host: string): boolean {
    return /^(postgres(ql)?|pg|db|database)([-_.]?\d*)$/i.test(host) || (host.includes("_") && !host.includes("."));
}

/** What several variables depend on. */
interface Situation {
    readonly get: (variable: string) => string;
    readonly options: ImportOptions;
    readonly origin: Origin;
    /** Why the S3 store is that of the Compose file; undefined where it is somebody else's. */
    readonly ownStore: string | undefined;
    readonly storeAddress: Address | undefined;
}

function situationOf(variables: ReadonlyMap<string, string>, origin: Origin, options: ImportOptions): Situation {
    const get = (variable: string) => {
        const value = variables.get(variable) ?? "";
        return value.trim() === "" ? "" : value;
    };
    const address = get("MINIO_HOST") === "" ? undefined : addressOf(get("MINIO_HOST"));
    const beside = ["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_VOLUME_PATH"].filter((name) => get(name) !== "");
    const ownStore =
        address === undefined
            ? "no other store is named"
            : storeNames.includes(address.host.toLowerCase()) || isLocal(address.host)
              ? `${address.host} is the Compose file's own MinIO: one runs here`
              : beside.length > 0
                ? `${beside.join(", ")} beside it: it is the Compose file's own MinIO, and one runs here. For a store of somebody ` +
                  `else take ${beside.join(", ")} out of the file`
                : undefined;
    return { get, options, origin, ownStore, storeAddress: address };
}

/** The port in `5000`, `:5000` or `127.0.0.1:5000`, and the address before it. */
function portIn(text: string): { port: string; address: string } | undefined {
    const [, address = "", port] = /^(?:(\[[^\]]*\]|(?!\d+:)[^:[\]/]*):)?(\d{1,5})$/.exec(text) ?? [];
    return port === undefined ? undefined : { port: String(Number(port)), address };
}

const notAPort = "is not a port, such as 5000: correct it in the file";

function publishedPort(key: string, text: string): Fate {
    const found = portIn(text);
    if (found === undefined) {
        return { refused: notAPort };
    }
    const { port, address } = found;
    return {
        set: { [key]: port },
        ...(address === ""
            ? {}
            : {
                  why: isLocal(address)
                      ? "the address is that of bindAddress, 127.0.0.1 unless it is set"
                      : `published on 127.0.0.1 and not on ${address}: for others set publicHost and bindAddress`,
              }),
    };
}

function booleanIn(text: string): string | undefined {
    if (/^(true|t|1|yes|y|on)$/i.test(text)) {
        return "true";
    }
    return /^(false|f|0|no|n|off)$/i.test(text) ? "false" : undefined;
}

/** The engine's volume that Compose made for a volume of its file. */
function volumeOf(name: string, { get, origin }: Situation): Fate {
    const project = composeProject(origin.directory, get("COMPOSE_PROJECT_NAME"));
    const candidates = [`${project}_${name}`, name];
    if (origin.volumes === undefined) {
        return { set: { minioVolumeName: name }, why: "the name of a volume; no engine was there to look for it" };
    }
    const there = candidates.find((candidate) => origin.volumes?.includes(candidate));
    return there === undefined
        ? { refused: `no volume ${candidates.join(" or ")} was found: an empty one would be made` }
        : {
              set: { minioVolumeName: there },
              why: "the name of a volume; used in place: stop the old installation before npm start",
          };
}

function volumePath(given: string, situation: Situation): Fate {
    const { options, origin, ownStore } = situation;
    if (ownStore === undefined) {
        return { leftOut: "no MinIO runs here" };
    }
    if (!options.inPlace) {
        return {
            leftOut:
                "npm run takeover copies the objects into the stack's own volume, and the old place stays as it is; --in-place " +
                "uses them there",
        };
    }
    if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(given)) {
        return volumeOf(given, situation);
    }
    const why = "used in place: stop the old installation before npm start";
    if (given === "~" || given.startsWith("~/")) {
        return { set: { minioVolumePath: join(origin.home, given.slice(1)) }, why: `~ is ${origin.home}; ${why}` };
    }
    return isAbsolute(given)
        ? { set: { minioVolumePath: given }, why }
        : { set: { minioVolumePath: resolve(origin.directory, given) }, why: `relative to the file; ${why}` };
}

function storeHost({ get, ownStore, storeAddress }: Situation): Fate {
    if (storeAddress === undefined) {
        return { refused: "is not a host's name or address: correct it in the file" };
    }
    if (ownStore !== undefined) {
        return { leftOut: ownStore };
    }
    const { scheme, host, port } = storeAddress;
    if (scheme !== undefined && scheme !== "http" && scheme !== "https") {
        return { refused: `has the scheme ${scheme}, and a store is called by http or https: correct it in the file` };
    }
    const https = scheme === undefined ? undefined : String(scheme === "https");
    const given = booleanIn(get("MINIO_STORAGE_USE_HTTPS"));
    if (https !== undefined && given !== undefined && given !== https) {
        return {
            refused: `has the scheme ${scheme ?? ""}, and MINIO_STORAGE_USE_HTTPS says ${given}: correct one of them`,
        };
    }
    const other = portIn(get("MINIO_PORT"))?.port;
    if (port !== undefined && other !== undefined && other !== String(Number(port))) {
        return { refused: `has port ${port}, and MINIO_PORT says ${other}: correct one of them` };
    }
    const implied = port ?? (scheme === undefined ? undefined : scheme === "https" ? "443" : "80");
    return {
        set: {
            minioHost: host,
            ...(get("MINIO_PORT") !== "" || implied === undefined ? {} : { minioPort: String(Number(implied)) }),
            ...(get("MINIO_STORAGE_USE_HTTPS") !== "" || https !== "true" ? {} : { minioStorageUseHttps: "true" }),
        },
        why: "a store of somebody else: it is used as it is, and no MinIO runs here",
    };
}

function databaseHost({ get, options }: Situation): Fate {
    const address = addressOf(get("PG_HOST"));
    if (address === undefined) {
        return { refused: "is not a host's name or address: correct it in the file" };
    }
    if (!options.keepDatabase) {
        return {
            leftOut:
                "PostgreSQL runs here: npm run takeover copies the old database into it, and the old one stays as it is; " +
                "--keep-database uses the old one, which the new server migrates: there is no way back then",
        };
    }
    const { host, port } = address;
    if (isDatabaseService(host)) {
        return {
            refused:
                "is a Compose service's name, which only that network knows: publish its port there, and set PG_HOST=host.docker.internal " +
                "and PG_PORT to that port",
        };
    }
    const other = portIn(get("PG_PORT"))?.port;
    if (port !== undefined && other !== undefined && other !== String(Number(port))) {
        return { refused: `has port ${port}, and PG_PORT says ${other}: correct one of them` };
    }
    const local = isLocal(host);
    return {
        set: {
            pgHost: local ? "host.docker.internal" : host,
            ...(port === undefined || get("PG_PORT") !== "" ? {} : { pgPort: String(Number(port)) }),
        },
        why: local
            ? `${host} is a container's own address inside it: host.docker.internal is the engine's host. Its PostgreSQL has to listen there`
            : "the old database is used where it is, and the new server's migration changes it",
    };
}

/** A login or database name for a PostgreSQL that runs here, where some are taken. */
function databaseName(key: "pgUser" | "pgDatabase", given: string, keep: boolean): Fate {
    const taken = key === "pgUser" ? [...takenPostgresNames, defaultOwner, defaultAuthUser] : takenPostgresNames;
    return !keep && taken.includes(given)
        ? { leftOut: `"${given}" is taken by the PostgreSQL that runs here: ${keys[key].default} is used` }
        : { set: { [key]: given } };
}

function fateOf(variable: string, situation: Situation): Fate {
    const { get, options, ownStore } = situation;
    const given = get(variable);
    const keep = options.keepDatabase === true;
    const sameAsRoot = ownStore !== undefined && get("MINIO_ACCESS_KEY") === get("MINIO_ROOT_USER");
    switch (variable) {
        case "MLFLOW_PORT":
            return publishedPort("mlflowPort", given);
        case "MINIO_PORT":
            return publishedPort("minioPort", given);
        case "MINIO_HOST":
            return storeHost(situation);
        case "MINIO_ACCESS_KEY":
            return sameAsRoot
                ? {
                      leftOut:
                          "it is MinIO's root user, which MLflow does not get: a key for its bucket alone is generated",
                  }
                : { set: { minioAccessKey: given }, ...(ownStore && { why: "limited to its one bucket" }) };
        case "MINIO_SECRET_ACCESS_KEY":
            return sameAsRoot && get("MINIO_ACCESS_KEY") !== ""
                ? { leftOut: "it is that of MinIO's root user: another one is generated with the key" }
                : { set: { minioSecretAccessKey: given } };
        case "PG_HOST":
            return databaseHost(situation);
        case "PG_USER":
            return databaseName("pgUser", given, keep);
        case "PG_PASSWORD":
            return "leftOut" in databaseName("pgUser", get("PG_USER"), keep)
                ? { leftOut: `it is that of ${get("PG_USER")}: one for the new role is generated` }
                : { set: { pgPassword: given } };
        case "PG_PORT":
            if (portIn(given) === undefined) {
                return { refused: notAPort };
            }
            return !keep && get("PG_HOST") !== ""
                ? { leftOut: "it is the old server's: the one that runs here is not published" }
                : { set: { pgPort: portIn(given)?.port ?? "" } };
        case "PG_DATABASE":
            return databaseName("pgDatabase", given, keep);
        case "MINIO_VOLUME_PATH":
            return volumePath(given, situation);
        case "MINIO_CONSOLE_ADDRESS": {
            if (ownStore === undefined) {
                return { leftOut: "no MinIO runs here" };
            }
            const fate = publishedPort("minioConsoleAddress", given);
            return "set" in fate
                ? { ...fate, set: { minioConsoleAddress: `:${fate.set.minioConsoleAddress ?? ""}` } }
                : { refused: "is not an address with a port, such as :9001: correct it in the file" };
        }
        case "MINIO_ROOT_USER":
            return { set: { minioRootUser: given }, why: "for MinIO's console; MLflow never gets it" };
        case "MINIO_STORAGE_USE_HTTPS": {
            const value = booleanIn(given);
            return value === undefined
                ? { refused: "is neither true nor false: correct it in the file" }
                : {
                      set: { minioStorageUseHttps: value },
                      ...(value === "true" && ownStore !== undefined
                          ? { why: "MinIO gets a certificate of the stack's own authority (output caCertificate)" }
                          : {}),
                  };
        }
        default: {
            const key = composeKeys.get(variable);
            return key === undefined ? { leftOut: "" } : { set: { [key]: given } };
        }
    }
}

/** The first defect that the schema finds in a value, without the value where that is secret. */
function defectOf(values: Readonly<Record<string, string>>): string | undefined {
    for (const [name, value] of Object.entries(values)) {
        try {
            keys[name as keyof typeof keys].parse(value);
        } catch (error) {
            return (error as Error).message;
        }
    }
    return undefined;
}

/** The key that a variable sets, or those that it set. */
function keysOf(variable: string, set: Readonly<Record<string, string>> = {}): string[] {
    const key = composeKeys.get(variable);
    const all = Object.keys(set);
    return all.length > 0 ? all : key === undefined ? [] : [key];
}

/** A row with what it sets. */
interface Decided {
    readonly row: Row;
    readonly set: Readonly<Record<string, string>>;
}

/** What the user asked for beside the file: other ports, and places that the file has to name. */
function withOptions(decided: Decided, { options, ownStore }: Situation): Decided {
    const { row } = decided;
    const { ports, keepDatabase, inPlace } = options;
    const asked: Readonly<Record<string, string | undefined>> = {
        MLFLOW_PORT: ports?.[0],
        ...(ownStore === undefined
            ? {}
            : { MINIO_PORT: ports?.[1], MINIO_CONSOLE_ADDRESS: ports === undefined ? undefined : `:${ports[2]}` }),
    };
    const value = asked[row.variable];
    if (value !== undefined) {
        const set = Object.fromEntries(keysOf(row.variable).map((key) => [key, value]));
        const defect = defectOf(set);
        return defect === undefined
            ? { row: { ...row, value, decision: "changed", why: "by --ports" }, set }
            : { row: { ...row, value, decision: "refused", why: `--ports: ${defect}` }, set: {} };
    }
    const needed = { PG_HOST: keepDatabase && "--keep-database", MINIO_VOLUME_PATH: inPlace && "--in-place" };
    const option = needed[row.variable as keyof typeof needed];
    return option && row.decision === "unset"
        ? { ...decided, row: { ...row, decision: "refused", why: `is not set, and ${option} needs it` } }
        : decided;
}

function rowOf(variable: string, given: string | undefined, situation: Situation): Decided {
    const key = composeKeys.get(variable);
    const secret = key === undefined || "secret" in keys[key];
    const base = { variable, keys: keysOf(variable), secret };
    if (key === undefined) {
        const why = "no variable of the Compose file that this takes over: it stays where it is";
        return { row: { ...base, value: given ?? "", decision: "unknown", why }, set: {} };
    }
    if (given === undefined || given.trim() === "") {
        const { default: standard, unset }: Key<unknown> = keys[key];
        const instead = standard ?? unset ?? "";
        const why = `${given === undefined ? "not in the file" : "empty"}: ${instead}`;
        return { row: { ...base, decision: "unset", why }, set: {} };
    }
    // An address may hold a name and a password.
    const shown = given.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1…@");
    const masked = (text: string) => text.replaceAll(given, shown);
    const fate = fateOf(variable, situation);
    if ("refused" in fate) {
        return { row: { ...base, value: shown, decision: "refused", why: masked(fate.refused) }, set: {} };
    }
    if ("leftOut" in fate) {
        return { row: { ...base, value: shown, decision: "left out", why: masked(fate.leftOut) }, set: {} };
    }
    const defect = defectOf(fate.set);
    if (defect !== undefined) {
        return { row: { ...base, value: shown, decision: "refused", why: masked(defect) }, set: {} };
    }
    const value = Object.values(fate.set).join(", ");
    return {
        row: {
            ...base,
            keys: keysOf(variable, fate.set),
            value,
            decision: value === given ? "set" : "changed",
            why: fate.why ?? "",
        },
        set: { ...fate.set },
    };
}

/** Decides. It never fails: what is wrong is a row that says so. */
export function decideImport(variables: ReadonlyMap<string, string>, origin: Origin, options: ImportOptions): Import {
    const situation = situationOf(variables, origin, options);
    const names = [...composeKeys.keys(), ...[...variables.keys()].filter((name) => !composeKeys.has(name))];
    const decided = names.map((name) => withOptions(rowOf(name, variables.get(name), situation), situation));
    return {
        rows: decided.map(({ row }) => row),
        values: Object.assign({}, ...decided.map(({ set }) => set)) as Record<string, string>,
    };
}
