import fc from "fast-check";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
    type Configuration,
    type Key,
    bucketNameDefect,
    imageReferenceDefect,
    keys,
    parseConfiguration,
    portOf,
    postgresNameDefect,
    problemText,
    publishedPorts,
    readConfiguration,
} from "../../config.ts";
import { project, record, stack } from "./support/recording.ts";

const names = Object.keys(keys) as (keyof Configuration)[];
const secretNames = ["minioSecretAccessKey", "pgPassword", "minioRootPassword", "pgOwnerPassword"];

/** Parses with every key that must be a secret being one. */
function parse(values: Record<string, string>, baseImage?: string) {
    return parseConfiguration({ values, secrets: new Set(secretNames), baseImage });
}
const problemsOf = (values: Record<string, string>) => parse(values).problems;

const bucketHint = "set 3 to 63 lower-case letters, digits, dots and hyphens, such as mlflow";
const imageHint = "is not an image reference: set one such as registry.example.com/mlflow:3.17.2";
const loopbackHint =
    "is not a loopback address, and without login and TLS everybody who reaches it could read and delete everything: " +
    "set 127.0.0.1, and reach it from elsewhere by an SSH tunnel";
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
const atLeast = (length: number): Record<string, string> => ({
    ...texts,
    [".".repeat(length - 1)]: `has ${length - 1} characters: MinIO needs at least ${length}`,
});
const role = (value: string): Row => ({
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
            ].map((name) => [name, `"${name}" is taken by PostgreSQL or this platform: set another name`]),
        ),
    },
});
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
    minioHost: { default: undefined, takes: {}, refuses: texts },
    minioPort: port(9000),
    pgUser: role("mlflow"),
    pgPassword: { default: undefined, takes: { x: "x", "p ä'\\:@/": "p ä'\\:@/" }, refuses: texts },
    pgHost: { default: undefined, takes: {}, refuses: texts },
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
    minioStorageUseHttps: {
        default: false,
        takes: { false: false },
        refuses: Object.fromEntries(
            ["", "yes", "TRUE", "1", " true"].map((text) => [text, `"${text}" is neither true nor false`]),
        ),
    },
    bindAddress: {
        default: "127.0.0.1",
        takes: { "127.0.0.2": "127.0.0.2", "127.1.2.3": "127.1.2.3" },
        refuses: {
            ...texts,
            ...Object.fromEntries(
                [
                    "0.0.0.0",
                    "192.168.1.10",
                    "::",
                    "::1",
                    "localhost",
                    "127.0.0.1.example.com",
                    "127.999.0.1",
                    "1127.0.0.1",
                    "127.0.1",
                ].map((address) => [address, `"${address}" ${loopbackHint}`]),
            ),
        },
    },
    pgOwnerUser: role("mlflow_owner"),
    pgOwnerPassword: { default: undefined, takes: { x: "x" }, refuses: texts },
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
    mlflowImage: image,
    minioImage: image,
    postgresImage: image,
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
};

/** Other keys that a key's values need beside them, so that they are judged alone. */
const beside: Partial<Record<keyof Configuration, Record<string, string>>> = { mlflowMemory: { mlflowWorkers: "1" } };

describe("the table of keys", () => {
    it("is described completely by these tests", () => {
        expect(names).toEqual(Object.keys(table));
    });

    it.each(names)("%s is documented, with what stands in for it when it is unset", (name) => {
        const key: Key<unknown> = keys[name];
        expect(key.doc).toMatch(/^[A-Z].*\.$/);
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
        const { value, problems } = parse({ ...beside[name], [name]: text });
        expect(problems).toEqual([]);
        expect(value[name]).toBe(expected);
    });

    it.each(Object.entries(row.refuses))("refuses %j", (text, reason) => {
        expect(problemsOf({ [name]: text })).toEqual([`${name}: ${reason}`]);
    });
});

describe("what this version does not have is refused, with the way out", () => {
    it.each([
        [
            { pgHost: "db.example.com" },
            "pgHost: an existing PostgreSQL is not supported in this version: pulumi config rm pgHost, and PostgreSQL runs here",
        ],
        [
            { minioHost: "s3.example.com" },
            "minioHost: an existing S3 store is not supported in this version: pulumi config rm minioHost, and MinIO runs here",
        ],
        [
            { minioStorageUseHttps: "true" },
            "minioStorageUseHttps: TLS for the store that runs here is not supported in this version: set false; it is published on loopback only",
        ],
    ])("%j", (values, problem) => {
        expect(problemsOf(values)).toEqual([problem]);
    });
});

describe("keys that do not go together", () => {
    const differentPorts = "set two different ports";

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
        const { problems } = parseConfiguration({ values: { [name]: "long enough" }, secrets: new Set() });
        expect(problems).toEqual([
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

describe("all problems together", () => {
    const everythingWrong = {
        mlflowPort: "0",
        bucket: "x",
        pgPassword: "in sight",
        mlflowBucketName: "MLflow",
        mlflowCpus: "many",
        pgHost: "db",
        minioVolumePath: "/srv",
        minioVolumeName: "data",
    };

    it("are reported at once: unknown keys, then the keys in their order, then combinations", () => {
        const { problems } = parseConfiguration({ values: everythingWrong, secrets: new Set() });
        expect(problems.map((problem) => problem.split(":")[0])).toEqual([
            "bucket",
            "mlflowPort",
            "pgPassword",
            "mlflowBucketName",
            "mlflowCpus",
            "pgHost",
            "minioVolumePath",
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

describe("reading a stack's configuration", () => {
    afterEach(() => {
        vi.unstubAllEnvs();
        pulumi.runtime.setAllConfig({}, []);
    });

    const read = async (values: Record<string, string>, secrets: string[] = []) => {
        pulumi.runtime.setAllConfig(values, secrets);
        return (await record(readConfiguration)).result;
    };

    it("takes this project's namespace and leaves the others alone", async () => {
        const value = await read({
            [`${project}:mlflowPort`]: "5001",
            "docker:host": "unix:///x",
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

    it("throws one error with every problem, which Pulumi shows without a stack", async () => {
        const failure: unknown = await read({
            [`${project}:mlflowPort`]: "x",
            [`${project}:pgPassword`]: "in sight",
        }).catch((error: unknown) => error);
        expect(pulumi.RunError.isInstance(failure)).toBe(true);
        expect((failure as Error).message).toBe(
            `the configuration of stack "${stack}" has 2 problems:\n` +
                '  mlflowPort: "x" is not a whole number from 1 to 65535\n' +
                "  pgPassword: is a secret but stands in plain text in the stack's file: pulumi config set --secret pgPassword",
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
                    expect(["string", "number", "boolean"]).toContain(typeof key.parse(text));
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
                    expect(problem).toMatch(/^\w+: ./);
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

    it("leave out a key that has a problem", () => {
        expect(publishedPorts(parse({ minioPort: "x" }).value)).toEqual({
            mlflowPort: 5000,
            minioConsoleAddress: 9001,
        });
    });
});
