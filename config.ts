/**
 * The only reader of configuration: one table of keys is the schema, the documentation and the validation.
 *
 * `pulumi config set <key> <value>` sets a key of this project's own namespace. `readConfiguration` reports every
 * problem of a stack's configuration in one error, before anything is registered.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import { domainToUnicode } from "node:url";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { closest } from "fastest-levenshtein";
import { everyAddress } from "./components/addresses.ts";
import { pemCertificates } from "./components/buildSecrets.ts";
import { longestWait } from "./components/hardened.ts";
import { hostProblems } from "./hostCheck.ts";
import { type LastUpdate, partingProblems } from "./lastUpdate.ts";
import { Problems, type ServedModel, accountPrefix, parseServedModels } from "./servedModels.ts";
import { UpdateError } from "./updateError.ts";

/** One configuration key. `T` is the type of its parsed value. */
export interface Key<T> {
    /** What it means, for the reference in docs/configuration.md. */
    readonly doc: string;
    readonly type: "text" | "integer" | "number" | "boolean" | "list";
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
    /** Its value is the path of a file of certificates. */
    readonly file?: true;
    /** The variable of the Compose file that this key takes over. */
    readonly compose?: string;
    /** Turns the text into a value; throws an Error that says the defect and what to set. */
    readonly parse: (text: string) => T;
}

type Described<T> = Omit<Key<T>, "type" | "parse" | "default" | "secret" | "file"> & {
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

/** A key that names a file of certificates. Its value is what the file holds. */
function certificates(key: Described<string>): Key<string> & { default: undefined } {
    return {
        ...key,
        type: "text",
        file: true,
        range: "path of a PEM file, relative to the project",
        default: undefined,
        parse: (path) => {
            checkText(path);
            let content: string;
            try {
                content = readFileSync(path, "utf8");
            } catch (error) {
                const { code = "" } = error as NodeJS.ErrnoException;
                throw new Error(`"${path}" cannot be read (${code}): set the path of a PEM file`, { cause: error });
            }
            const found = pemCertificates(content);
            try {
                if (found.map((pem) => new X509Certificate(pem)).length > 0) {
                    return `${found.join("\n")}\n`;
                }
            } catch (error) {
                throw new Error(`"${path}" holds a certificate that cannot be read: set a PEM file`, { cause: error });
            }
            throw new Error(`"${path}" holds no certificate: set a PEM file, with -----BEGIN CERTIFICATE-----`);
        },
    };
}

/** A key that holds a private key in PEM form. Its value is the same as PKCS #8. */
function privateKey(key: Described<string>): Key<string> & { default: undefined } {
    return {
        ...key,
        type: "text",
        secret: true,
        range: "PEM, without a passphrase",
        default: undefined,
        parse: (text) => {
            try {
                return createPrivateKey(text).export({ type: "pkcs8", format: "pem" }).toString();
            } catch (error) {
                throw new Error(
                    "is not a private key in PEM form without a passphrase: pulumi config set --secret tlsPrivateKey < key.pem",
                    { cause: error },
                );
            }
        },
    };
}

/** The list of served models. */
const servedModels: Key<readonly ServedModel[]> & { default: undefined } = {
    doc:
        "Registered models that this stack serves, each from a container of its own: pulumi config set --path " +
        "'modelServers[0].name' iris, and so on; the fields are below.",
    type: "list",
    unset: "none",
    default: undefined,
    parse: parseServedModels,
};

/** A key whose value is one of a few words. */
function oneOf<D extends string>(
    doc: string,
    values: readonly string[],
    defaultValue: D,
): Key<string> & { default: D } {
    return text(
        {
            doc,
            range: values.join(", "),
            check: (value) => (values.includes(value) ? undefined : `"${value}" is not one of ${values.join(", ")}`),
        },
        defaultValue,
    );
}

const port = { min: 1, max: 65535, unit: "TCP port" };
const memory = { max: 1048576, unit: "MiB" };
const waitSeconds = { min: 10, max: longestWait, unit: "seconds" };

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
    return /^pg_/i.test(name) ? `"${name}" begins with pg_, which PostgreSQL reserves: set another name` : undefined;
}

/** Names that the PostgreSQL that runs here has for itself: its superuser, its databases, and the groups that images/postgres keeps. */
export const takenPostgresNames: readonly string[] = [
    "postgres",
    "public",
    "none",
    "template0",
    "template1",
    "mlflow_platform_owner",
    "mlflow_platform_server",
    "mlflow_platform_auth",
];

/** Whether it is a name that DNS and a URL can have. */
function isHostName(name: string): boolean {
    return (
        name.length <= 253 &&
        name.split(".").every((label) => label.length <= 63 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i.test(label)) &&
        // A resolver takes 0x7f000001 and its like for an address, and a URL has no room for what is no name.
        URL.canParse(`http://${name}`) &&
        new URL(`http://${name}`).hostname === name.toLowerCase() &&
        // Since Node.js 24 a URL may hold a label that only begins as one in punycode does.
        !/(^|\.)xn--/.test(domainToUnicode(name.toLowerCase()))
    );
}

// Names that the services have on the stack's network; a gateway that took one would stand in for it.
const takenHosts = ["postgres", "minio", "s3", "mlflow", "gateway", "host.docker.internal"];

/** The defect of the name or address by which clients call the platform, or undefined. */
export function publicHostDefect(name: string): string | undefined {
    if (takenHosts.includes(name)) {
        return `"${name}" has a meaning of its own on the stack's network: set the name that clients use, such as mlflow.example.com`;
    }
    return isHostName(name) && name === name.toLowerCase() && name !== everyAddress
        ? undefined
        : `"${name}" is not a host's name in lower case or an IPv4 address: set one such as mlflow.example.com, without scheme ` +
              "and port";
}

/**
 * The defect of a name that people log in with, or undefined: HTTP's basic scheme ends it at the first colon, and MLflow
 * decodes credentials as ASCII on some of its routes (mlflow/server/auth, _authenticate_fastapi_request).
 */
export function usernameDefect(name: string): string | undefined {
    return name.length > 255 || !/^[!-9;-~]([ -9;-~]*[!-9;-~])?$/.test(name)
        ? `"${name}" is not of 1 to 255 ASCII characters without a colon: set another name`
        : undefined;
}

/** The same for a name that the configuration gives. */
function ownUsernameDefect(name: string): string | undefined {
    return name.startsWith(accountPrefix)
        ? `"${name}" begins with ${accountPrefix}, as the accounts of model servers do: set another name`
        : usernameDefect(name);
}

function adminPasswordDefect(password: string): string | undefined {
    return /^[ -~]*$/.test(password)
        ? atLeast(12, "MLflow")(password)
        : "contains other characters than those of ASCII, which MLflow does not read everywhere: set another one";
}

/** The defect of a host's name as containers of the stack would use it, or undefined. `portKey` sets the port beside it. */
export function hostDefect(name: string, portKey: string): string | undefined {
    if (/^(localhost|127\..*|::1|0\.0\.0\.0)$/i.test(name)) {
        return `"${name}" is a container's own address inside that container: set host.docker.internal for the engine's host`;
    }
    if (isIP(name) === 6) {
        return `"${name}" is an IPv6 address: set a name that stands for it`;
    }
    return isHostName(name)
        ? undefined
        : `"${name}" is not a host's name or address: set one such as db.example.com, without a scheme; the port is ${portKey}`;
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

function atLeast(length: number, who = "MinIO"): (value: string) => string | undefined {
    return (value) =>
        value.length < length ? `has ${value.length} characters: ${who} needs at least ${length}` : undefined;
}

// MinIO's limits for keys of users other than root (minio, internal/auth/credentials.go); other stores have others.
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

const sslModes = ["disable", "prefer", "require", "verify-ca", "verify-full"];

const generated = "generated once and kept";
const image = (what: string, directory: string) =>
    text({
        doc: `Image reference that replaces the build of ${what}.`,
        unset: `built from ${directory}`,
        check: imageReferenceDefect,
    });

/** Name of the owner's role in a PostgreSQL that runs here. */
export const defaultOwner = "mlflow_owner";

/** Name of the role of the users' tables in a PostgreSQL that runs here. */
export const defaultAuthUser = "mlflow_auth";

/** The schema. Keys that take over a variable of the Compose file come first, in that file's order. */
export const keys = {
    mlflowPort: integer(
        { ...port, compose: "MLFLOW_PORT", doc: "Published port of the tracking server and its web UI." },
        "5000",
    ),
    minioAccessKey: text({
        compose: "MINIO_ACCESS_KEY",
        unset: generated,
        range: "3 to 20 characters; any with minioHost",
        doc: "S3 access key that MLflow uses; its policy is limited to the one bucket. Required with minioHost.",
    }),
    minioSecretAccessKey: secret({
        compose: "MINIO_SECRET_ACCESS_KEY",
        unset: generated,
        range: "8 to 40 characters; any with minioHost",
        doc: "Secret of minioAccessKey. Required with minioHost.",
    }),
    minioHost: text({
        compose: "MINIO_HOST",
        unset: "MinIO runs here",
        range: "host name or IPv4 address",
        doc:
            "Host of an S3 store that is not ours, as containers resolve it (host.docker.internal is the engine's host). No MinIO " +
            "runs here then; the bucket is made if the key may make it.",
        check: (name) => hostDefect(name, "minioPort"),
    }),
    minioPort: integer(
        {
            ...port,
            compose: "MINIO_PORT",
            doc: "Published port of the S3 API; with minioHost that store's port (443 for one by https, usually).",
        },
        "9000",
    ),
    pgUser: text(
        {
            compose: "PG_USER",
            doc:
                "PostgreSQL role of the tracking server; it can change rows but not tables, unless it is the owner as well " +
                "(pgOwnerUser).",
            check: postgresNameDefect,
        },
        "mlflow",
    ),
    pgPassword: secret({ compose: "PG_PASSWORD", unset: generated, doc: "Password of pgUser. Required with pgHost." }),
    pgHost: text({
        compose: "PG_HOST",
        unset: "PostgreSQL runs here",
        range: "host name or IPv4 address",
        doc:
            "Host of a PostgreSQL that is not ours, as containers resolve it (host.docker.internal is the engine's host). No " +
            "PostgreSQL runs here then; the database is made if the owner may make it.",
        check: (name) => hostDefect(name, "pgPort"),
    }),
    pgPort: integer(
        {
            ...port,
            compose: "PG_PORT",
            doc: "Port of PostgreSQL on the stack's network, where it is not published; with pgHost that server's port.",
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
        "S3 by TLS. With minioHost: https to that store. For the MinIO that runs here: it serves S3 and its console by TLS, with a " +
            "certificate of the stack's own authority (output caCertificate), also between MLflow and MinIO.",
        "false",
        "MINIO_STORAGE_USE_HTTPS",
    ),

    bindAddress: text(
        {
            range: "IPv4 address",
            doc:
                "Address of the engine's host on which ports are published; 0.0.0.0 is every one. Other than loopback only with " +
                "login (mlflowAuth) and TLS (publicHost).",
            check: (address) =>
                isIPv4(address)
                    ? undefined
                    : `"${address}" is not an IPv4 address: set one such as 127.0.0.1 or 0.0.0.0`,
        },
        "127.0.0.1",
    ),
    allowInsecureExposure: boolean(
        "Lets bindAddress be other than loopback without login or TLS: whoever reaches it may read, change and delete everything.",
        "false",
    ),
    mlflowAuth: boolean(
        "Login: MLflow's own users and permissions. Without it whoever reaches the server may do everything.",
        "true",
    ),
    adminUsername: text(
        {
            range: "ASCII without a colon",
            doc: "Name of MLflow's administrator, with mlflowAuth.",
            check: ownUsernameDefect,
        },
        "admin",
    ),
    adminPassword: secret({
        unset: generated,
        range: "at least 12 ASCII characters",
        doc: "Password of adminUsername. Another one takes effect with the next update.",
        check: adminPasswordDefect,
    }),
    defaultPermission: oneOf(
        "What a user may do with what nobody has given him rights to, with mlflowAuth.",
        ["NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE"],
        "NO_PERMISSIONS",
    ),
    publicHost: text({
        unset: "no gateway: MLflow and MinIO are published themselves, without TLS",
        range: "host name or IPv4 address",
        doc:
            "Name by which clients call the platform. A gateway then publishes MLflow, S3 and MinIO's console under it by TLS, on the " +
            "same ports, and they are not published themselves.",
        check: publicHostDefect,
    }),
    tlsCertificateFile: certificates({
        unset: "signed by the stack's own authority (output caCertificate)",
        doc: "Certificate of publicHost, followed by those between it and its authority. Goes together with tlsPrivateKey.",
    }),
    tlsPrivateKey: privateKey({
        unset: "made with the certificate",
        doc: "Private key of tlsCertificateFile (pulumi config set --secret tlsPrivateKey < key.pem).",
    }),
    tlsEmail: text({
        unset: "no ACME",
        range: "e-mail address",
        doc:
            "Gets the certificate of publicHost by ACME (Let's Encrypt), with this address for the account. The authority asks at port 443 " +
            "(mlflowPort 443) or 80 (gatewayHttpPort 80).",
        check: (address) =>
            /^[^@\s]+@[^@\s]+$/.test(address)
                ? undefined
                : `"${address}" is not an e-mail address: set one such as it@example.com`,
    }),
    tlsAcmeDirectory: text({
        unset: "Let's Encrypt",
        range: "https URL",
        doc: "Directory of another ACME authority, with tlsEmail.",
        check: (url) =>
            URL.canParse(url) && url.startsWith("https://")
                ? undefined
                : `"${url}" is not a URL with https: set the directory of the ACME authority`,
    }),
    tlsAcmeCaFile: certificates({
        unset: "public authorities",
        doc: "Authorities that the certificate of the server at tlsAcmeDirectory is checked against.",
    }),
    gatewayHttpPort: integer({
        ...port,
        unset: "no such port; plain HTTP to mlflowPort is redirected anyhow",
        doc: "Published port that redirects plain HTTP to https, with publicHost; 80, usually.",
    }),
    artifactTransfer: oneOf(
        "How clients move artifacts. proxied: through the tracking server, which any client can. presigned: current clients move them " +
            "straight to and from the S3 store, by URLs that the server signs for the address that they reach it at.",
        ["proxied", "presigned"],
        "proxied",
    ),
    artifactTempSize: integer(
        {
            min: 64,
            max: 1048576,
            unit: "MiB",
            doc:
                "Disk space for artifacts on their way through the tracking server. Each is a file there while it lasts: set the largest " +
                "artifact times how many are moved at a time.",
        },
        "10240",
    ),
    pgOwnerUser: text({
        unset: "mlflow_owner; with pgHost it is pgUser",
        doc: "PostgreSQL role that owns the tables and migrates them; the server never gets it.",
        check: postgresNameDefect,
    }),
    pgOwnerPassword: secret({ unset: generated, doc: "Password of pgOwnerUser. With pgHost the two go together." }),
    pgAuthUser: text({
        unset: "mlflow_auth; with pgHost it is pgUser",
        doc: "PostgreSQL role that reads and writes the tables of MLflow's users, and nothing else.",
        check: postgresNameDefect,
    }),
    pgAuthPassword: secret({ unset: generated, doc: "Password of pgAuthUser. With pgHost the two go together." }),
    pgSslMode: text({
        unset: "prefer, with pgHost",
        range: sslModes.join(", "),
        doc:
            "How connections to the PostgreSQL at pgHost are encrypted, as libpq has it: prefer takes TLS where it is offered " +
            "and checks nothing, verify-full checks certificate and name.",
        check: (mode) =>
            sslModes.includes(mode) ? undefined : `"${mode}" is not a mode of libpq: set one of ${sslModes.join(", ")}`,
    }),
    pgCaFile: certificates({
        unset: "public authorities",
        doc: "Authorities that the certificate of the PostgreSQL at pgHost is checked against.",
    }),
    minioCaFile: certificates({
        unset: "public authorities",
        doc: "Authorities that the certificate of the S3 store at minioHost is checked against.",
    }),
    minioRegion: text(
        {
            range: "S3 region name",
            doc: "S3 region: of the MinIO that runs here, or of the bucket at minioHost.",
            check: (region) =>
                /^[a-z0-9-]{1,63}$/.test(region)
                    ? undefined
                    : `"${region}" is not a region's name: set lower-case letters, digits and hyphens, such as us-east-1`,
        },
        "us-east-1",
    ),
    egress: boolean(
        "Whether the tracking server may open connections to anywhere. Only true in this version: a network that lets " +
            "nothing out cannot publish a port either.",
        "true",
    ),
    minioVolumeName: text({
        unset: "<project>-<stack>-minio_data",
        doc: "Name of the volume for MinIO's data, for one that exists already.",
        check: (name) =>
            /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)
                ? undefined
                : `"${name}" is not a volume's name: set letters, digits, dots, hyphens and underscores`,
    }),
    modelServers: servedModels,
    modelServerKey: secret({
        unset: generated,
        range: "at least 32 characters",
        doc: "Key from which the bearer token and the MLflow password of each served model are derived; another one changes them all.",
        check: atLeast(32, "this platform"),
    }),
    packageIndexUrl: secret({
        unset: "settings of the machine that runs the update (PIP_INDEX_URL and the like), else PyPI",
        range: "URL",
        doc: "Package index from which model servers install what models need; the URL may hold a name and a password.",
        check: (url) =>
            URL.canParse(url) && /^https?:/.test(url)
                ? undefined
                : "is not a URL with http or https: set the index's, such as https://pypi.example.com/simple",
    }),
    packageCaFile: certificates({
        unset: "public authorities, and those that the machine that runs the update trusts beside them",
        doc: "Authorities that the package index's certificate is checked against, beside the public ones.",
    }),
    monitorUsername: text({
        unset: "none",
        doc: "MLflow user as whom the monitors of served models work, with mlflowAuth and monitorSchedule.",
        check: ownUsernameDefect,
    }),
    monitorPassword: secret({ unset: "none", doc: "Password of monitorUsername." }),
    monitorProject: text(
        {
            range: "path, relative to the project",
            doc: "MLflow Project whose entry point `monitor` the monitors run; its directory python has the MLproject file.",
        },
        "examples/lifecycle",
    ),
    mlflowImage: image("the tracking server", "images/mlflow"),
    modelImage: image("training, model servers and monitors", "images/mlflow, target model"),
    minioImage: image("MinIO", "images/minio"),
    postgresImage: image("PostgreSQL", "images/postgres"),
    gatewayImage: image("the gateway", "images/gateway"),
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
    gatewayMemory: integer({ ...memory, min: 64, doc: "Memory limit of the gateway; no swap." }, "256"),
    gatewayCpus: cpus("CPU limit of the gateway.", "1"),
    gatewayWaitSeconds: integer(
        {
            ...waitSeconds,
            doc: "How long an update waits for the gateway to be healthy, certificate by ACME included.",
        },
        "300",
    ),
} satisfies Record<string, Key<unknown>>;

/** Keys that mean something only where there is a gateway, beside `publicHost`. */
export const gatewayKeys = [
    "tlsCertificateFile",
    "tlsPrivateKey",
    "tlsEmail",
    "tlsAcmeDirectory",
    "tlsAcmeCaFile",
    "gatewayHttpPort",
    "gatewayImage",
    "gatewayMemory",
    "gatewayCpus",
] as const satisfies readonly (keyof Keys)[];

/** The keys whose value is generated where it is unset. */
export const generatedKeys: readonly string[] = Object.entries<Key<unknown>>(keys).flatMap(([name, { unset }]) =>
    unset === generated ? [name] : [],
);

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
            if (error instanceof Problems) {
                problems.push(...error.list);
            } else {
                problems.push(`${name}: ${(error as Error).message}`);
            }
        }
    }
    const configuration = value as unknown as Configuration;
    return {
        value: configuration,
        problems: [...problems, ...combinationProblems(configuration, (name) => raw.values[name] !== undefined)],
    };
}

/**
 * The secrets that a configuration lacks because of what else it has, such as `pgPassword` with `pgHost`. A preview that has no
 * secrets fills them in.
 */
export function missingSecrets(raw: RawConfiguration): string[] {
    const { problems } = parseConfiguration(raw);
    return Object.entries<Key<unknown>>(keys).flatMap(([name, key]) =>
        key.secret &&
        raw.values[name] === undefined &&
        problems.some((problem) => problem.startsWith(`${name}: is needed `))
            ? [name]
            : [],
    );
}

/** Problems of a database that runs here, or of one that somebody else runs. `isSet` tells also of a key with a problem. */
function databaseProblems(c: Partial<Configuration>, isSet: (name: keyof Keys) => boolean): string[] {
    const problems: string[] = [];
    if (!isSet("pgHost")) {
        for (const name of ["pgUser", "pgDatabase", "pgOwnerUser", "pgAuthUser"] as const) {
            const value = c[name];
            if (value !== undefined && takenPostgresNames.includes(value)) {
                problems.push(`${name}: "${value}" is taken by PostgreSQL or this platform: set another name`);
            }
        }
        const owner = isSet("pgOwnerUser") ? c.pgOwnerUser : defaultOwner;
        if (c.pgUser !== undefined && c.pgUser === owner) {
            problems.push(
                `pgOwnerUser: "${owner}" is also pgUser, which must not own the tables: set two different names`,
            );
        }
        const authUser = isSet("pgAuthUser") ? c.pgAuthUser : defaultAuthUser;
        const same = authUser === c.pgUser ? "pgUser" : authUser === owner ? "pgOwnerUser" : undefined;
        if (authUser !== undefined && same !== undefined) {
            problems.push(
                `pgAuthUser: "${authUser}" is also ${same}, which must not reach the users' tables: set another name`,
            );
        }
        for (const name of (["pgSslMode", "pgCaFile"] as const).filter(isSet)) {
            problems.push(`${name}: is for a PostgreSQL that is not ours: pulumi config rm ${name}, or set pgHost`);
        }
        return problems;
    }
    if (!isSet("pgPassword")) {
        problems.push("pgPassword: is needed with pgHost: pulumi config set --secret pgPassword");
    }
    if (isSet("pgOwnerUser") && !isSet("pgOwnerPassword")) {
        problems.push(
            "pgOwnerPassword: is needed with pgHost and pgOwnerUser: pulumi config set --secret pgOwnerPassword, or " +
                "pulumi config rm pgOwnerUser and pgUser migrates as well",
        );
    }
    if (isSet("pgOwnerPassword") && !isSet("pgOwnerUser")) {
        problems.push("pgOwnerUser: is needed with pgHost and pgOwnerPassword: set the role that owns the tables");
    }
    if (c.pgOwnerUser !== undefined && c.pgOwnerUser === c.pgUser) {
        problems.push(
            `pgOwnerUser: "${c.pgOwnerUser}" is also pgUser: set two different names, or remove pgOwnerUser and ` +
                "pgOwnerPassword and pgUser does both",
        );
    }
    for (const [set, missing, secretFlag] of [
        ["pgAuthUser", "pgAuthPassword", "--secret "],
        ["pgAuthPassword", "pgAuthUser", ""],
    ] as const) {
        if (isSet(set) && !isSet(missing)) {
            problems.push(`${missing}: is needed with pgHost and ${set}: pulumi config set ${secretFlag}${missing}`);
        }
    }
    const owner = c.pgOwnerUser ?? c.pgUser;
    if (c.pgAuthUser !== undefined && [c.pgUser, owner].includes(c.pgAuthUser)) {
        problems.push(
            `pgAuthUser: "${c.pgAuthUser}" is also ${c.pgAuthUser === c.pgUser ? "pgUser" : "pgOwnerUser"}: set another name, or remove ` +
                "pgAuthUser and pgAuthPassword and pgUser does both",
        );
    }
    const mode = isSet("pgSslMode") ? c.pgSslMode : "prefer";
    if (mode === "verify-ca" && !isSet("pgCaFile")) {
        problems.push(
            "pgCaFile: is needed with pgSslMode verify-ca: set the authority's PEM file, or pgSslMode verify-full",
        );
    }
    if (isSet("pgCaFile") && mode !== undefined && !mode.startsWith("verify-")) {
        problems.push(`pgCaFile: nothing is checked against it with pgSslMode ${mode}: set pgSslMode verify-full`);
    }
    return [...problems, ...unusedProblems(c, ["postgresImage", "pgMemory", "pgCpus"], "the PostgreSQL", "pgHost")];
}

/** Problems of keys that only mean something to what runs here, where a host names somebody else's. */
function unusedProblems(
    c: Partial<Configuration>,
    names: readonly (keyof Keys)[],
    what: string,
    host: "pgHost" | "minioHost",
): string[] {
    return names
        .filter((name) => differs(c, name))
        .map((name) => `${name}: is for ${what} that runs here, and ${host} names another: pulumi config rm ${name}`);
}

/** Whether a key has another value than where it is unset. Every stack has the defaults, whether it has set them or not. */
function differs(c: Partial<Configuration>, name: keyof Keys): boolean {
    const key: Key<unknown> = keys[name];
    return c[name] !== undefined && c[name] !== (key.default === undefined ? undefined : key.parse(key.default));
}

/** Problems of a store that runs here, or of one that somebody else runs. */
function storeProblems(c: Partial<Configuration>, isSet: (name: keyof Keys) => boolean): string[] {
    const problems: string[] = [];
    if (!isSet("minioHost")) {
        for (const [name, defect] of [
            ["minioAccessKey", accessKeyDefect],
            ["minioSecretAccessKey", secretAccessKeyDefect],
        ] as const) {
            const value = c[name];
            const found = value === undefined ? undefined : defect(value);
            if (found !== undefined) {
                problems.push(`${name}: ${found}`);
            }
        }
        if (isSet("minioCaFile")) {
            problems.push(
                "minioCaFile: is for an S3 store that is not ours: pulumi config rm minioCaFile, or set minioHost",
            );
        }
        if (isSet("minioVolumePath") && isSet("minioVolumeName")) {
            problems.push("minioVolumePath: stands beside minioVolumeName, and data has one place: remove one of them");
        }
        if (c.minioRootUser !== undefined && c.minioRootUser === c.minioAccessKey) {
            problems.push("minioAccessKey: is also minioRootUser, which MLflow must not get: set two different names");
        }
        return problems;
    }
    for (const [name, flag] of [
        ["minioAccessKey", ""],
        ["minioSecretAccessKey", "--secret "],
    ] as const) {
        if (!isSet(name)) {
            problems.push(`${name}: is needed with minioHost: pulumi config set ${flag}${name}`);
        }
    }
    if (isSet("minioCaFile") && c.minioStorageUseHttps === false) {
        problems.push("minioCaFile: there is no certificate to check without TLS: set minioStorageUseHttps true");
    }
    const ours = [
        "minioVolumePath",
        "minioVolumeName",
        "minioRootUser",
        "minioRootPassword",
        "minioImage",
        "minioMemory",
        "minioCpus",
        "minioConsoleAddress",
    ] as const;
    return [...problems, ...unusedProblems(c, ours, "the MinIO", "minioHost")];
}

/** Whether an address is reached from this host alone. */
export function isLoopback(address: string): boolean {
    return address.startsWith("127.");
}

/** Problems of the way in: what is published to whom, and the gateway with its certificate. */
function accessProblems(c: Partial<Configuration>, isSet: (name: keyof Keys) => boolean): string[] {
    const problems: string[] = [];
    const { bindAddress } = c;
    if (bindAddress !== undefined && !isLoopback(bindAddress) && c.allowInsecureExposure === false) {
        const missing = [
            ...(c.mlflowAuth === false ? ["login (mlflowAuth true)"] : []),
            ...(isSet("publicHost") ? [] : ["TLS (publicHost)"]),
        ];
        if (missing.length > 0) {
            problems.push(
                `bindAddress: ${bindAddress} lets other machines in, and everybody who reaches it could read or take over what is ` +
                    `here: set ${missing.join(" and ")}, or 127.0.0.1 and reach it by an SSH tunnel; allowInsecureExposure true ` +
                    "lets it be so all the same",
            );
        }
    }
    if (!isSet("publicHost")) {
        return [
            ...problems,
            ...gatewayKeys
                .filter((name) => differs(c, name))
                .map(
                    (name) =>
                        `${name}: is for the gateway, which runs with publicHost: set that, or pulumi config rm ${name}`,
                ),
        ];
    }
    for (const key of ["pgHost", "minioHost"] as const) {
        if (c.publicHost !== undefined && c[key]?.toLowerCase() === c.publicHost) {
            problems.push(
                `publicHost: "${c.publicHost}" is also ${key}, and on the stack's network it is the gateway: set two different names`,
            );
        }
    }
    for (const [set, missing, command] of [
        ["tlsCertificateFile", "tlsPrivateKey", "pulumi config set --secret tlsPrivateKey < key.pem"],
        ["tlsPrivateKey", "tlsCertificateFile", "set the path of its certificate"],
        ["tlsAcmeDirectory", "tlsEmail", "set the account's address"],
        ["tlsAcmeCaFile", "tlsAcmeDirectory", "set the ACME authority's directory"],
    ] as const) {
        if (isSet(set) && !isSet(missing)) {
            problems.push(`${missing}: is needed with ${set}: ${command}`);
        }
    }
    if (isSet("tlsEmail")) {
        if (isSet("tlsCertificateFile")) {
            problems.push(
                "tlsEmail: stands beside tlsCertificateFile, and there is one certificate: remove one of them",
            );
        }
        if (c.publicHost !== undefined && (isIPv4(c.publicHost) || !c.publicHost.includes("."))) {
            problems.push(
                `tlsEmail: no authority signs for "${c.publicHost}" by ACME: set publicHost to a name that it can look up, or pulumi ` +
                    "config rm tlsEmail",
            );
        }
        const httpPort = isSet("gatewayHttpPort") ? c.gatewayHttpPort : 0;
        if (c.mlflowPort !== undefined && c.mlflowPort !== 443 && httpPort !== undefined && httpPort !== 80) {
            problems.push(
                "tlsEmail: the authority asks at port 443 or 80, and neither is published: set mlflowPort 443 or gatewayHttpPort 80",
            );
        }
    }
    return [...problems, ...givenCertificateProblems(c)];
}

/** Problems of a given certificate: whether it is the key's, is for this name, and is good today. */
export function givenCertificateProblems({
    tlsCertificateFile,
    tlsPrivateKey,
    publicHost,
}: Partial<Configuration>): string[] {
    if (tlsCertificateFile === undefined) {
        return [];
    }
    const certificate = new X509Certificate(tlsCertificateFile);
    const found = isIPv4(publicHost ?? "")
        ? certificate.checkIP(publicHost ?? "")
        : // Clients no longer look at the subject.
          certificate.checkHost(publicHost ?? "", { subject: "never" });
    return [
        ...(tlsPrivateKey !== undefined && !certificate.checkPrivateKey(createPrivateKey(tlsPrivateKey))
            ? [
                  "tlsPrivateKey: is not that of the first certificate in tlsCertificateFile: set the two that belong together",
              ]
            : []),
        ...(publicHost !== undefined && found === undefined
            ? [
                  `tlsCertificateFile: is not for "${publicHost}" but for ${certificate.subjectAltName ?? "no name"}: set publicHost to ` +
                      "one of these, or another certificate",
              ]
            : []),
        ...(new Date(certificate.validTo) < new Date()
            ? [`tlsCertificateFile: has not been valid since ${certificate.validTo}: set a new one`]
            : []),
        ...(new Date(certificate.validFrom) > new Date()
            ? [`tlsCertificateFile: is not valid before ${certificate.validFrom}: set one that is`]
            : []),
    ];
}

/** Problems of the monitors of served models. */
function monitorProblems(c: Partial<Configuration>, isSet: (name: keyof Keys) => boolean): string[] {
    const problems: string[] = [];
    const scheduled = c.modelServers?.find(({ monitorSchedule }) => monitorSchedule !== undefined);
    if (scheduled !== undefined && c.mlflowAuth === true) {
        for (const [key, flag] of [
            ["monitorUsername", ""],
            ["monitorPassword", "--secret "],
        ] as const) {
            if (!isSet(key)) {
                problems.push(
                    `${key}: is needed with login and monitorSchedule, which "${scheduled.name}" has: pulumi config set ${flag}${key}, ` +
                        "after npm run user -- add",
                );
            }
        }
    }
    if (scheduled !== undefined && c.monitorProject !== undefined) {
        const file = join(c.monitorProject, "python", "MLproject");
        if (!existsSync(file)) {
            problems.push(`monitorProject: there is no ${file}: set the directory of an MLflow Project that has one`);
        }
    }
    return problems;
}

/** Problems between keys. A key that has a problem of its own is absent from `c`. */
function combinationProblems(c: Partial<Configuration>, isSet: (name: keyof Keys) => boolean): string[] {
    const problems = [...databaseProblems(c, isSet), ...storeProblems(c, isSet), ...accessProblems(c, isSet)];
    if (c.egress === false) {
        problems.push(
            "egress: false is not supported in this version: a network that lets nothing out cannot publish the tracking " +
                "server's port; set true, and limit what goes out by the host's firewall",
        );
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
    problems.push(...monitorProblems(c, isSet));
    const published = Object.entries(publishedPorts(c, isSet("minioHost")));
    for (const [index, [name, number]] of published.entries()) {
        const other = published.slice(0, index).find(([, earlier]) => earlier === number);
        if (other !== undefined) {
            problems.push(`${name}: port ${number} is also that of ${other[0]}: set two different ports`);
        }
    }
    if (
        !isSet("minioHost") &&
        c.minioConsoleAddress !== undefined &&
        portOf(c.minioConsoleAddress) === 9000 &&
        c.minioPort !== 9000
    ) {
        problems.push("minioConsoleAddress: port 9000 is MinIO's S3 port on the stack's network: set another one");
    }
    return problems;
}

/** Port number of an address such as `:9001`. */
export function portOf(address: string): number {
    return Number(address.slice(address.lastIndexOf(":") + 1));
}

/** The ports that the platform publishes on `bindAddress`, by the key that sets each; the store's only where it runs here. */
export function publishedPorts(
    c: Partial<Configuration>,
    otherStore = c.minioHost !== undefined,
): Record<string, number> {
    const ours = !otherStore;
    return {
        ...(c.mlflowPort === undefined ? {} : { mlflowPort: c.mlflowPort }),
        ...(c.gatewayHttpPort === undefined ? {} : { gatewayHttpPort: c.gatewayHttpPort }),
        ...(ours && c.minioPort !== undefined ? { minioPort: c.minioPort } : {}),
        ...(ours && c.minioConsoleAddress !== undefined ? { minioConsoleAddress: portOf(c.minioConsoleAddress) } : {}),
        ...Object.fromEntries((c.modelServers ?? []).map(({ port }, index) => [`modelServers[${index}].port`, port])),
    };
}

/** One error text for a list of problems. */
export function problemText(stack: string, problems: readonly string[]): string {
    return `the configuration of stack "${stack}" has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n${problems
        .map((problem) => `  ${problem}`)
        .join("\n")}`;
}

/** Characters that a stack's name may have: a service's name, `<project>-<stack>-postgres`, is one label of DNS, which has 63. */
export function longestStackName(project: string): number {
    return 63 - `${project}--postgres`.length;
}

/** What is wrong with a stack's configuration as far as the keys and the last update know it. */
export function keyProblems(
    raw: RawConfiguration,
    last: LastUpdate,
    { project, stack }: { project: string; stack: string },
): { value: Configuration; problems: string[] } {
    const { value, problems } = parseConfiguration(raw);
    const longest = longestStackName(project);
    return {
        value,
        problems: [
            ...(stack.length > longest
                ? [
                      `stack name: "${stack}" has ${stack.length} characters, and its containers' names would be too long for ` +
                          `DNS: use one of at most ${longest} (pulumi stack rename)`,
                  ]
                : []),
            ...problems,
            ...partingProblems(value, (name) => raw.values[name] !== undefined, last, { project, stack }),
        ],
    };
}

/** Everything that is wrong with a stack's configuration, whoever knows it: the keys, the last update, the engine's host. */
export async function configurationProblems(
    raw: RawConfiguration,
    last: LastUpdate,
    asker: { project: string; stack: string; engine: string | undefined },
): Promise<{ value: Configuration; problems: string[] }> {
    const { value, problems } = keyProblems(raw, last, asker);
    return {
        value,
        problems: [...problems, ...(await hostProblems(value, asker, raw.values.minioHost !== undefined))],
    };
}

/** Reads the running program's configuration. Throws one error that lists every problem. */
export async function readConfiguration(last: LastUpdate): Promise<Configuration> {
    const project = pulumi.getProject();
    const stack = pulumi.getStack();
    const prefix = `${project}:`;
    const all = pulumi.runtime.allConfig() as Record<string, string>;
    const own = Object.entries(all).filter(([name]) => name.startsWith(prefix));
    // Which keys are secret is in the SDK's runtime but not in its published types.
    const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret: (key: string) => boolean };
    const { value, problems } = await configurationProblems(
        {
            values: Object.fromEntries(own.map(([name, text]) => [name.slice(prefix.length), text])),
            secrets: new Set(own.filter(([name]) => isConfigSecret(name)).map(([name]) => name.slice(prefix.length))),
            baseImage: process.env.MLFLOW_PLATFORM_BASE_IMAGE,
        },
        last,
        { project, stack, engine: all["docker:host"] ?? process.env.DOCKER_HOST },
    );
    if (problems.length > 0) {
        throw new UpdateError(problemText(stack, problems));
    }
    return value;
}
