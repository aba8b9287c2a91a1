import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import fc from "fast-check";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
    type Configuration,
    type Key,
    type RawConfiguration,
    bucketNameDefect,
    configurationProblems,
    defaultAuthUser,
    defaultOwner,
    generatedKeys,
    hostDefect,
    imageReferenceDefect,
    isLoopback,
    keys,
    longestStackName,
    parseConfiguration,
    portOf,
    postgresNameDefect,
    problemText,
    publicHostDefect,
    publishedPorts,
    readConfiguration,
    usernameDefect,
} from "../../config.ts";
import type { LastUpdate } from "../../lastUpdate.ts";
import { type ServedModel, parseServedModels } from "../../servedModels.ts";
import { UpdateError } from "../../updateError.ts";
import { issueCertificate, makeAuthority } from "../../components/certificates.ts";
import { authorities, certificateWithSubject, givenCertificate } from "./support/certificates.ts";
import { Commands } from "./support/commands.ts";
import { project, record, stack } from "./support/recording.ts";

const directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
afterAll(() => {
    rmSync(directory, { recursive: true });
});
/** A file with that content. */
function fileOf(name: string, content: string): string {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
}
const authority = fileOf("authority.pem", authorities.one);

const names = Object.keys(keys) as (keyof Configuration)[];
const secretNames = [
    "minioSecretAccessKey",
    "pgPassword",
    "minioRootPassword",
    "adminPassword",
    "tlsPrivateKey",
    "pgOwnerPassword",
    "pgAuthPassword",
    "modelServerKey",
    "packageIndexUrl",
    "monitorPassword",
];

/** Parses with every key that must be a secret being one. */
function parse(values: Record<string, string>, baseImage?: string) {
    return parseConfiguration({ values, secrets: new Set(secretNames), baseImage });
}
const problemsOf = (values: Record<string, string>) => parse(values).problems;

const bucketHint = "set 3 to 63 lower-case letters, digits, dots and hyphens, such as mlflow";
const imageHint = "is not an image reference: set one such as registry.example.com/mlflow:3.17.2";
const ownHint = "is a container's own address inside that container: set host.docker.internal for the engine's host";
const hostHint = (key: string) =>
    `is not a host's name or address: set one such as db.example.com, without a scheme; the port is ${key}`;
const consoleHint = (port: string) =>
    "names a host: inside the stack's network the console listens on every address; " +
    `set :${port} here, and bindAddress for where it is published`;

/** One key: the value when unset, texts that it takes with their values, texts that it refuses with the reason. */
interface Row {
    default: string | number | boolean | undefined;
    takes: Record<string, string | number | boolean>;
    refuses: Record<string, string>;
}

// What every text refuses.
const texts = {
    "": "is empty: set a value or remove the key",
    "a\nb": "contains a control character: use printable characters only",
    "a\u0000b": "contains a control character: use printable characters only",
    "a\u007fb": "contains a control character: use printable characters only",
    " abcdefgh": "begins or ends with a blank: remove it",
    "abcdefgh ": "begins or ends with a blank: remove it",
};

const wholeNumber = (from: number, to: number): Record<string, string> =>
    Object.fromEntries(
        ["", "abc", "1.5", "-1", "+1", "0x1f4", "1e3", " 500", "9999999999", String(from - 1), String(to + 1)].map(
            (text) => [text, `"${text}" is not a whole number from ${from} to ${to}`],
        ),
    );
const port = (value: number): Row => ({
    default: value,
    takes: { "1": 1, "65535": 65535, "5001": 5001, "00443": 443 },
    refuses: wholeNumber(1, 65535),
});
const seconds = (value: number): Row => ({
    default: value,
    takes: { "10": 10, "7200": 7200 },
    refuses: wholeNumber(10, 7200),
});
const memory = (value: number, least: number): Row => ({
    default: value,
    takes: { [String(least)]: least, "1048576": 1048576 },
    refuses: wholeNumber(least, 1048576),
});
const cpus = (value: number): Row => ({
    default: value,
    takes: { "0.1": 0.1, "0.25": 0.25, "1": 1, "1.50": 1.5, "9.9": 9.9 },
    refuses: Object.fromEntries(
        ["", "0", "0.05", "0.099", "10", "1,5", ".5", "1.", "-1", "two", "1e0", "1.555"].map((text) => [
            text,
            `"${text}" is not a number of CPUs from 0.1 to 9.9, such as 1.5`,
        ]),
    ),
});
const atLeast = (length: number, who = "MinIO"): Record<string, string> => ({
    ...texts,
    [".".repeat(length - 1)]: `has ${length - 1} characters: ${who} needs at least ${length}`,
});
/** Hosts that are refused, but for those that are no text at all. `portKey` is the key of the port beside it. */
const noHosts = (portKey: string): Record<string, string> =>
    Object.fromEntries<string>([
        ...["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "127.1", "::1", "0.0.0.0"].map(
            (host) => [host, `"${host}" ${ownHint}`] as const,
        ),
        ...["::", "fe80::1", "2001:db8::1", "::ffff:10.0.0.5"].map(
            (host) => [host, `"${host}" is an IPv6 address: set a name that stands for it`] as const,
        ),
        ...[
            "http://db.example.com",
            "https://s3.example.com/",
            "db.example.com:5432",
            "db.example.com/mlflow",
            "ana@db.example.com",
            "[::1]",
            "db.example.com.",
            ".example.com",
            "db..example.com",
            "-db",
            "db-",
            "db.-example.com",
            "db-.example.com",
            "d b",
            "db_1",
            "dü",
            "256.0.0.1",
            "10.0.0",
            "10.0.0.0.5",
            "010.0.0.5",
            "db.5",
            "*",
            `${"a".repeat(50)}.`.repeat(5).slice(0, -1),
            "a".repeat(64),
            `db.${"a".repeat(64)}.example.com`,
            // Other ways to write an address, as a resolver takes them.
            "0",
            "5",
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "0x7f.1",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "db.0x1",
            "db.0x",
            // Says that it is a name in other letters, and is none.
            "xn--a",
            "db.xn--a.example.com",
        ].map((host) => [host, `"${host}" ${hostHint(portKey)}`] as const),
    ]);
const host = (portKey: string): Row => ({
    default: undefined,
    takes: Object.fromEntries(
        [
            "db",
            "db.example.com",
            "DB-1.Example.com",
            "4.example.com",
            "10.0.0.5",
            "255.255.255.255",
            "host.docker.internal",
            "HOST.Docker.Internal",
            "0x7f000001.example.com",
            "db.0xg",
            "xn--mnchen-3ya.example.com",
            `${"a".repeat(63)}.example.com`,
            `${"a".repeat(49)}.`.repeat(5) + "abc",
        ].map((name) => [name, name]),
    ),
    refuses: { ...texts, ...noHosts(portKey) },
});
const role = (value: string | undefined): Row => ({
    default: value,
    takes: { "tracking user": "tracking user", ü: "ü", pgx: "pgx", [`${"r".repeat(61)}ü`]: `${"r".repeat(61)}ü` },
    refuses: {
        ...texts,
        ["r".repeat(64)]: `"${"r".repeat(64)}" is longer than PostgreSQL's 63 bytes: set a shorter name`,
        ["ü".repeat(32)]: `"${"ü".repeat(32)}" is longer than PostgreSQL's 63 bytes: set a shorter name`,
        pg_mine: '"pg_mine" begins with pg_, which PostgreSQL reserves: set another name',
        PG_mine: '"PG_mine" begins with pg_, which PostgreSQL reserves: set another name',
        ...Object.fromEntries(
            [
                "postgres",
                "public",
                "none",
                "template0",
                "template1",
                "mlflow_platform_owner",
                "mlflow_platform_server",
                "mlflow_platform_auth",
            ].map((name) => [name, `"${name}" is taken by PostgreSQL or this platform: set another name`]),
        ),
    },
});
const notBoolean: Record<string, string> = Object.fromEntries(
    ["", "yes", "TRUE", "1", " true"].map((text) => [text, `"${text}" is neither true nor false`]),
);
const digest = "0123456789abcdef".repeat(4);
const image: Row = {
    default: undefined,
    takes: Object.fromEntries(
        [
            "mlflow",
            "mlflow:3.17.2",
            "registry.example.com/team/mlflow:3.17.2",
            "localhost:5000/mlflow",
            "[::1]:5000/mlflow",
            `mlflow@sha256:${digest}`,
            `ghcr.io/mlflow/mlflow:v3@sha256:${digest}`,
            `sha256:${digest}`,
            "a__b/c-d.e:T",
            `mlflow:${"t".repeat(128)}`,
        ].map((reference) => [reference, reference]),
    ),
    refuses: {
        ...texts,
        ...Object.fromEntries(
            [
                "Mlflow",
                "my image",
                "mlflow:",
                "mlflow@sha256:12",
                "/mlflow",
                "team//mlflow",
                "https://registry.example.com/mlflow",
                `mlflow:${"t".repeat(129)}`,
                "mlflow:.x",
                "-mlflow",
                "mlflow-",
                `sha512:${digest}0`.repeat(3),
            ].map((reference) => [reference, `"${reference}" ${imageHint}`]),
        ),
    },
};

const oneOf = (value: string, values: string[], others: string[]): Row => ({
    default: value,
    takes: Object.fromEntries(values.map((text) => [text, text])),
    refuses: {
        ...texts,
        ...Object.fromEntries(others.map((text) => [text, `"${text}" is not one of ${values.join(", ")}`])),
    },
});
const yesOrNo = (value: boolean): Row => ({
    default: value,
    takes: { true: true, false: false },
    refuses: notBoolean,
});
const username = (value: string | undefined): Row => ({
    default: value,
    takes: Object.fromEntries(
        ["Ana Maria", "a", "ana@example.com", "$(a)'\"~", "u".repeat(255)].map((name) => [name, name]),
    ),
    refuses: {
        ...texts,
        ...Object.fromEntries(
            ["a:b", ":", "u".repeat(256), "Müller", "a\u0080b", "名"].map((name) => [
                name,
                `"${name}" is not of 1 to 255 ASCII characters without a colon: set another name`,
            ]),
        ),
    },
});
const publicHostHint =
    "is not a host's name in lower case or an IPv4 address: set one such as mlflow.example.com, without scheme and port";
const noList = "is not a list: pulumi config set --path 'modelServers[0].name' <name>";
const notAKey =
    "is not a private key in PEM form without a passphrase: pulumi config set --secret tlsPrivateKey < key.pem";

const table: Record<keyof Configuration, Row> = {
    mlflowPort: port(5000),
    minioAccessKey: {
        default: undefined,
        takes: { abc: "abc", "a b": "a b", ["k".repeat(20)]: "k".repeat(20) },
        refuses: {
            ...texts,
            ab: '"ab" has 2 characters: set 3 to 20',
            ["k".repeat(21)]: `"${"k".repeat(21)}" has 21 characters: set 3 to 20`,
            "a=b": '"a=b" contains = or a comma, which MinIO refuses: set another key',
            "a,b": '"a,b" contains = or a comma, which MinIO refuses: set another key',
        },
    },
    minioSecretAccessKey: {
        default: undefined,
        takes: { "12345678": "12345678", ["s".repeat(40)]: "s".repeat(40) },
        refuses: {
            ...texts,
            "1234567": "has 7 characters: set 8 to 40",
            ["s".repeat(41)]: "has 41 characters: set 8 to 40",
        },
    },
    minioHost: host("minioPort"),
    minioPort: port(9000),
    pgUser: role("mlflow"),
    pgPassword: { default: undefined, takes: { x: "x", "p ä'\\:@/": "p ä'\\:@/" }, refuses: texts },
    pgHost: host("pgPort"),
    pgPort: port(5432),
    pgDatabase: role("mlflow"),
    mlflowBucketName: {
        default: "mlflow",
        takes: {
            abc: "abc",
            "my.bucket-1": "my.bucket-1",
            ["b".repeat(63)]: "b".repeat(63),
            "1.2.3": "1.2.3",
            "a--b": "a--b",
        },
        refuses: {
            ...texts,
            ab: `"ab" has 2 characters: ${bucketHint}`,
            ["b".repeat(64)]: `"${"b".repeat(64)}" has 64 characters: ${bucketHint}`,
            MLflow: `"MLflow" contains other characters than those allowed: ${bucketHint}`,
            my_bucket: `"my_bucket" contains other characters than those allowed: ${bucketHint}`,
            bücket: `"bücket" contains other characters than those allowed: ${bucketHint}`,
            "a/b": `"a/b" contains other characters than those allowed: ${bucketHint}`,
            "-bucket": `"-bucket" does not begin and end with a letter or digit: ${bucketHint}`,
            "bucket-": `"bucket-" does not begin and end with a letter or digit: ${bucketHint}`,
            ".bucket": `".bucket" does not begin and end with a letter or digit: ${bucketHint}`,
            "bucket.": `"bucket." does not begin and end with a letter or digit: ${bucketHint}`,
            "a..b": `"a..b" has a dot beside a dot or hyphen: ${bucketHint}`,
            "a.-b": `"a.-b" has a dot beside a dot or hyphen: ${bucketHint}`,
            "a-.b": `"a-.b" has a dot beside a dot or hyphen: ${bucketHint}`,
            "192.168.5.4": `"192.168.5.4" looks like an IP address: ${bucketHint}`,
            "999.0.0.1": `"999.0.0.1" looks like an IP address: ${bucketHint}`,
            "xn--a": '"xn--a" uses "xn--", which S3 reserves: set another name',
            "sthree-a": '"sthree-a" uses "sthree-", which S3 reserves: set another name',
            "amzn-s3-demo-a": '"amzn-s3-demo-a" uses "amzn-s3-demo-", which S3 reserves: set another name',
            "a-s3alias": '"a-s3alias" uses "-s3alias", which S3 reserves: set another name',
            "a--ol-s3": '"a--ol-s3" uses "--ol-s3", which S3 reserves: set another name',
            "a.mrap": '"a.mrap" uses ".mrap", which S3 reserves: set another name',
            "a--x-s3": '"a--x-s3" uses "--x-s3", which S3 reserves: set another name',
            "a--table-s3": '"a--table-s3" uses "--table-s3", which S3 reserves: set another name',
        },
    },
    minioVolumePath: {
        default: undefined,
        takes: { "/srv/minio": "/srv/minio" },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["srv/minio", "./data", "minio_data", "~/minio"].map((path) => [
                    path,
                    `"${path}" is not an absolute path of a directory, without colons: set one such as /srv/minio, or minioVolumeName for a named volume`,
                ]),
            ),
        },
    },
    minioConsoleAddress: {
        default: ":9001",
        takes: { ":1": ":1", ":65535": ":65535", "0.0.0.0:9002": "0.0.0.0:9002", "[::]:9002": "[::]:9002" },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["9001", ":", ":0", ":65536", ":123456", ":9001x", "localhost"].map((address) => [
                    address,
                    `"${address}" is not an address with a port: set one such as :9001`,
                ]),
            ),
            "127.0.0.1:9001": `"127.0.0.1:9001" ${consoleHint("9001")}`,
            "minio:9002": `"minio:9002" ${consoleHint("9002")}`,
            "::9003": `"::9003" ${consoleHint("9003")}`,
        },
    },
    minioRootUser: { default: undefined, takes: { abc: "abc" }, refuses: atLeast(3) },
    minioRootPassword: { default: undefined, takes: { "12345678": "12345678" }, refuses: atLeast(8) },
    minioStorageUseHttps: yesOrNo(false),
    bindAddress: {
        default: "127.0.0.1",
        // Addresses that other machines reach are further below.
        takes: { "127.0.0.2": "127.0.0.2", "127.1.2.3": "127.1.2.3" },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["::", "::1", "localhost", "127.0.0.1.example.com", "127.999.0.1", "1127.0.0.1", "127.0.1", "*"].map(
                    (address) => [address, `"${address}" is not an IPv4 address: set one such as 127.0.0.1 or 0.0.0.0`],
                ),
            ),
        },
    },
    allowInsecureExposure: yesOrNo(false),
    mlflowAuth: yesOrNo(true),
    adminUsername: username("admin"),
    adminPassword: {
        default: undefined,
        takes: { "123456789012": "123456789012", "p:w d'\"\\$%~!": "p:w d'\"\\$%~!" },
        refuses: {
            ...atLeast(12, "MLflow"),
            ...Object.fromEntries(
                ["pässword long enough", "long enough for €", "ü"].map((word) => [
                    word,
                    "contains other characters than those of ASCII, which MLflow does not read everywhere: set another one",
                ]),
            ),
        },
    },
    defaultPermission: oneOf(
        "NO_PERMISSIONS",
        ["NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE"],
        ["read", "NONE", "ADMIN", "READ, EDIT"],
    ),
    publicHost: {
        default: undefined,
        takes: Object.fromEntries(
            ["mlflow.example.com", "ml", "localhost", "127.0.0.1", "10.0.0.5", "4.example.com", "s3.example.com"].map(
                (name) => [name, name],
            ),
        ),
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["postgres", "minio", "s3", "mlflow", "gateway", "host.docker.internal"].map((name) => [
                    name,
                    `"${name}" has a meaning of its own on the stack's network: set the name that clients use, such as mlflow.example.com`,
                ]),
            ),
            ...Object.fromEntries(
                [
                    "https://mlflow.example.com",
                    "mlflow.example.com:443",
                    "mlflow.example.com/",
                    "mlflow.example.com.",
                    "*.example.com",
                    "MLflow.example.com",
                    "ml_flow",
                    "mlflow ui",
                    "0.0.0.0",
                    "::1",
                    "[::1]",
                    "010.0.0.5",
                    "2130706433",
                    "xn--a",
                    "$(id).example.com",
                    `${"a".repeat(64)}.example.com`,
                ].map((name) => [name, `"${name}" ${publicHostHint}`]),
            ),
        },
    },
    // The files, and keys in other forms, are further below.
    tlsCertificateFile: { default: undefined, takes: {}, refuses: texts },
    tlsPrivateKey: {
        default: undefined,
        takes: {},
        refuses: Object.fromEntries(
            [
                "",
                "key.pem",
                "hunter2",
                "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
                authorities.one,
            ].map((text) => [text, notAKey]),
        ),
    },
    tlsEmail: {
        default: undefined,
        takes: { "it@example.com": "it@example.com", "a+b@c": "a+b@c" },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["it", "@example.com", "it@", "a@b@c", "it at@example.com", "it@example .com"].map((address) => [
                    address,
                    `"${address}" is not an e-mail address: set one such as it@example.com`,
                ]),
            ),
        },
    },
    tlsAcmeDirectory: {
        default: undefined,
        takes: Object.fromEntries(
            ["https://ca.example.com/acme/directory", "https://10.0.0.5:9000/acme"].map((url) => [url, url]),
        ),
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["http://ca.example.com/acme", "ca.example.com", "https://", "https:// a", "ftp://ca.example.com"].map(
                    (url) => [url, `"${url}" is not a URL with https: set the directory of the ACME authority`],
                ),
            ),
        },
    },
    tlsAcmeCaFile: { default: undefined, takes: {}, refuses: texts },
    gatewayHttpPort: { ...port(0), default: undefined },
    artifactTransfer: oneOf("proxied", ["proxied", "presigned"], ["Presigned", "direct", "true"]),
    artifactTempSize: {
        default: 10240,
        takes: { "64": 64, "1048576": 1048576 },
        refuses: wholeNumber(64, 1048576),
    },
    pgOwnerUser: role(undefined),
    pgOwnerPassword: { default: undefined, takes: { x: "x" }, refuses: texts },
    pgAuthUser: role(undefined),
    pgAuthPassword: { default: undefined, takes: { x: "x" }, refuses: texts },
    pgSslMode: {
        default: undefined,
        takes: Object.fromEntries(
            ["disable", "prefer", "require", "verify-ca", "verify-full"].map((mode) => [mode, mode]),
        ),
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["allow", "verify_full", "Prefer", "true"].map((mode) => [
                    mode,
                    `"${mode}" is not a mode of libpq: set one of disable, prefer, require, verify-ca, verify-full`,
                ]),
            ),
        },
    },
    // Their files are further below.
    pgCaFile: { default: undefined, takes: {}, refuses: texts },
    minioCaFile: { default: undefined, takes: {}, refuses: texts },
    minioRegion: {
        default: "us-east-1",
        takes: { "eu-central-1": "eu-central-1", garage: "garage", ["r".repeat(63)]: "r".repeat(63) },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["EU", "eu_central_1", "eu.central", "r".repeat(64), "é"].map((region) => [
                    region,
                    `"${region}" is not a region's name: set lower-case letters, digits and hyphens, such as us-east-1`,
                ]),
            ),
        },
    },
    egress: {
        default: true,
        takes: { true: true },
        refuses: {
            ...notBoolean,
            false:
                "false is not supported in this version: a network that lets nothing out cannot publish the tracking " +
                "server's port; set true, and limit what goes out by the host's firewall",
        },
    },
    minioVolumeName: {
        default: undefined,
        takes: { my_data: "my_data", "0.a-b": "0.a-b" },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                ["a", "-ab", "_ab", "a/b", "/srv/minio", "a b", "ä1", "a:b"].map((name) => [
                    name,
                    `"${name}" is not a volume's name: set letters, digits, dots, hyphens and underscores`,
                ]),
            ),
        },
    },
    // What entries hold is in servedModels.test.ts, and what they give is further below.
    modelServers: {
        default: undefined,
        takes: {},
        refuses: Object.fromEntries(["", "iris", "[", "{}", '"iris"', "null"].map((text) => [text, noList])),
    },
    modelServerKey: {
        default: undefined,
        takes: { ["k".repeat(32)]: "k".repeat(32), ["k ä".repeat(20)]: "k ä".repeat(20) },
        refuses: atLeast(32, "this platform"),
    },
    packageIndexUrl: {
        default: undefined,
        takes: Object.fromEntries(
            [
                "https://pypi.example.com/simple",
                "http://10.0.0.5:8080/simple/",
                "https://ana:hunter2@pypi.example.com/simple",
            ].map((url) => [url, url]),
        ),
        refuses: {
            ...texts,
            // It may hold a password, and is not repeated.
            ...Object.fromEntries(
                [
                    "pypi.example.com/simple",
                    "https://",
                    "ftp://pypi.example.com",
                    "file:///srv/simple",
                    "https:// a",
                ].map((url) => [
                    url,
                    "is not a URL with http or https: set the index's, such as https://pypi.example.com/simple",
                ]),
            ),
        },
    },
    packageCaFile: { default: undefined, takes: {}, refuses: texts },
    monitorUsername: username(undefined),
    monitorPassword: { default: undefined, takes: { x: "x", "p ä'%\\:@/": "p ä'%\\:@/" }, refuses: texts },
    // Whether there is one is looked at where a monitor needs it.
    monitorProject: {
        default: "examples/lifecycle",
        takes: { "../projects/drift": "../projects/drift", "/srv/drift": "/srv/drift" },
        refuses: texts,
    },
    mlflowImage: image,
    modelImage: image,
    minioImage: image,
    postgresImage: image,
    gatewayImage: image,
    baseImage: image,
    mlflowWorkers: { default: 2, takes: { "1": 1, "5": 5 }, refuses: wholeNumber(1, 32) },
    mlflowMemory: memory(2048, 768),
    mlflowCpus: cpus(2),
    mlflowWaitSeconds: seconds(600),
    minioMemory: memory(1024, 256),
    minioCpus: cpus(1),
    minioWaitSeconds: seconds(300),
    pgMemory: memory(1024, 256),
    pgCpus: cpus(1),
    pgWaitSeconds: seconds(300),
    gatewayMemory: memory(256, 64),
    gatewayCpus: cpus(1),
    gatewayWaitSeconds: seconds(300),
};

/** An external database and an external store, with what each needs. */
const externalDatabase = { pgHost: "db.example.com", pgPassword: "hunter2" };
const externalStore = { minioHost: "s3.example.com", minioAccessKey: "somebody", minioSecretAccessKey: "long enough" };

/** A gateway, with one certificate or another. */
const withGateway = { publicHost: "mlflow.example.com" };
const given = await givenCertificate(["mlflow.example.com", "10.0.0.5"]);
const certificateFile = fileOf("given.pem", given.certificate);
const withCertificate = {
    ...withGateway,
    tlsCertificateFile: certificateFile,
    tlsPrivateKey: given.privateKey,
};
const withAcme = { ...withGateway, tlsEmail: "it@example.com", mlflowPort: "443" };

/** An MLflow Project for monitors. */
const monitorProject = join(directory, "lifecycle");
mkdirSync(join(monitorProject, "python"), { recursive: true });
writeFileSync(join(monitorProject, "python/MLproject"), "name: lifecycle\n");

/** Other keys that a key's values need beside them, so that they are judged alone. */
const beside: Partial<Record<keyof Configuration, Record<string, string>>> = {
    mlflowMemory: { mlflowWorkers: "1" },
    pgHost: { pgPassword: "hunter2" },
    pgSslMode: externalDatabase,
    pgCaFile: { ...externalDatabase, pgSslMode: "verify-full" },
    minioHost: { minioAccessKey: "somebody", minioSecretAccessKey: "long enough" },
    minioCaFile: { ...externalStore, minioStorageUseHttps: "true" },
    tlsCertificateFile: withCertificate,
    tlsPrivateKey: withCertificate,
    tlsEmail: { ...withGateway, mlflowPort: "443" },
    tlsAcmeDirectory: withAcme,
    tlsAcmeCaFile: { ...withAcme, tlsAcmeDirectory: "https://ca.example.com/acme" },
    gatewayHttpPort: withGateway,
    gatewayImage: withGateway,
    gatewayMemory: withGateway,
    gatewayCpus: withGateway,
};
/** The same, for one value alone. */
const besideValue: Record<string, Record<string, string>> = { "verify-ca": { pgCaFile: authority } };

describe("the table of keys", () => {
    it("is described completely by these tests", () => {
        expect(names).toEqual(Object.keys(table));
    });

    it.each(names)("%s is documented, with what stands in for it when it is unset", (name) => {
        const key: Key<unknown> = keys[name];
        // A sentence, or one that ends in a command.
        expect(key.doc).toMatch(/^[A-Z].*(\.|: pulumi config set --secret \w+ < key\.pem)$/);
        // Exactly one of the two: a default, or words for what happens without.
        expect([key.default === undefined, key.unset === undefined]).toContain(true);
        expect(key.default === undefined && key.unset === undefined).toBe(false);
    });

    it("holds exactly one key for each variable of the Compose file", () => {
        const pairs = Object.entries<Key<unknown>>(keys).flatMap(([name, { compose }]) =>
            compose === undefined ? [] : [[compose, name]],
        );
        expect(pairs).toEqual([
            ["MLFLOW_PORT", "mlflowPort"],
            ["MINIO_ACCESS_KEY", "minioAccessKey"],
            ["MINIO_SECRET_ACCESS_KEY", "minioSecretAccessKey"],
            ["MINIO_HOST", "minioHost"],
            ["MINIO_PORT", "minioPort"],
            ["PG_USER", "pgUser"],
            ["PG_PASSWORD", "pgPassword"],
            ["PG_HOST", "pgHost"],
            ["PG_PORT", "pgPort"],
            ["PG_DATABASE", "pgDatabase"],
            ["MLFLOW_BUCKET_NAME", "mlflowBucketName"],
            ["MINIO_VOLUME_PATH", "minioVolumePath"],
            ["MINIO_CONSOLE_ADDRESS", "minioConsoleAddress"],
            ["MINIO_ROOT_USER", "minioRootUser"],
            ["MINIO_ROOT_PASSWORD", "minioRootPassword"],
            ["MINIO_STORAGE_USE_HTTPS", "minioStorageUseHttps"],
        ]);
    });

    it("makes passwords and secret keys secret, and nothing else", () => {
        const secrets = Object.entries<Key<unknown>>(keys).flatMap(([name, key]) => (key.secret ? [name] : []));
        expect(secrets).toEqual(secretNames);
    });

    it("gives the values these types", () => {
        expectTypeOf<Configuration["mlflowPort"]>().toEqualTypeOf<number>();
        expectTypeOf<Configuration["mlflowCpus"]>().toEqualTypeOf<number>();
        expectTypeOf<Configuration["minioStorageUseHttps"]>().toEqualTypeOf<boolean>();
        expectTypeOf<Configuration["pgUser"]>().toEqualTypeOf<string>();
        expectTypeOf<Configuration["pgPassword"]>().toEqualTypeOf<string | undefined>();
        expectTypeOf<Configuration["baseImage"]>().toEqualTypeOf<string | undefined>();
        expectTypeOf<Configuration["pgOwnerUser"]>().toEqualTypeOf<string | undefined>();
        expectTypeOf<Configuration["pgCaFile"]>().toEqualTypeOf<string | undefined>();
        expectTypeOf<Configuration["minioRegion"]>().toEqualTypeOf<string>();
        expectTypeOf<Configuration["mlflowAuth"]>().toEqualTypeOf<boolean>();
        expectTypeOf<Configuration["artifactTransfer"]>().toEqualTypeOf<string>();
        expectTypeOf<Configuration["publicHost"]>().toEqualTypeOf<string | undefined>();
        expectTypeOf<Configuration["gatewayHttpPort"]>().toEqualTypeOf<number | undefined>();
        expectTypeOf<Configuration["tlsPrivateKey"]>().toEqualTypeOf<string | undefined>();
        expectTypeOf<Configuration["modelServers"]>().toEqualTypeOf<readonly ServedModel[] | undefined>();
        expectTypeOf<Configuration["monitorProject"]>().toEqualTypeOf<string>();
        expectTypeOf<Configuration["monitorUsername"]>().toEqualTypeOf<string | undefined>();
    });

    it("knows which values are generated where they are unset", () => {
        expect(generatedKeys).toEqual([
            "minioAccessKey",
            "minioSecretAccessKey",
            "pgPassword",
            "minioRootUser",
            "minioRootPassword",
            "adminPassword",
            "pgOwnerPassword",
            "pgAuthPassword",
            "modelServerKey",
        ]);
    });
});

describe.each(names)("%s", (name) => {
    const row = table[name];

    it(`is ${String(row.default)} when unset`, () => {
        const { value, problems } = parse({});
        expect(problems).toEqual([]);
        expect(value[name]).toBe(row.default);
    });

    it.each(Object.entries(row.takes))("takes %j", (text, expected) => {
        const { value, problems } = parse({ ...beside[name], ...besideValue[text], [name]: text });
        expect(problems).toEqual([]);
        expect(value[name]).toBe(expected);
    });

    it.each(Object.entries(row.refuses))("refuses %j", (text, reason) => {
        expect(problemsOf({ ...beside[name], [name]: text })).toEqual([`${name}: ${reason}`]);
    });
});

describe("keys that do not go together", () => {
    const differentPorts = "set two different ports";
    const takenAuthUser: [Record<string, string>, string, string][] = [
        [{ pgAuthUser: "mlflow" }, "mlflow", "pgUser"],
        [{ pgUser: "ana", pgAuthUser: "ana" }, "ana", "pgUser"],
        [{ pgUser: "mlflow_auth" }, "mlflow_auth", "pgUser"],
        [{ pgAuthUser: "mlflow_owner" }, "mlflow_owner", "pgOwnerUser"],
        [{ pgOwnerUser: "chief", pgAuthUser: "chief" }, "chief", "pgOwnerUser"],
        [{ pgOwnerUser: "mlflow_auth" }, "mlflow_auth", "pgOwnerUser"],
    ];

    it.each<[string, Record<string, string>, string[]]>([
        [
            "two places for the data",
            { minioVolumePath: "/srv/minio", minioVolumeName: "data" },
            ["minioVolumePath: stands beside minioVolumeName, and data has one place: remove one of them"],
        ],
        [
            "one role for both",
            { pgUser: "ana", pgOwnerUser: "ana" },
            ['pgOwnerUser: "ana" is also pgUser, which must not own the tables: set two different names'],
        ],
        [
            "the owner's default as the server's role",
            { pgUser: "mlflow_owner" },
            ['pgOwnerUser: "mlflow_owner" is also pgUser, which must not own the tables: set two different names'],
        ],
        [
            "MinIO's root as MLflow's key",
            { minioRootUser: "admin", minioAccessKey: "admin" },
            ["minioAccessKey: is also minioRootUser, which MLflow must not get: set two different names"],
        ],
        ...takenAuthUser.map(([values, name, same]): [string, Record<string, string>, string[]] => [
            `the role of the users' tables as ${same}: ${name}`,
            values,
            [`pgAuthUser: "${name}" is also ${same}, which must not reach the users' tables: set another name`],
        ]),
        [
            "one role for all three",
            { pgUser: "ana", pgOwnerUser: "ana", pgAuthUser: "ana" },
            [
                'pgOwnerUser: "ana" is also pgUser, which must not own the tables: set two different names',
                'pgAuthUser: "ana" is also pgUser, which must not reach the users\' tables: set another name',
            ],
        ],
        [
            "the gateway's plain port as another",
            { ...withGateway, gatewayHttpPort: "9001" },
            [`minioConsoleAddress: port 9001 is also that of gatewayHttpPort: ${differentPorts}`],
        ],
        [
            "the gateway's plain port as MLflow's",
            { ...withGateway, gatewayHttpPort: "5000" },
            [`gatewayHttpPort: port 5000 is also that of mlflowPort: ${differentPorts}`],
        ],
        [
            "the console on the port that S3 has inside the network, behind a gateway as well",
            { ...withGateway, minioPort: "9010", minioConsoleAddress: ":9000" },
            ["minioConsoleAddress: port 9000 is MinIO's S3 port on the stack's network: set another one"],
        ],
        [
            "how to reach an external PostgreSQL, and none",
            { pgSslMode: "verify-full", pgCaFile: authority },
            [
                "pgSslMode: is for a PostgreSQL that is not ours: pulumi config rm pgSslMode, or set pgHost",
                "pgCaFile: is for a PostgreSQL that is not ours: pulumi config rm pgCaFile, or set pgHost",
            ],
        ],
        [
            "the authority of an external store, and none",
            { minioCaFile: authority },
            ["minioCaFile: is for an S3 store that is not ours: pulumi config rm minioCaFile, or set minioHost"],
        ],
        [
            "the same port for MLflow and S3",
            { mlflowPort: "9000" },
            [`minioPort: port 9000 is also that of mlflowPort: ${differentPorts}`],
        ],
        [
            "the same port for MLflow and the console",
            { minioConsoleAddress: ":5000" },
            [`minioConsoleAddress: port 5000 is also that of mlflowPort: ${differentPorts}`],
        ],
        [
            "the same port for S3 and the console",
            { minioPort: "9001" },
            [`minioConsoleAddress: port 9001 is also that of minioPort: ${differentPorts}`],
        ],
        [
            "the same port for all three",
            { mlflowPort: "7000", minioPort: "7000", minioConsoleAddress: ":7000" },
            [
                `minioPort: port 7000 is also that of mlflowPort: ${differentPorts}`,
                `minioConsoleAddress: port 7000 is also that of mlflowPort: ${differentPorts}`,
            ],
        ],
        [
            "the console on the port that S3 has inside the network, though it is published elsewhere",
            { minioPort: "9010", minioConsoleAddress: ":9000" },
            ["minioConsoleAddress: port 9000 is MinIO's S3 port on the stack's network: set another one"],
        ],
        [
            "the console on the port that S3 has inside and outside (one problem, not two)",
            { minioConsoleAddress: ":9000" },
            [`minioConsoleAddress: port 9000 is also that of minioPort: ${differentPorts}`],
        ],
        [
            "memory for fewer workers than there are",
            { mlflowWorkers: "6" },
            ["mlflowMemory: 2048 MiB is too little for 6 workers: set at least 2100, or fewer mlflowWorkers"],
        ],
        [
            "the least memory with the default of two workers",
            { mlflowMemory: "899" },
            ["mlflowMemory: 899 MiB is too little for 2 workers: set at least 900, or fewer mlflowWorkers"],
        ],
    ])("%s", (_words, values, problems) => {
        expect(problemsOf(values)).toEqual(problems);
    });

    it.each<[string, Record<string, string>]>([
        ["just enough memory", { mlflowWorkers: "2", mlflowMemory: "900" }],
        ["a swap of the published ports", { mlflowPort: "9000", minioPort: "5000" }],
        ["PostgreSQL's port, which is not published, on the number of another", { pgPort: "5000" }],
        ["the same name for role and database", { pgUser: "ana", pgDatabase: "ana" }],
        ["only a path", { minioVolumePath: "/srv/minio" }],
        ["only a volume's name", { minioVolumeName: "data" }],
        ["S3 published elsewhere than 9000", { minioPort: "9010" }],
        ["an owner of another name than pgUser's", { pgUser: "mlflow_owner", pgOwnerUser: "chief" }],
        ["another region for the MinIO that runs here", { minioRegion: "eu-central-1" }],
        ["TLS for the store that runs here", { minioStorageUseHttps: "true" }],
        ["TLS for it behind a gateway", { ...withGateway, minioStorageUseHttps: "true" }],
        ["a gateway's plain port beside the others", { ...withGateway, gatewayHttpPort: "80" }],
        ["another role for the users' tables", { pgUser: "mlflow_auth", pgAuthUser: "people" }],
        ["presigned artifacts without a gateway", { artifactTransfer: "presigned" }],
        [
            "everything of the login where there is none",
            { mlflowAuth: "false", adminUsername: "ana", pgAuthUser: "people" },
        ],
    ])("but %s is fine", (_words, values) => {
        expect(problemsOf(values)).toEqual([]);
    });

    it("are not compared where one has a problem of its own", () => {
        expect(problemsOf({ mlflowPort: "x", minioPort: "5000" })).toEqual([
            'mlflowPort: "x" is not a whole number from 1 to 65535',
        ]);
        expect(problemsOf({ mlflowWorkers: "99", mlflowMemory: "768" })).toEqual([
            'mlflowWorkers: "99" is not a whole number from 1 to 32',
        ]);
    });

    it("are not compared with a default where the one that is set has a problem of its own", () => {
        const reserved = 'pgOwnerUser: "pg_mine" begins with pg_, which PostgreSQL reserves: set another name';
        expect(problemsOf({ pgUser: "mlflow_owner", pgOwnerUser: "pg_mine" })).toEqual([reserved]);
        expect(problemsOf({ pgUser: "mlflow_auth", pgAuthUser: "pg_mine" })).toEqual([
            reserved.replace("pgOwnerUser", "pgAuthUser"),
        ]);
        expect(
            problemsOf({ ...externalDatabase, pgOwnerUser: "pg_mine", pgOwnerPassword: "hunter3", pgUser: "pg_mine" }),
        ).toEqual([reserved.replace("pgOwnerUser", "pgUser"), reserved]);
    });
});

describe("a PostgreSQL that somebody else runs", () => {
    const password = "pgPassword: is needed with pgHost: pulumi config set --secret pgPassword";
    const owner = { pgOwnerUser: "chief", pgOwnerPassword: "hunter3" };
    const people = { pgAuthUser: "people", pgAuthPassword: "hunter4" };
    const sameAuthUser = (name: string, same: string) =>
        `pgAuthUser: "${name}" is also ${same}: set another name, or remove pgAuthUser and pgAuthPassword and pgUser does both`;
    const unchecked = (mode: string) =>
        `pgCaFile: nothing is checked against it with pgSslMode ${mode}: set pgSslMode verify-full`;

    it.each<[string, Record<string, string>, string[]]>([
        ["a host without a password", { pgHost: "db.example.com" }, [password]],
        [
            "an owner without a password",
            { ...externalDatabase, pgOwnerUser: "chief" },
            [
                "pgOwnerPassword: is needed with pgHost and pgOwnerUser: pulumi config set --secret pgOwnerPassword, or " +
                    "pulumi config rm pgOwnerUser and pgUser migrates as well",
            ],
        ],
        [
            "an owner's password without the owner",
            { ...externalDatabase, pgOwnerPassword: "hunter3" },
            ["pgOwnerUser: is needed with pgHost and pgOwnerPassword: set the role that owns the tables"],
        ],
        ["an owner with all, and the server without", { pgHost: "db.example.com", ...owner }, [password]],
        [
            "the server's role as its owner",
            { ...externalDatabase, pgOwnerUser: "mlflow", pgOwnerPassword: "hunter3" },
            [
                'pgOwnerUser: "mlflow" is also pgUser: set two different names, or remove pgOwnerUser and pgOwnerPassword and ' +
                    "pgUser does both",
            ],
        ],
        [
            "verify-ca without an authority",
            { ...externalDatabase, pgSslMode: "verify-ca" },
            ["pgCaFile: is needed with pgSslMode verify-ca: set the authority's PEM file, or pgSslMode verify-full"],
        ],
        ["an authority and no mode", { ...externalDatabase, pgCaFile: authority }, [unchecked("prefer")]],
        ...["disable", "prefer", "require"].map((mode): [string, Record<string, string>, string[]] => [
            `an authority and ${mode}`,
            { ...externalDatabase, pgCaFile: authority, pgSslMode: mode },
            [unchecked(mode)],
        ]),
        [
            "a role for the users' tables without a password",
            { ...externalDatabase, pgAuthUser: "people" },
            ["pgAuthPassword: is needed with pgHost and pgAuthUser: pulumi config set --secret pgAuthPassword"],
        ],
        [
            "a password for it without the role",
            { ...externalDatabase, pgAuthPassword: "hunter4" },
            ["pgAuthUser: is needed with pgHost and pgAuthPassword: pulumi config set pgAuthUser"],
        ],
        [
            "the server's role as that of the users' tables",
            { ...externalDatabase, ...owner, ...people, pgAuthUser: "mlflow" },
            [sameAuthUser("mlflow", "pgUser")],
        ],
        [
            "the same where it migrates as well",
            { ...externalDatabase, ...people, pgUser: "people" },
            [sameAuthUser("people", "pgUser")],
        ],
        [
            "the owner's role as that of the users' tables",
            { ...externalDatabase, ...owner, ...people, pgAuthUser: "chief" },
            [sameAuthUser("chief", "pgOwnerUser")],
        ],
        [
            "one role for all three",
            { ...externalDatabase, ...owner, ...people, pgUser: "chief", pgAuthUser: "chief" },
            [
                'pgOwnerUser: "chief" is also pgUser: set two different names, or remove pgOwnerUser and pgOwnerPassword and ' +
                    "pgUser does both",
                sameAuthUser("chief", "pgUser"),
            ],
        ],
        [
            "everything that is missing at once",
            { pgHost: "db.example.com", pgOwnerUser: "mlflow", pgSslMode: "verify-ca" },
            [
                password,
                "pgOwnerPassword: is needed with pgHost and pgOwnerUser: pulumi config set --secret pgOwnerPassword, or " +
                    "pulumi config rm pgOwnerUser and pgUser migrates as well",
                'pgOwnerUser: "mlflow" is also pgUser: set two different names, or remove pgOwnerUser and pgOwnerPassword and ' +
                    "pgUser does both",
                "pgCaFile: is needed with pgSslMode verify-ca: set the authority's PEM file, or pgSslMode verify-full",
            ],
        ],
    ])("%s", (_words, values, problems) => {
        expect(problemsOf(values)).toEqual(problems);
    });

    it.each<[string, Record<string, string>]>([
        ["one role for both", externalDatabase],
        ["two roles", { ...externalDatabase, ...owner }],
        ["three roles", { ...externalDatabase, ...owner, ...people }],
        ["two roles, one of them for the users' tables", { ...externalDatabase, ...people }],
        [
            "a role for the users' tables that is called as the owner is by default",
            { ...externalDatabase, ...people, pgAuthUser: "mlflow_owner" },
        ],
        ["another port and database", { ...externalDatabase, pgPort: "6432", pgDatabase: "tracking" }],
        ...["disable", "prefer", "require", "verify-full"].map((mode): [string, Record<string, string>] => [
            `${mode} without an authority`,
            { ...externalDatabase, pgSslMode: mode },
        ]),
        ...["verify-ca", "verify-full"].map((mode): [string, Record<string, string>] => [
            `${mode} with one`,
            { ...externalDatabase, pgSslMode: mode, pgCaFile: authority },
        ]),
        // What the PostgreSQL that runs here has for itself is another's to give.
        [
            "names that the one that runs here would take",
            { ...externalDatabase, pgUser: "postgres", pgDatabase: "postgres", ...owner, pgOwnerUser: "mlflow_owner" },
        ],
        [
            "an owner that is called as the default is, beside a server of that name",
            { ...externalDatabase, pgUser: "mlflow_owner" },
        ],
    ])("but %s is fine", (_words, values) => {
        expect(problemsOf(values)).toEqual([]);
    });

    it("is judged by the same rules where its host has a problem of its own", () => {
        expect(problemsOf({ pgHost: "localhost", pgUser: "postgres", pgSslMode: "require" })).toEqual([
            `pgHost: "localhost" ${ownHint}`,
            password,
        ]);
    });

    it.each<[string, Record<string, string>]>([
        ["an authority", { pgCaFile: authority }],
        ["none", {}],
    ])("is not judged by the default of its mode where that has a problem of its own, with %s", (_words, more) => {
        expect(problemsOf({ ...externalDatabase, pgSslMode: "allow", ...more })).toEqual([
            'pgSslMode: "allow" is not a mode of libpq: set one of disable, prefer, require, verify-ca, verify-full',
        ]);
    });

    /** Keys of the PostgreSQL that runs here alone: a value that means something there, and the default. */
    const ours: [string, string, string | undefined][] = [
        ["postgresImage", "registry.example.com/postgres:1", undefined],
        ["pgMemory", "512", "1024"],
        ["pgCpus", "0.5", "1.0"],
    ];
    const unused = (name: string) =>
        `${name}: is for the PostgreSQL that runs here, and pgHost names another: pulumi config rm ${name}`;

    it.each(ours)("has no use for %s = %s, but for its default %s", (name, value, byDefault) => {
        expect(problemsOf({ [name]: value })).toEqual([]);
        expect(problemsOf({ ...externalDatabase, [name]: value })).toEqual([unused(name)]);
        expect(byDefault === undefined ? [] : problemsOf({ ...externalDatabase, [name]: byDefault })).toEqual([]);
    });

    it("says of all of them at once that they have no use, after what is wrong otherwise", () => {
        const values = Object.fromEntries(ours.map(([name, value]) => [name, value]));
        expect(problemsOf({ ...values, pgHost: "db.example.com", pgCaFile: authority })).toEqual([
            password,
            unchecked("prefer"),
            ...ours.map(([name]) => unused(name)),
        ]);
    });

    it("says so as well where its host has a problem of its own, and not of a key that has one", () => {
        expect(problemsOf({ ...externalDatabase, pgHost: "localhost", pgMemory: "512", pgCpus: "many" })).toEqual([
            `pgHost: "localhost" ${ownHint}`,
            'pgCpus: "many" is not a number of CPUs from 0.1 to 9.9, such as 1.5',
            unused("pgMemory"),
        ]);
    });

    it("has no authority too few where the one that is named has a problem of its own", () => {
        const missing = join(directory, "missing.pem");
        expect(problemsOf({ ...externalDatabase, pgSslMode: "verify-ca", pgCaFile: missing })).toEqual([
            `pgCaFile: "${missing}" cannot be read (ENOENT): set the path of a PEM file`,
        ]);
    });
});

describe("an S3 store that somebody else runs", () => {
    const id = "minioAccessKey: is needed with minioHost: pulumi config set minioAccessKey";
    const word = "minioSecretAccessKey: is needed with minioHost: pulumi config set --secret minioSecretAccessKey";
    const unused = (name: string) =>
        `${name}: is for the MinIO that runs here, and minioHost names another: pulumi config rm ${name}`;
    /** Keys of the MinIO that runs here alone: a value that means something there, and the default. */
    const ours: [string, string, string | undefined][] = [
        ["minioVolumePath", "/srv/minio", undefined],
        ["minioVolumeName", "data", undefined],
        ["minioRootUser", "admin", undefined],
        ["minioRootPassword", "long enough", undefined],
        ["minioImage", "registry.example.com/minio:1", undefined],
        ["minioMemory", "512", "1024"],
        ["minioCpus", "0.5", "1.00"],
        ["minioConsoleAddress", ":9011", ":9001"],
    ];
    const noTls = "minioCaFile: there is no certificate to check without TLS: set minioStorageUseHttps true";

    it.each<[string, Record<string, string>, string[]]>([
        ["a host without a key", { minioHost: "s3.example.com" }, [id, word]],
        ["a host with half a key", { minioHost: "s3.example.com", minioSecretAccessKey: "long enough" }, [id]],
        ["a host with the other half", { minioHost: "s3.example.com", minioAccessKey: "somebody" }, [word]],
        ["an authority without TLS", { ...externalStore, minioCaFile: authority }, [noTls]],
        [
            "everything at once, and what would be a problem of the one that runs here is none",
            {
                minioHost: "s3.example.com",
                minioCaFile: authority,
                ...Object.fromEntries(ours.map(([name, value]) => [name, value])),
                // On the port of the tracking server, and the root's name for the key.
                minioConsoleAddress: ":5000",
                minioAccessKey: "admin",
            },
            [word, noTls, ...ours.map(([name]) => unused(name))],
        ],
    ])("%s", (_words, values, problems) => {
        expect(problemsOf(values)).toEqual(problems);
    });

    it.each(ours)("has no use for %s = %s, but for its default %s", (name, value, byDefault) => {
        expect(problemsOf({ [name]: value })).toEqual([]);
        expect(problemsOf({ ...externalStore, [name]: value })).toEqual([unused(name)]);
        expect(byDefault === undefined ? [] : problemsOf({ ...externalStore, [name]: byDefault })).toEqual([]);
    });

    it("has no problem with a key without use that has one of its own", () => {
        expect(problemsOf({ ...externalStore, minioMemory: "1" })).toEqual([
            'minioMemory: "1" is not a whole number from 256 to 1048576',
        ]);
    });

    it.each<[string, Record<string, string>]>([
        ["http", externalStore],
        ["https", { ...externalStore, minioStorageUseHttps: "true", minioPort: "443" }],
        [
            "https with an authority",
            { ...externalStore, minioStorageUseHttps: "true", minioPort: "443", minioCaFile: authority },
        ],
        ["a key shorter than MinIO's", { ...externalStore, minioAccessKey: "a", minioSecretAccessKey: "b" }],
        [
            "a key longer than MinIO's",
            { ...externalStore, minioAccessKey: "k".repeat(128), minioSecretAccessKey: "s".repeat(128) },
        ],
        ["a key with characters that MinIO refuses", { ...externalStore, minioAccessKey: "a=b,c" }],
        ["the port that MLflow is published on", { ...externalStore, minioPort: "5000" }],
        ["the port of a console that does not run", { ...externalStore, minioPort: "9001" }],
        ["MLflow on the port of a console that does not run", { ...externalStore, mlflowPort: "9001" }],
        ["how long to wait, and where the bucket is", { ...externalStore, minioWaitSeconds: "60", minioRegion: "eu" }],
    ])("but %s is fine", (_words, values) => {
        expect(problemsOf(values)).toEqual([]);
    });

    it("is judged by the same rules where its host has a problem of its own", () => {
        expect(problemsOf({ minioHost: "[::1]", minioAccessKey: "a=b", minioStorageUseHttps: "true" })).toEqual([
            `minioHost: "[::1]" ${hostHint("minioPort")}`,
            word,
        ]);
    });

    it.each<[string, Record<string, string>, string[]]>([
        ["the port that MLflow is published on", { minioPort: "5000" }, []],
        ["the port of a console that does not run", { minioPort: "9001" }, []],
        ["a console that does not run on MLflow's port", { minioConsoleAddress: ":5000" }, ["minioConsoleAddress"]],
        ["a console that does not run on S3's own port", { minioConsoleAddress: ":9000" }, ["minioConsoleAddress"]],
        [
            "two places for the data",
            { minioVolumePath: "/a", minioVolumeName: "ab" },
            ["minioVolumePath", "minioVolumeName"],
        ],
    ])("publishes nothing here where its host has a problem of its own: %s", (_words, values, without) => {
        expect(problemsOf({ ...externalStore, minioHost: "localhost", ...values })).toEqual([
            `minioHost: "localhost" ${ownHint}`,
            ...without.map(unused),
        ]);
    });

    it("has no opinion on TLS where that has a problem of its own", () => {
        expect(problemsOf({ ...externalStore, minioStorageUseHttps: "yes", minioCaFile: authority })).toEqual([
            'minioStorageUseHttps: "yes" is neither true nor false',
        ]);
    });

    it("goes with an external PostgreSQL", () => {
        expect(problemsOf({ ...externalDatabase, ...externalStore })).toEqual([]);
    });
});

describe.each([
    ["pgCaFile", { ...externalDatabase, pgSslMode: "verify-full" }],
    ["minioCaFile", { ...externalStore, minioStorageUseHttps: "true" }],
    ["tlsAcmeCaFile", { ...withAcme, tlsAcmeDirectory: "https://ca.example.com/acme" }],
    ["packageCaFile", {}],
] as const)("the file of %s", (name, others) => {
    const { one, two } = authorities;
    /** What a file of that content gives: the value, or the defect. */
    const read = (path: string) => {
        const { value, problems } = parse({ ...others, [name]: path });
        return problems.length === 0 ? value[name] : problems;
    };
    const key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHBsjcQ9\n-----END EC PRIVATE KEY-----\n";

    it.each([
        ["one certificate", one, one],
        ["two certificates, in their order", two + one, two + one],
        ["what stands around them", `# ours\n\n${key}${one}  and\n${two}trailing`, one + two],
        ["no end of the last line", one.trimEnd(), one],
        ["lines as Windows ends them", one.replaceAll("\n", "\r\n"), `${one.trimEnd().replaceAll("\n", "\r\n")}\n`],
    ])("is read with %s", (_words, content, value) => {
        expect(read(fileOf("ca.pem", content))).toBe(value);
    });

    it("is found relative to the working directory", () => {
        expect(read(relative(process.cwd(), fileOf("ca.pem", one)))).toBe(one);
    });

    it.each([
        ["none", () => join(directory, "none.pem"), "ENOENT"],
        ["a directory", () => directory, "EISDIR"],
        ["below a file", () => join(authority, "ca.pem"), "ENOTDIR"],
    ])("is refused where there is %s", (_words, path, code) => {
        expect(read(path())).toEqual([`${name}: "${path()}" cannot be read (${code}): set the path of a PEM file`]);
    });

    it.skipIf(process.getuid?.() === 0)("is refused where this user may not read it", () => {
        const path = fileOf(`closed-${name}.pem`, one);
        chmodSync(path, 0);
        expect(read(path)).toEqual([`${name}: "${path}" cannot be read (EACCES): set the path of a PEM file`]);
    });

    it.each([
        ["nothing", ""],
        ["a key alone", key],
        ["a request", "-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"],
        ["a certificate without its end", one.slice(0, -20)],
    ])("is refused with %s in it", (_words, content) => {
        const path = fileOf("ca.pem", content);
        expect(read(path)).toEqual([
            `${name}: "${path}" holds no certificate: set a PEM file, with -----BEGIN CERTIFICATE-----`,
        ]);
    });

    it.each([
        ["a certificate that is cut", one.replace(/\n.{64}\n/, "\n")],
        ["one that is none", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"],
        ["nothing between begin and end", "-----BEGIN CERTIFICATE----------END CERTIFICATE-----"],
        ["a good one and a broken one", one + two.replace(/\n.{64}\n/, "\n")],
        ["one that begins in another", one.slice(0, 100) + two],
    ])("is refused with %s in it", (_words, content) => {
        const path = fileOf("ca.pem", content);
        expect(read(path)).toEqual([`${name}: "${path}" holds a certificate that cannot be read: set a PEM file`]);
    });

    it("gives its certificates in their order and nothing else, whatever stands between them", () => {
        const piece = fc.oneof(
            fc.constantFrom(one, two),
            fc.constantFrom("\n", "subject=CN = one\n", key, "---- BEGIN CERTIFICATE ----\n"),
        );
        fc.assert(
            fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
                const expected = pieces.filter((some) => [one, two].includes(some)).join("");
                const found = read(fileOf("any.pem", pieces.join("")));
                expect(found).toEqual(
                    expected === ""
                        ? [expect.stringMatching(/holds no certificate: set a PEM file, with -----BEGIN/)]
                        : expected,
                );
            }),
            { numRuns: 50 },
        );
    });
});

describe("served models", () => {
    const serving = (...models: object[]) => ({ modelServers: JSON.stringify(models) });
    const iris = { name: "iris", port: 5100 };

    it("are what their list says", () => {
        const values = serving(iris, { name: "wine", port: "5101", alias: "champion" });
        const { value, problems } = parse(values);
        expect(problems).toEqual([]);
        expect(value.modelServers).toEqual(parseServedModels(values.modelServers));
        expect(value.modelServers?.map(({ name, port, alias }) => [name, port, alias])).toEqual([
            ["iris", 5100, "production"],
            ["wine", 5101, "champion"],
        ]);
        expect(parse(serving()).value.modelServers).toEqual([]);
    });

    it("have their problems told with their places, among those of the other keys and all at once", () => {
        expect(
            problemsOf({
                mlflowPort: "x",
                ...serving({ name: "Iris", port: 0, prot: 1 }, iris, { ...iris, port: 5102 }),
                mlflowWorkers: "99",
            }),
        ).toEqual([
            'mlflowPort: "x" is not a whole number from 1 to 65535',
            "modelServers[0].prot: there is no such field: did you mean port?",
            'modelServers[0].name: "Iris" is not possible: set one such as iris, of 1 to 30 lower-case letters, digits and hyphens, ' +
                "without -monitor or -seed at the end",
            'modelServers[0].port: "0" is not a whole number from 1 to 65535',
            'modelServers[2].name: "iris" is also that of modelServers[1]: set another name',
            'mlflowWorkers: "99" is not a whole number from 1 to 32',
        ]);
    });

    it("need no secret, though the list may be one", () => {
        const values = serving(iris);
        expect(parseConfiguration({ values, secrets: new Set() }).problems).toEqual([]);
        expect(parseConfiguration({ values, secrets: new Set(["modelServers"]) }).problems).toEqual([]);
    });

    const differentPorts = "set two different ports";
    it.each<[string, Record<string, string>, string[]]>([
        [
            "MLflow's",
            serving({ ...iris, port: 5000 }),
            [`modelServers[0].port: port 5000 is also that of mlflowPort: ${differentPorts}`],
        ],
        [
            "S3's",
            serving(iris, { name: "wine", port: 9000 }),
            [`modelServers[1].port: port 9000 is also that of minioPort: ${differentPorts}`],
        ],
        [
            "the console's",
            serving({ ...iris, port: 9001 }),
            [`modelServers[0].port: port 9001 is also that of minioConsoleAddress: ${differentPorts}`],
        ],
        [
            "the gateway's plain one",
            { ...withGateway, gatewayHttpPort: "80", ...serving({ ...iris, port: 80 }) },
            [`modelServers[0].port: port 80 is also that of gatewayHttpPort: ${differentPorts}`],
        ],
        [
            "another's",
            serving(iris, { name: "wine", port: 5101 }, { name: "rye", port: 5100 }),
            [`modelServers[2].port: port 5100 is also that of modelServers[0].port: ${differentPorts}`],
        ],
        [
            "another's and MLflow's",
            serving({ ...iris, port: 5000 }, { name: "wine", port: 5000 }),
            [
                `modelServers[0].port: port 5000 is also that of mlflowPort: ${differentPorts}`,
                `modelServers[1].port: port 5000 is also that of mlflowPort: ${differentPorts}`,
            ],
        ],
        ["S3's, where that is somebody else's", { ...externalStore, ...serving({ ...iris, port: 9000 }) }, []],
        ["PostgreSQL's, which is not published", serving({ ...iris, port: 5432 }), []],
        [
            "that of a key with a problem",
            { minioPort: "x", ...serving({ ...iris, port: 9000 }) },
            ['minioPort: "x" is not a whole number from 1 to 65535'],
        ],
    ])("on the same port: %s", (_words, values, problems) => {
        expect(problemsOf(values)).toEqual(problems);
    });

    describe("with a monitor", () => {
        const watched = { ...iris, monitorSchedule: "0 * * * *" };
        const login = { monitorUsername: "watchman", monitorPassword: "hunter2" };
        const needed = (key: string, command: string, name = "iris") =>
            `${key}: is needed with login and monitorSchedule, which "${name}" has: pulumi config set ${command}, after npm run ` +
            "user -- add";
        const username = needed("monitorUsername", "monitorUsername");
        const password = needed("monitorPassword", "--secret monitorPassword");

        it.each<[string, Record<string, string>, string[]]>([
            ["a login", { ...serving(watched), ...login }, []],
            ["no account", serving(watched), [username, password]],
            ["no password", { ...serving(watched), monitorUsername: "watchman" }, [password]],
            ["no user", { ...serving(watched), monitorPassword: "hunter2" }, [username]],
            ["no account, where nobody logs in", { ...serving(watched), mlflowAuth: "false" }, []],
            ["no account, where none runs by itself", serving(iris), []],
            [
                "no account, where the second runs by itself",
                serving(iris, { name: "wine", port: 5101, monitorSchedule: "0 0 * * *" }),
                [
                    needed("monitorUsername", "monitorUsername", "wine"),
                    needed("monitorPassword", "--secret monitorPassword", "wine"),
                ],
            ],
            [
                "no account, where two run by themselves: told once",
                serving(watched, { name: "wine", port: 5101, monitorSchedule: "0 0 * * *" }),
                [username, password],
            ],
            ["an account that nobody uses", { ...serving(iris), ...login }, []],
            // It is set, so it is not missing.
            [
                "a user with a problem of its own",
                { ...serving(watched), ...login, monitorUsername: "a:b" },
                ['monitorUsername: "a:b" is not of 1 to 255 ASCII characters without a colon: set another name'],
            ],
            [
                "a password with a problem of its own",
                { ...serving(watched), ...login, monitorPassword: "hunter2 " },
                ["monitorPassword: begins or ends with a blank: remove it"],
            ],
            [
                "no account, where it is not known whether there is login",
                { ...serving(watched), mlflowAuth: "maybe" },
                ['mlflowAuth: "maybe" is neither true nor false'],
            ],
        ])("are judged with %s", (_words, values, problems) => {
            expect(problemsOf({ monitorProject, ...values })).toEqual(problems);
        });

        it("run a project that is there", () => {
            const missing = join(directory, "nowhere");
            const noProject = (path: string) => [
                `monitorProject: there is no ${join(path, "python", "MLproject")}: set the directory of an MLflow Project that has one`,
            ];
            expect(problemsOf({ ...serving(watched), ...login, monitorProject })).toEqual([]);
            expect(problemsOf({ ...serving(watched), ...login, monitorProject: missing })).toEqual(noProject(missing));
            expect(problemsOf({ ...serving(watched), monitorProject: missing, mlflowAuth: "false" })).toEqual(
                noProject(missing),
            );
            // The project itself is not where its MLproject is.
            const python = join(monitorProject, "python");
            expect(problemsOf({ ...serving(watched), ...login, monitorProject: python })).toEqual(noProject(python));
            expect(problemsOf({ ...serving(iris), monitorProject: missing })).toEqual([]);
        });

        it("run one whose path is relative to the working directory", () => {
            const path = relative(process.cwd(), monitorProject);
            expect(problemsOf({ ...serving(watched), ...login, monitorProject: path })).toEqual([]);
        });
    });
});

describe("who is let in", () => {
    const login = "login (mlflowAuth true)";
    const tls = "TLS (publicHost)";
    const exposed = (address: string, missing: string) =>
        `bindAddress: ${address} lets other machines in, and everybody who reaches it could read or take over what is here: ` +
        `set ${missing}, or 127.0.0.1 and reach it by an SSH tunnel; allowInsecureExposure true lets it be so all the same`;

    it.each<[string, boolean, boolean, string | undefined]>([
        // address, login, gateway, what is missing
        ["127.0.0.1", true, true, undefined],
        ["127.0.0.1", false, false, undefined],
        ["127.9.9.9", false, false, undefined],
        ["0.0.0.0", true, true, undefined],
        ["0.0.0.0", false, true, login],
        ["0.0.0.0", true, false, tls],
        ["0.0.0.0", false, false, `${login} and ${tls}`],
        ["192.168.1.10", true, true, undefined],
        ["192.168.1.10", false, true, login],
        ["192.168.1.10", true, false, tls],
        ["128.0.0.1", false, false, `${login} and ${tls}`],
    ])("is right at %s with login %s and gateway %s, but for %s", (bindAddress, mlflowAuth, gateway, missing) => {
        const values = { bindAddress, mlflowAuth: String(mlflowAuth), ...(gateway ? withGateway : {}) };
        expect(problemsOf(values)).toEqual(missing === undefined ? [] : [exposed(bindAddress, missing)]);
        expect(problemsOf({ ...values, allowInsecureExposure: "true" })).toEqual([]);
        // What stands in every stack is the same as what is unset.
        expect(problemsOf({ ...values, allowInsecureExposure: "false" })).toEqual(problemsOf(values));
    });

    it("has login where nothing is said", () => {
        expect(problemsOf({ ...withGateway, bindAddress: "0.0.0.0" })).toEqual([]);
    });

    it("is not judged by a key that has a problem of its own", () => {
        const notBoolean = (key: string) => `${key}: "x" is neither true nor false`;
        const open = { ...withGateway, bindAddress: "0.0.0.0" };
        expect(problemsOf({ ...open, mlflowAuth: "x" })).toEqual([notBoolean("mlflowAuth")]);
        expect(problemsOf({ bindAddress: "0.0.0.0", allowInsecureExposure: "x" })).toEqual([
            notBoolean("allowInsecureExposure"),
        ]);
        expect(problemsOf({ ...open, publicHost: "minio" })).toEqual([
            expect.stringMatching(/^publicHost: "minio" has/),
        ]);
    });

    it("is everybody or nobody by the address alone", () => {
        fc.assert(
            fc.property(fc.ipV4(), (address) => {
                const local = Number(address.split(".")[0]) === 127;
                expect(isLoopback(address)).toBe(local);
                expect(problemsOf({ bindAddress: address }).length === 0).toBe(local);
            }),
        );
    });
});

describe("keys of the gateway", () => {
    /** Each with a value that means something there, and its default. */
    const ours: [string, string, string | undefined][] = [
        ["tlsCertificateFile", certificateFile, undefined],
        ["tlsPrivateKey", given.privateKey, undefined],
        ["tlsEmail", "it@example.com", undefined],
        ["tlsAcmeDirectory", "https://ca.example.com/acme", undefined],
        ["tlsAcmeCaFile", authority, undefined],
        ["gatewayHttpPort", "80", undefined],
        ["gatewayImage", "registry.example.com/gateway:1", undefined],
        ["gatewayMemory", "512", "256"],
        ["gatewayCpus", "0.5", "1.0"],
    ];
    const unused = (name: string) =>
        `${name}: is for the gateway, which runs with publicHost: set that, or pulumi config rm ${name}`;

    it.each(ours)("has no use for %s = %s without it, but for its default %s", (name, value, byDefault) => {
        expect(problemsOf({ [name]: value })).toEqual([unused(name)]);
        expect(byDefault === undefined ? [] : problemsOf({ [name]: byDefault })).toEqual([]);
    });

    it("have no use all at once, and nothing else is wrong with them then", () => {
        expect(problemsOf(Object.fromEntries(ours.map(([name, value]) => [name, value])))).toEqual(
            ours.map(([name]) => unused(name)),
        );
    });

    it("are judged as with a gateway where its name has a problem of its own", () => {
        expect(problemsOf({ publicHost: "minio", gatewayMemory: "512", tlsAcmeCaFile: authority })).toEqual([
            expect.stringMatching(/^publicHost: "minio" has a meaning of its own/),
            "tlsAcmeDirectory: is needed with tlsAcmeCaFile: set the ACME authority's directory",
        ]);
    });

    const keyMissing =
        "tlsPrivateKey: is needed with tlsCertificateFile: pulumi config set --secret tlsPrivateKey < key.pem";
    const certificateMissing = "tlsCertificateFile: is needed with tlsPrivateKey: set the path of its certificate";
    const emailMissing = "tlsEmail: is needed with tlsAcmeDirectory: set the account's address";
    const directoryMissing = "tlsAcmeDirectory: is needed with tlsAcmeCaFile: set the ACME authority's directory";
    const two = "tlsEmail: stands beside tlsCertificateFile, and there is one certificate: remove one of them";
    const noPort =
        "tlsEmail: the authority asks at port 443 or 80, and neither is published: set mlflowPort 443 or gatewayHttpPort 80";
    const noName = (name: string) =>
        `tlsEmail: no authority signs for "${name}" by ACME: set publicHost to a name that it can look up, or pulumi config rm tlsEmail`;
    const sameHost = (name: string, key: string) =>
        `publicHost: "${name}" is also ${key}, and on the stack's network it is the gateway: set two different names`;
    const tlsCertificateFile = certificateFile;
    const tlsPrivateKey = given.privateKey;
    const tlsAcmeDirectory = "https://ca.example.com/acme";

    it.each<[string, Record<string, string>, string[]]>([
        ["a certificate without its key", { tlsCertificateFile }, [keyMissing]],
        ["a key without its certificate", { tlsPrivateKey }, [certificateMissing]],
        ["a directory without an account", { tlsAcmeDirectory }, [emailMissing]],
        ["its authority without a directory", { ...withAcme, tlsAcmeCaFile: authority }, [directoryMissing]],
        ["both without an account", { tlsAcmeDirectory, tlsAcmeCaFile: authority }, [emailMissing]],
        ["two certificates", { ...withAcme, tlsCertificateFile, tlsPrivateKey }, [two]],
        ["ACME at no port of its own", { tlsEmail: "it@example.com" }, [noPort]],
        ["ACME at others", { tlsEmail: "it@example.com", mlflowPort: "8443", gatewayHttpPort: "8080" }, [noPort]],
        ["ACME at the wrong of the two", { tlsEmail: "it@example.com", minioPort: "443" }, [noPort]],
        [
            "the database's host",
            { ...externalDatabase, pgHost: "mlflow.example.com" },
            [sameHost("mlflow.example.com", "pgHost")],
        ],
        [
            "the store's host, in other letters",
            { ...externalStore, minioHost: "MLflow.Example.com", minioPort: "443" },
            [sameHost("mlflow.example.com", "minioHost")],
        ],
        [
            "the address of both",
            {
                ...externalDatabase,
                ...externalStore,
                publicHost: "10.0.0.5",
                pgHost: "10.0.0.5",
                minioHost: "10.0.0.5",
            },
            [sameHost("10.0.0.5", "pgHost"), sameHost("10.0.0.5", "minioHost")],
        ],
        ["ACME for an address", { ...withAcme, publicHost: "192.0.2.7" }, [noName("192.0.2.7")]],
        ["ACME for a name without a domain", { ...withAcme, publicHost: "localhost" }, [noName("localhost")]],
        [
            "everything at once",
            { tlsCertificateFile, tlsEmail: "it@example.com", tlsAcmeCaFile: authority, publicHost: "desk" },
            [
                keyMissing,
                directoryMissing,
                two,
                noName("desk"),
                noPort,
                'tlsCertificateFile: is not for "desk" but for DNS:mlflow.example.com, IP Address:10.0.0.5: set publicHost to one of ' +
                    "these, or another certificate",
            ],
        ],
    ])("go together or are refused: %s", (_words, values, problems) => {
        expect(problemsOf({ ...withGateway, ...values })).toEqual(problems);
    });

    it.each<[string, Record<string, string>]>([
        ["nothing but its name", {}],
        ["a certificate and its key", { tlsCertificateFile, tlsPrivateKey }],
        ["ACME at 443", withAcme],
        ["ACME at 80", { tlsEmail: "it@example.com", gatewayHttpPort: "80" }],
        ["ACME at both", { ...withAcme, gatewayHttpPort: "80" }],
        ["another ACME authority", { ...withAcme, tlsAcmeDirectory }],
        ["one with a certificate of its own", { ...withAcme, tlsAcmeDirectory, tlsAcmeCaFile: authority }],
        ["an address", { publicHost: "192.0.2.7" }],
        ["a store elsewhere", { ...externalStore, minioPort: "5000" }],
        ["a database on the same domain", { ...externalDatabase, pgHost: "db.mlflow.example.com" }],
        ["a database on the engine's host", { ...externalDatabase, pgHost: "host.docker.internal" }],
    ])("are fine: %s", (_words, values) => {
        expect(problemsOf({ ...withGateway, ...values })).toEqual([]);
    });
});

describe("ports for ACME", () => {
    it.each<[string, Record<string, string>, string[]]>([
        ["443", { mlflowPort: "x" }, ['mlflowPort: "x" is not a whole number from 1 to 65535']],
        [
            "443, beside another that is not 80",
            { mlflowPort: "x", gatewayHttpPort: "8080" },
            ['mlflowPort: "x" is not a whole number from 1 to 65535'],
        ],
        [
            "80",
            { mlflowPort: "8443", gatewayHttpPort: "x" },
            ['gatewayHttpPort: "x" is not a whole number from 1 to 65535'],
        ],
    ])("are not missed where one that may be %s has a problem of its own", (_words, values, problems) => {
        expect(problemsOf({ ...withGateway, tlsEmail: "it@example.com", ...values })).toEqual(problems);
    });
});

describe("a certificate that is given", () => {
    const hint = "set publicHost to one of these, or another certificate";
    const read = (certificate: string, more: Record<string, string> = {}) =>
        parse({ ...withCertificate, tlsCertificateFile: fileOf("some.pem", certificate), ...more });
    const names = "DNS:mlflow.example.com, IP Address:10.0.0.5";

    it("is the file's certificates, the key's first, and its key in one form", () => {
        const { value, problems } = read(`# ours\n${given.certificate}${authorities.one}`);
        expect(problems).toEqual([]);
        expect(value.tlsCertificateFile).toBe(given.certificate + authorities.one);
        expect(value.tlsPrivateKey).toBe(given.privateKey);
    });

    it.each<[string, Record<string, string>, string[]]>([
        ["the name", {}, []],
        ["the address", { publicHost: "10.0.0.5" }, []],
        [
            "another name",
            { publicHost: "other.example.com" },
            [`tlsCertificateFile: is not for "other.example.com" but for ${names}: ${hint}`],
        ],
        [
            "a name below its own",
            { publicHost: "a.mlflow.example.com" },
            [`tlsCertificateFile: is not for "a.mlflow.example.com" but for ${names}: ${hint}`],
        ],
        [
            "another address",
            { publicHost: "10.0.0.6" },
            [`tlsCertificateFile: is not for "10.0.0.6" but for ${names}: ${hint}`],
        ],
        [
            "a name that has a problem of its own",
            { publicHost: "minio" },
            [expect.stringMatching(/^publicHost: "minio" has/)],
        ],
    ])("is or is not for %s", (_words, values, problems) => {
        expect(problemsOf({ ...withCertificate, ...values })).toEqual(problems);
    });

    it("may be for every name of a domain, but not below that", async () => {
        const { certificate, privateKey } = await givenCertificate(["*.example.com"]);
        const one = (publicHost: string) => read(certificate, { tlsPrivateKey: privateKey, publicHost }).problems;
        expect(one("mlflow.example.com")).toEqual([]);
        expect(one("a.mlflow.example.com")).toEqual([
            `tlsCertificateFile: is not for "a.mlflow.example.com" but for DNS:*.example.com: ${hint}`,
        ]);
    });

    it("is for no name where it is an authority's", async () => {
        const { certificate, privateKey } = await makeAuthority("Somebody", new Date());
        expect(read(certificate, { tlsPrivateKey: privateKey }).problems).toEqual([
            `tlsCertificateFile: is not for "mlflow.example.com" but for no name: ${hint}`,
        ]);
    });

    it("is refused with another's key, and with its own behind the authority's", async () => {
        const wrong =
            "tlsPrivateKey: is not that of the first certificate in tlsCertificateFile: set the two that belong together";
        const other = await givenCertificate(["mlflow.example.com"]);
        expect(read(given.certificate, { tlsPrivateKey: other.privateKey }).problems).toEqual([wrong]);
        expect(read(other.certificate + given.certificate).problems).toEqual([wrong]);
        expect(read(given.certificate + other.certificate).problems).toEqual([]);
    });

    it("is refused where it is no longer good, on that day", async () => {
        const at = new Date("2020-01-01T00:00:00Z");
        const { certificate, privateKey } = await issueCertificate(
            await makeAuthority("Somebody", at),
            ["mlflow.example.com"],
            at,
        );
        const problems = () => read(certificate, { tlsPrivateKey: privateKey }).problems;
        vi.useFakeTimers({ toFake: ["Date"] });
        try {
            // Ten years of 365 days.
            vi.setSystemTime(new Date("2029-12-29T00:00:00Z"));
            expect(problems()).toEqual([]);
            vi.setSystemTime(new Date("2029-12-29T00:00:01Z"));
            expect(problems()).toEqual([
                "tlsCertificateFile: has not been valid since Dec 29 00:00:00 2029 GMT: set a new one",
            ]);
        } finally {
            vi.useRealTimers();
        }
    });

    it("is refused before the first day on which it is good", () => {
        const problems = () => problemsOf(withCertificate);
        const { validFrom } = new X509Certificate(given.certificate);
        vi.useFakeTimers({ toFake: ["Date"] });
        try {
            vi.setSystemTime(new Date(validFrom));
            expect(problems()).toEqual([]);
            vi.setSystemTime(new Date(Date.parse(validFrom) - 1));
            expect(problems()).toEqual([`tlsCertificateFile: is not valid before ${validFrom}: set one that is`]);
        } finally {
            vi.useRealTimers();
        }
    });

    it("is for the names that it lists, whatever its subject is", async () => {
        const { certificate, privateKey } = await certificateWithSubject("mlflow.example.com", undefined);
        expect(read(certificate, { tlsPrivateKey: privateKey }).problems).toEqual([
            `tlsCertificateFile: is not for "mlflow.example.com" but for no name: ${hint}`,
        ]);
        const other = await certificateWithSubject("mlflow.example.com", "other.example.com");
        expect(read(other.certificate, { tlsPrivateKey: other.privateKey }).problems).toEqual([
            `tlsCertificateFile: is not for "mlflow.example.com" but for DNS:other.example.com: ${hint}`,
        ]);
        const listed = await certificateWithSubject("other.example.com", "mlflow.example.com");
        expect(read(listed.certificate, { tlsPrivateKey: listed.privateKey }).problems).toEqual([]);
    });

    describe("its key", () => {
        const { privateKey: ours, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
        const elliptic = createPrivateKey(given.privateKey);
        const keyOf = (text: string) => parse({ ...withCertificate, tlsPrivateKey: text });

        it.each([
            ["as openssl's older commands write it", elliptic.export({ type: "sec1", format: "pem" })],
            ["with lines as Windows ends them", given.privateKey.replaceAll("\n", "\r\n")],
            ["without the end of the last line", given.privateKey.trimEnd()],
        ])("may be %s, and is PKCS #8 from there on", (_words, text) => {
            const { value, problems } = keyOf(String(text));
            expect(problems).toEqual([]);
            expect(value.tlsPrivateKey).toBe(given.privateKey);
        });

        it("may be an RSA key in either form", () => {
            const pkcs8 = ours.export({ type: "pkcs8", format: "pem" });
            for (const type of ["pkcs1", "pkcs8"] as const) {
                expect(keyOf(String(ours.export({ type, format: "pem" }))).value.tlsPrivateKey).toBe(pkcs8);
            }
        });

        it.each([
            ["a public one", publicKey.export({ type: "spki", format: "pem" })],
            [
                "one with a passphrase",
                ours.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }),
            ],
            ["a certificate", given.certificate],
        ])("is not %s", (_words, text) => {
            expect(keyOf(String(text)).problems).toEqual([`tlsPrivateKey: ${notAKey}`]);
        });
    });
});

describe("publicHostDefect and usernameDefect", () => {
    const piece = fc.constantFrom(
        "mlflow",
        "s3",
        "ML",
        "example",
        ".",
        ".com",
        ":",
        "/",
        "@",
        "10",
        "0x7f",
        "-",
        "*",
        "ü",
    );
    const almost = fc.oneof(
        fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join("")),
        fc.ipV4(),
        fc.domain(),
        fc.string({ unit: "binary", maxLength: 10 }),
    );

    it("a host that is taken stands in a URL as it is, and is no service's", () => {
        const seen = { taken: 0, refused: 0 };
        fc.assert(
            fc.property(almost, (name) => {
                if (publicHostDefect(name) !== undefined) {
                    seen.refused += 1;
                    return;
                }
                seen.taken += 1;
                const url = new URL(`https://${name}:9000`);
                expect([url.hostname, url.port, url.pathname, url.username]).toEqual([name, "9000", "/", ""]);
                expect([
                    "postgres",
                    "minio",
                    "s3",
                    "mlflow",
                    "gateway",
                    "host.docker.internal",
                    "0.0.0.0",
                ]).not.toContain(name);
            }),
            { numRuns: 1000 },
        );
        expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(100);
    });

    it("a user name is taken where HTTP's basic scheme gives it back and MLflow decodes it", () => {
        const name = fc.oneof(
            fc.string({ maxLength: 300 }),
            fc.string({ unit: fc.constantFrom("a", " "), maxLength: 5 }),
            fc.string({ unit: "binary", maxLength: 5 }),
        );
        fc.assert(
            fc.property(name, fc.string(), (some, word) => {
                const text = `${some}:${word}`;
                const comesBack = text.slice(0, text.indexOf(":")) === some && some.length <= 255;
                const isAscii = Array.from(some).every((character) => character >= " " && character <= "~");
                const isBare = some !== "" && some.trim() === some;
                expect(usernameDefect(some) === undefined).toBe(comesBack && isAscii && isBare);
            }),
            { numRuns: 500 },
        );
    });

    it.each(["", " ", " ana", "ana ", "ana\t", "ana\n", "\nana", "a\u0000b", "ana\u007f", "\u00a0ana"])(
        "a user name is not %j",
        (name) => {
            expect(usernameDefect(name)).toBe(
                `"${name}" is not of 1 to 255 ASCII characters without a colon: set another name`,
            );
        },
    );

    it.each(["a", "~", "!", "a b", "a  b", "u".repeat(255)])("but it may be %j", (name) => {
        expect(usernameDefect(name)).toBeUndefined();
    });
});

describe("a key that does not exist", () => {
    it.each([
        ["mlflowport", "mlflowPort"],
        ["pgPasword", "pgPassword"],
        ["mlflowBucketname", "mlflowBucketName"],
        ["minioconsoleaddress", "minioConsoleAddress"],
    ])("%s: %s is offered", (name, nearest) => {
        expect(problemsOf({ [name]: "x" })).toEqual([
            `${name}: there is no such key: did you mean ${nearest}? (pulumi config rm ${name})`,
        ]);
    });

    /** Edits (insertions, deletions, changes of a character) between two texts, by the textbook's table. */
    function edits(a: string, b: string): number {
        let row = [...Array(b.length + 1).keys()];
        for (const [i, from] of a.split("").entries()) {
            const next = [i + 1];
            for (const [j, to] of b.split("").entries()) {
                const change = (row[j] ?? 0) + (from === to ? 0 : 1);
                next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
            }
            row = next;
        }
        return row.at(-1) ?? 0;
    }

    it("is answered with one that no other is nearer than", () => {
        const mistyped = fc
            .tuple(
                fc.constantFrom(...names),
                fc.nat(),
                fc.string({ unit: fc.constantFrom(...Array.from("aeP_")), maxLength: 4 }),
            )
            .map(([name, at, typed]) => name.slice(0, at % name.length) + typed + name.slice((at % name.length) + 1));
        fc.assert(
            fc.property(
                mistyped.filter((name) => !(names as string[]).includes(name)),
                (name) => {
                    const offered = /did you mean (\w+)\?/.exec(problemsOf({ [name]: "x" })[0] ?? "")?.[1] ?? "";
                    expect(names).toContain(offered);
                    expect(edits(name, offered)).toBe(Math.min(...names.map((known) => edits(name, known))));
                },
            ),
            { numRuns: 200 },
        );
    });

    it.each(["toString", "__proto__", "constructor"])("%s is not taken for one of JavaScript's own", (name) => {
        const values = Object.fromEntries([[name, "x"]]);
        expect(problemsOf(values)).toHaveLength(1);
    });
});

describe("a secret in plain text", () => {
    it.each(secretNames)("%s is refused", (name) => {
        const others: Record<string, string> = {
            tlsPrivateKey: given.privateKey,
            packageIndexUrl: "https://pypi.example.com/simple",
        };
        const values = { ...withCertificate, [name]: others[name] ?? "long enough for each and every one" };
        const secrets = new Set(["tlsPrivateKey"].filter((other) => other !== name));
        expect(parseConfiguration({ values, secrets }).problems).toEqual([
            `${name}: is a secret but stands in plain text in the stack's file: pulumi config set --secret ${name}`,
        ]);
    });

    it("is never repeated in a problem, whatever else is wrong with it", () => {
        for (const name of secretNames) {
            const { problems } = parseConfiguration({ values: { [name]: " hunter2" }, secrets: new Set() });
            expect(problems).toHaveLength(2);
            expect(problems.join("\n")).not.toContain("hunter2");
        }
    });

    it("is fine where a key need not be a secret, and so is a secret", () => {
        const values = { pgUser: "ana" };
        expect(parseConfiguration({ values, secrets: new Set() }).problems).toEqual([]);
        expect(parseConfiguration({ values, secrets: new Set(["pgUser"]) }).problems).toEqual([]);
    });
});

describe("baseImage", () => {
    it("is what the environment says where the key is unset", () => {
        expect(parse({}, "debian:trixie").value.baseImage).toBe("debian:trixie");
    });
    it("is the key's where both are set", () => {
        expect(parse({ baseImage: "debian:13" }, "debian:trixie").value.baseImage).toBe("debian:13");
    });
    it("is checked also where it comes from the environment", () => {
        expect(parse({}, "Debian 13").problems).toEqual([`baseImage: "Debian 13" ${imageHint}`]);
    });
});

describe("the roles of a PostgreSQL that runs here", () => {
    it("have the names that the reference says", () => {
        expect(keys.pgAuthUser.unset).toContain(defaultAuthUser);
        expect(defaultAuthUser).toBe("mlflow_auth");
        expect(keys.pgOwnerUser.unset).toContain(defaultOwner);
        expect(defaultOwner).toBe("mlflow_owner");
    });
});

describe("all problems together", () => {
    const everythingWrong = {
        mlflowPort: "0",
        bucket: "x",
        pgPassword: "in sight",
        mlflowBucketName: "MLflow",
        mlflowCpus: "many",
        pgHost: "db",
        pgOwnerUser: "chief",
        minioVolumePath: "/srv",
        minioVolumeName: "data",
        egress: "false",
        mlflowWorkers: "9",
        minioPort: "9001",
        bindAddress: "0.0.0.0",
        gatewayHttpPort: "80",
        modelServers: '[{"name":"iris","port":5100,"monitorSchedule":"0 * * * *"}]',
        monitorProject,
    };

    it("are reported at once: unknown keys, then the keys in their order, then combinations", () => {
        const { problems } = parseConfiguration({ values: everythingWrong, secrets: new Set() });
        expect(problems.map((problem) => problem.split(":")[0])).toEqual([
            "bucket",
            "mlflowPort",
            "pgPassword",
            "mlflowBucketName",
            "mlflowCpus",
            // Database, store, who is let in, network, memory, monitors, ports.
            "pgOwnerPassword",
            "minioVolumePath",
            "bindAddress",
            "gatewayHttpPort",
            "egress",
            "mlflowMemory",
            "monitorUsername",
            "monitorPassword",
            "minioConsoleAddress",
        ]);
    });

    it("make one text", () => {
        expect(problemText("dev", ["a: is wrong", "b: is wrong, too"])).toBe(
            'the configuration of stack "dev" has 2 problems:\n  a: is wrong\n  b: is wrong, too',
        );
    });

    it("are called a problem where it is one", () => {
        expect(problemText("dev", ["a: is wrong"])).toBe(
            'the configuration of stack "dev" has a problem:\n  a: is wrong',
        );
    });
});

describe("the name of a stack", () => {
    it.each([
        ["mlflow-platform", 38],
        ["p", 52],
    ])("may have, in project %s, %d characters", (projectName, length) => {
        expect(longestStackName(projectName)).toBe(length);
    });

    it("makes PostgreSQL's name as long as a label of DNS may be, and no longer", () => {
        const { length } = `${project}-${"s".repeat(longestStackName(project))}-postgres`;
        expect(length).toBe(63);
    });
});

describe("everything that is wrong with a stack", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
        commands.add("docker", {
            "--host ssh://elsewhere volume inspect": JSON.stringify({
                "mlflow-platform.project": "mlflow-platform",
                "mlflow-platform.stack": "prod",
            }),
        });
        vi.stubEnv("PATH", commands.variables.PATH);
    });
    afterEach(() => {
        commands.remove();
        vi.unstubAllEnvs();
    });

    const problemsOfStack = async (
        values: Record<string, string>,
        last: LastUpdate = {},
        stackName = "dev",
        raw: Partial<RawConfiguration> = {},
    ) =>
        (
            await configurationProblems({ values, secrets: new Set(secretNames), ...raw }, last, {
                project: "mlflow-platform",
                stack: stackName,
                engine: "ssh://elsewhere",
            })
        ).problems;
    const tooLong =
        `stack name: "${"s".repeat(39)}" has 39 characters, and its containers' names would be too long for DNS: use one of ` +
        "at most 38 (pulumi stack rename)";
    const parted =
        "mlflowBucketName: this stack's artifacts are in bucket old of the MinIO that runs here (the stack's own volume " +
        "minio_data) and would stay there, out of its sight: pulumi config set mlflowBucketName old, or use another stack " +
        `for other data (npm run delete-data -- ${"s".repeat(39)} first, where nothing of it is needed)`;
    // What an engine that is elsewhere is asked first, and this one does not answer.
    const asked = ["info --format {{.OperatingSystem}} {{json .SecurityOptions}}", "ps --quiet"].map(
        (command) => `--host ssh://elsewhere ${command}`,
    );
    const taken = "minioVolumeName: volume data holds the data of stack prod: set another volume's name";

    it("is nothing where nothing is", async () => {
        expect(await problemsOfStack({})).toEqual([]);
        expect(commands.calls()).toEqual(asked);
    });

    it("is the name of the stack where that is too long, by one character", async () => {
        expect(await problemsOfStack({}, {}, "s".repeat(38))).toEqual([]);
        expect(await problemsOfStack({}, {}, "s".repeat(39))).toEqual([tooLong]);
    });

    it("is one list: the stack's name, the keys, what parts it from its data, what the engine's host knows", async () => {
        expect(
            await problemsOfStack(
                {
                    mlflowPort: "x",
                    bucket: "y",
                    mlflowWorkers: "9",
                    minioVolumeName: "data",
                    pgPassword: "hunter2",
                },
                { dataPlaces: { minioVolumeName: "data", mlflowBucketName: "old" } },
                "s".repeat(39),
                { secrets: new Set() },
            ),
        ).toEqual([
            tooLong,
            expect.stringMatching(/^bucket: there is no such key: /),
            'mlflowPort: "x" is not a whole number from 1 to 65535',
            "pgPassword: is a secret but stands in plain text in the stack's file: pulumi config set --secret pgPassword",
            "mlflowMemory: 2048 MiB is too little for 9 workers: set at least 3000, or fewer mlflowWorkers",
            parted.replace("the stack's own volume minio_data", "volume data"),
            taken,
        ]);
        expect(commands.calls()).toEqual([
            "--host ssh://elsewhere volume inspect --format {{json .Labels}} data",
            ...asked,
        ]);
    });

    it("is what the last update knows alone, and what the engine alone", async () => {
        expect(await problemsOfStack({}, { dataPlaces: { mlflowBucketName: "old" } }, "s".repeat(38))).toEqual([
            parted.replace("s".repeat(39), "s".repeat(38)),
        ]);
        expect(await problemsOfStack({ minioVolumeName: "data" })).toEqual([taken]);
    });

    it("is told beside the values", async () => {
        const { value } = await configurationProblems(
            { values: { mlflowPort: "5001", minioPort: "x" }, secrets: new Set(), baseImage: "debian:13" },
            {},
            { project: "mlflow-platform", stack: "dev", engine: "ssh://elsewhere" },
        );
        expect(value).toMatchObject({ mlflowPort: 5001, baseImage: "debian:13", pgUser: "mlflow" });
        expect("minioPort" in value).toBe(false);
    });
});

describe("reading a stack's configuration", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
        commands.add("docker", {});
        vi.stubEnv("PATH", commands.variables.PATH);
        vi.stubEnv("DOCKER_HOST", "ssh://elsewhere");
        vi.stubEnv("MLFLOW_PLATFORM_BASE_IMAGE", undefined);
    });
    afterEach(() => {
        commands.remove();
        vi.unstubAllEnvs();
        pulumi.runtime.setAllConfig({}, []);
    });

    const read = async (values: Record<string, string>, secrets: string[] = [], last: LastUpdate = {}) => {
        pulumi.runtime.setAllConfig(values, secrets);
        return (await record(() => readConfiguration(last))).result;
    };

    it("takes this project's namespace and leaves the others alone", async () => {
        const value = await read({
            [`${project}:mlflowPort`]: "5001",
            "docker:host": "ssh://elsewhere",
            "other:mlflowPort": "x",
        });
        expect(value.mlflowPort).toBe(5001);
    });

    it("knows which values are secret", async () => {
        const value = await read({ [`${project}:pgPassword`]: "hunter2" }, [`${project}:pgPassword`]);
        expect(value.pgPassword).toBe("hunter2");
    });

    it("takes the base image from MLFLOW_PLATFORM_BASE_IMAGE", async () => {
        vi.stubEnv("MLFLOW_PLATFORM_BASE_IMAGE", "mlflow-platform/debian:trixie");
        expect((await read({})).baseImage).toBe("mlflow-platform/debian:trixie");
    });

    it.each<[string, Record<string, string>, string]>([
        ["DOCKER_HOST", {}, "ssh://elsewhere"],
        ["the Docker provider's, where that has one", { "docker:host": "ssh://there" }, "ssh://there"],
    ])("asks the engine of %s", async (_words, values, engine) => {
        await read({ ...values, [`${project}:minioVolumeName`]: "data" });
        expect(commands.calls()).toContain(`--host ${engine} volume inspect --format {{json .Labels}} data`);
        expect(commands.calls().filter((call) => !call.startsWith(`--host ${engine} `))).toEqual([]);
    });

    it("throws one error with every problem, which Pulumi shows without a stack", async () => {
        const failure: unknown = await read(
            { [`${project}:mlflowPort`]: "x", [`${project}:pgPassword`]: "in sight" },
            [],
            { dataPlaces: { pgDatabase: "old" } },
        ).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(UpdateError);
        expect(pulumi.RunError.isInstance(failure)).toBe(true);
        expect((failure as Error).stack).toBe("");
        expect((failure as Error).message).toBe(
            `the configuration of stack "${stack}" has 3 problems:\n` +
                '  mlflowPort: "x" is not a whole number from 1 to 65535\n' +
                "  pgPassword: is a secret but stands in plain text in the stack's file: pulumi config set --secret pgPassword\n" +
                "  pgDatabase: this stack's experiments are in database old of the PostgreSQL that runs here and would stay " +
                "there, out of its sight: pulumi config set pgDatabase old, or use another stack for other data (npm run " +
                "delete-data -- test first, where nothing of it is needed)",
        );
    });
});

describe("for any text", () => {
    const anyText = fc.oneof(
        fc.string({ unit: "binary", maxLength: 80 }),
        fc.string({ unit: fc.constantFrom(...Array.from("abz019.-_:/@ A\n")), maxLength: 80 }),
    );

    it("every key takes it or says in words why not", () => {
        fc.assert(
            fc.property(fc.constantFrom(...names), anyText, (name, text) => {
                const key: Key<unknown> = keys[name];
                try {
                    expect(name === "modelServers" ? ["object"] : ["string", "number", "boolean"]).toContain(
                        typeof key.parse(text),
                    );
                } catch (error) {
                    if ((error as Error).name === "AssertionError") {
                        throw error;
                    }
                    expect(error).toBeInstanceOf(Error);
                    expect((error as Error).message).not.toBe("");
                }
            }),
            { numRuns: 3000 },
        );
    });

    it("parsing a whole configuration never throws, and each problem is about a key that is set", () => {
        fc.assert(
            fc.property(fc.dictionary(fc.constantFrom(...names, "other"), anyText, { maxKeys: 6 }), (values) => {
                for (const problem of problemsOf(values)) {
                    expect(problem).toMatch(/^\w+(\[\d+\](\.\w+)?)?: ./);
                }
            }),
        );
    });

    it("a text that is taken is the value as it stands", () => {
        fc.assert(
            fc.property(anyText, (text) => {
                const { value, problems } = parse({ pgPassword: text });
                if (problems.length === 0) {
                    expect(value.pgPassword).toBe(text);
                }
            }),
        );
    });

    it("no text that is taken can end a line or lose a blank in a file of credentials", () => {
        fc.assert(
            fc.property(anyText, (text) => {
                const clean =
                    text !== "" &&
                    Array.from(text).every((character) => character >= " " && character !== "\u007f") &&
                    text.trim() === text;
                expect(problemsOf({ pgPassword: text }).length === 0).toBe(clean);
            }),
        );
    });

    it("a port is a number from 1 to 65535 in decimal digits", () => {
        // Written without the pattern that config.ts uses.
        const isPort = (text: string) =>
            text.length >= 1 &&
            text.length <= 9 &&
            Array.from(text).every((digit) => "0123456789".includes(digit)) &&
            Number(text) >= 1 &&
            Number(text) <= 65535;
        const near = fc.oneof(fc.integer({ min: -10, max: 70000 }).map(String), fc.float().map(String), anyText);
        fc.assert(
            fc.property(near, (text) => {
                expect(problemsOf({ pgPort: text })).toEqual(
                    isPort(text) ? [] : [`pgPort: "${text}" is not a whole number from 1 to 65535`],
                );
            }),
            { numRuns: 1000 },
        );
    });
});

describe("bucketNameDefect", () => {
    /** S3's and MinIO's rules once more, character by character. */
    function isBucketName(name: string): boolean {
        const isDigit = (character = "") => character.length === 1 && character >= "0" && character <= "9";
        const isAlphanumeric = (character = "") =>
            isDigit(character) || (character.length === 1 && character >= "a" && character <= "z");
        const characters = name.split("");
        if (characters.length < 3 || characters.length > 63) {
            return false;
        }
        if (!isAlphanumeric(characters[0]) || !isAlphanumeric(characters.at(-1))) {
            return false;
        }
        for (const [index, character] of characters.entries()) {
            if (!isAlphanumeric(character) && character !== "." && character !== "-") {
                return false;
            }
            const next = characters[index + 1];
            if (character === "." && (next === "." || next === "-")) {
                return false;
            }
            if (character === "-" && next === ".") {
                return false;
            }
        }
        const labels = name.split(".");
        if (labels.length === 4 && labels.every((label) => label.split("").every((digit) => isDigit(digit)))) {
            return false;
        }
        return (
            !["xn--", "sthree-", "amzn-s3-demo-"].some((prefix) => name.startsWith(prefix)) &&
            !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].some((suffix) => name.endsWith(suffix))
        );
    }

    const label = fc.string({ unit: fc.constantFrom(...Array.from("abcz0189-")), maxLength: 12 });
    const almost = fc.oneof(
        fc.string({ unit: fc.constantFrom(...Array.from("abcz0189.-")), maxLength: 66 }),
        fc.array(label, { maxLength: 5 }).map((labels) => labels.join(".")),
        fc.array(fc.nat({ max: 300 }), { minLength: 3, maxLength: 5 }).map((numbers) => numbers.join(".")),
        fc
            .tuple(
                fc.constantFrom("", "xn--", "sthree-", "amzn-s3-demo-", "xn-", "sthree"),
                label,
                fc.constantFrom("", "-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-ol-s3", "mrap"),
            )
            .map((parts) => parts.join("")),
        fc.string({ unit: "binary", maxLength: 10 }),
        fc.integer({ min: 0, max: 66 }).map((length) => "b".repeat(length)),
    );

    it("accepts exactly what the rules allow", () => {
        const seen = { accepted: 0, refused: 0 };
        fc.assert(
            fc.property(almost, (name) => {
                seen[isBucketName(name) ? "accepted" : "refused"] += 1;
                expect(bucketNameDefect(name) === undefined).toBe(isBucketName(name));
            }),
            { numRuns: 5000 },
        );
        // Neither side of the rule is left out.
        expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(500);
    });

    it("names the bucket and what to set in every refusal", () => {
        fc.assert(
            fc.property(almost, (name) => {
                const defect = bucketNameDefect(name);
                if (defect !== undefined) {
                    expect(defect.startsWith(`"${name}" `)).toBe(true);
                    expect(defect).toMatch(/: set (3 to 63|another name)/);
                }
            }),
        );
    });
});

describe("hostDefect", () => {
    /** The rules once more, label by label: what a resolver takes for a name, or four numbers. */
    function isHost(name: string): boolean {
        const labels = name.toLowerCase().split(".");
        const consistsOf = (digits: string, label: string) => Array.from(label).every((one) => digits.includes(one));
        const isNumber = (label: string) =>
            (label !== "" && consistsOf("0123456789", label)) ||
            (label.startsWith("0x") && consistsOf("0123456789abcdef", label.slice(2)));
        if (isNumber(labels.at(-1) ?? "")) {
            return (
                labels.length === 4 && labels.every((label) => Number(label) <= 255 && String(Number(label)) === label)
            );
        }
        const isLabel = (label: string) =>
            label !== "" &&
            label.length <= 63 &&
            Array.from(label.toLowerCase()).every((character) =>
                "abcdefghijklmnopqrstuvwxyz0123456789-".includes(character),
            ) &&
            !label.startsWith("-") &&
            !label.endsWith("-");
        return name.length <= 253 && labels.every(isLabel);
    }

    const label = fc.oneof(
        fc.string({ unit: fc.constantFrom(...Array.from("abxXZ09-")), maxLength: 6 }),
        fc.string({ unit: fc.constantFrom(...Array.from("af09")), maxLength: 3 }).map((digits) => `0x${digits}`),
        fc.nat({ max: 300 }).map(String),
    );
    const almost = fc
        .oneof(
            fc.array(label, { maxLength: 4 }).map((labels) => labels.join(".")),
            fc.string({ unit: fc.constantFrom(...Array.from("ab9.-_:/@ ä")), maxLength: 10 }),
            fc.string({ unit: "binary", maxLength: 10 }),
            fc
                .array(fc.integer({ min: 128, max: 300 }), { minLength: 2, maxLength: 5 })
                .map((numbers) => numbers.join(".")),
            fc.ipV4(),
            fc.nat({ max: 2 ** 32 }).map(String),
            fc.integer({ min: 60, max: 66 }).map((length) => `${"a".repeat(length)}.example.com`),
            fc.integer({ min: 240, max: 260 }).map((length) => "a.".repeat(130).slice(0, length - 1) + "b"),
        )
        // Those that are the container itself have a rule of their own.
        .filter((name) => !name.startsWith("127.") && name !== "0.0.0.0");

    it("accepts exactly what is a host's name or an IPv4 address", () => {
        const seen = { accepted: 0, refused: 0 };
        fc.assert(
            fc.property(almost, (name) => {
                seen[isHost(name) ? "accepted" : "refused"] += 1;
                expect([name, hostDefect(name, "pgPort") === undefined]).toEqual([name, isHost(name)]);
            }),
            { numRuns: 3000 },
        );
        expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(500);
    });

    it("accepts nothing that could be more than a host in a URL", () => {
        fc.assert(
            fc.property(almost, (name) => {
                if (hostDefect(name, "minioPort") === undefined) {
                    const url = new URL(`http://${name}:9000`);
                    expect([url.hostname, url.port, url.pathname, url.username]).toEqual([
                        name.toLowerCase(),
                        "9000",
                        "/",
                        "",
                    ]);
                }
            }),
            { numRuns: 1000 },
        );
    });

    it("never accepts a container's own address, and says what to set instead", () => {
        const loopback = fc
            .tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 }), fc.nat({ max: 255 }))
            .map((rest) => ["127", ...rest].join("."));
        fc.assert(
            fc.property(loopback, (name) => {
                expect(hostDefect(name, "pgPort")).toBe(`"${name}" ${ownHint}`);
            }),
        );
    });

    it("takes every IPv6 address for one", () => {
        fc.assert(
            fc.property(
                fc.ipV6().filter((address) => address !== "::1"),
                (address) => {
                    expect(hostDefect(address, "pgPort")).toBe(
                        `"${address}" is an IPv6 address: set a name that stands for it`,
                    );
                },
            ),
        );
    });

    it.each(["pgPort", "minioPort"])("names the key of the port: %s", (key) => {
        expect(hostDefect("http://db", key)).toBe(`"http://db" ${hostHint(key)}`);
    });
});

describe("names and references for any text", () => {
    it("a PostgreSQL name that is taken fits in 63 bytes", () => {
        fc.assert(
            fc.property(fc.string({ unit: "binary", maxLength: 70 }), (name) => {
                if (postgresNameDefect(name) === undefined) {
                    expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(63);
                } else {
                    expect(postgresNameDefect(name)).toContain(`"${name}"`);
                }
            }),
        );
    });

    it("an image reference that is taken has no blank, no upper case in its path and one tag at most", () => {
        const piece = fc.constantFrom(
            "mlflow",
            "a.b",
            "x_y",
            "Up",
            ":",
            ":1.2",
            "/",
            "@sha256:",
            digest,
            "host:5000/",
            " ",
            "-",
        );
        fc.assert(
            fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
                const reference = pieces.join("");
                if (imageReferenceDefect(reference) === undefined) {
                    expect(reference).not.toContain(" ");
                    const path = reference.slice(reference.indexOf("/") + 1);
                    const [name = "", ...rest] = (path.split("@")[0] ?? "").split(":");
                    expect(rest.length).toBeLessThanOrEqual(1);
                    expect(name).toBe(name.toLowerCase());
                }
            }),
            { numRuns: 2000 },
        );
    });
});

describe("published ports", () => {
    it.each([
        [":9001", 9001],
        ["0.0.0.0:80", 80],
        ["[::]:65535", 65535],
    ])("portOf(%j) is %d", (address, number) => {
        expect(portOf(address)).toBe(number);
    });

    it("are those of the tracking server, the S3 API and the console", () => {
        expect(publishedPorts(parse({}).value)).toEqual({
            mlflowPort: 5000,
            minioPort: 9000,
            minioConsoleAddress: 9001,
        });
    });

    it("have the gateway's plain port beside them", () => {
        expect(publishedPorts(parse({ ...withGateway, gatewayHttpPort: "80" }).value)).toEqual({
            mlflowPort: 5000,
            gatewayHttpPort: 80,
            minioPort: 9000,
            minioConsoleAddress: 9001,
        });
    });

    it("are the tracking server's alone where S3 is somebody else's", () => {
        expect(publishedPorts(parse(externalStore).value)).toEqual({ mlflowPort: 5000 });
        expect(publishedPorts(parse({ ...externalStore, mlflowPort: "x" }).value)).toEqual({});
    });

    it("are so also where the host of that has a problem of its own, which only the caller knows", () => {
        const { value } = parse({ ...externalStore, minioHost: "localhost" });
        expect(value.minioHost).toBeUndefined();
        expect(publishedPorts(value, true)).toEqual({ mlflowPort: 5000 });
    });

    it("have those of model servers among them, by their places", () => {
        const modelServers = '[{"name":"iris","port":5100},{"name":"wine","port":"80"}]';
        const ofModels = { "modelServers[0].port": 5100, "modelServers[1].port": 80 };
        expect(publishedPorts(parse({ modelServers }).value)).toEqual({
            ...ofModels,
            mlflowPort: 5000,
            minioPort: 9000,
            minioConsoleAddress: 9001,
        });
        expect(publishedPorts(parse({ ...externalStore, modelServers }).value)).toEqual({
            ...ofModels,
            mlflowPort: 5000,
        });
        expect(publishedPorts(parse({ modelServers: '[{"name":"iris","port":0}]' }).value)).toEqual({
            mlflowPort: 5000,
            minioPort: 9000,
            minioConsoleAddress: 9001,
        });
    });

    it("leave out a key that has a problem", () => {
        expect(publishedPorts(parse({ minioPort: "x" }).value)).toEqual({
            mlflowPort: 5000,
            minioConsoleAddress: 9001,
        });
    });
});
