import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keys } from "../../../config.ts";
import {
    type ImportOptions,
    type Origin,
    addressOf,
    composeKeys,
    decideImport,
} from "../../../operations/stacks/importDecisions.ts";
import { importTable } from "../../../operations/stacks/importTable.ts";

const origin: Origin = { directory: "/home/ana/Old.Project", home: "/home/ana", volumes: [] };

function decide(variables: Readonly<Record<string, string>>, options: ImportOptions = {}, from: Origin = origin) {
    const { rows, values } = decideImport(new Map(Object.entries(variables)), from, options);
    const row = (variable: string) => rows.find((some) => some.variable === variable);
    return { rows, values, row };
}

/** All 16, as such a file has them. */
const usual = {
    MLFLOW_PORT: "5000",
    MINIO_ACCESS_KEY: "minioadmin",
    MINIO_SECRET_ACCESS_KEY: "minioadmin-secret",
    MINIO_HOST: "s3",
    MINIO_PORT: "9000",
    PG_USER: "tracking",
    PG_PASSWORD: "pg-secret",
    PG_HOST: "localhost",
    PG_PORT: "5433",
    PG_DATABASE: "experiments",
    MLFLOW_BUCKET_NAME: "artifacts",
    MINIO_VOLUME_PATH: "./data",
    MINIO_CONSOLE_ADDRESS: ":9001",
    MINIO_ROOT_USER: "minioadmin",
    MINIO_ROOT_PASSWORD: "minioadmin-secret",
    MINIO_STORAGE_USE_HTTPS: "False",
};

it("knows the 16 variables of the Compose file", () => {
    expect([...composeKeys.keys()]).toEqual(Object.keys(usual));
});

describe("a usual file", () => {
    it("becomes a stack of its own, which leaves the old data where it is", () => {
        const { values, rows } = decide(usual);
        expect(values).toEqual({
            mlflowPort: "5000",
            minioPort: "9000",
            pgUser: "tracking",
            pgPassword: "pg-secret",
            pgDatabase: "experiments",
            mlflowBucketName: "artifacts",
            minioConsoleAddress: ":9001",
            minioRootUser: "minioadmin",
            minioRootPassword: "minioadmin-secret",
            minioStorageUseHttps: "false",
        });
        const leftOut = rows.filter(({ decision }) => decision === "left out").map(({ variable }) => variable);
        expect(leftOut).toEqual([
            "MINIO_ACCESS_KEY",
            "MINIO_SECRET_ACCESS_KEY",
            "MINIO_HOST",
            "PG_HOST",
            "PG_PORT",
            "MINIO_VOLUME_PATH",
        ]);
    });

    it("says that takeover copies what is left out, and which option keeps it where it is", () => {
        const { row } = decide(usual);
        expect(row("PG_HOST")?.why).toMatch(/npm run takeover copies.*--keep-database/);
        expect(row("MINIO_VOLUME_PATH")?.why).toMatch(/npm run takeover copies.*--in-place/);
    });

    it("keeps database and objects where they are if asked to", () => {
        const { values } = decide(usual, { keepDatabase: true, inPlace: true });
        expect(values).toMatchObject({
            pgHost: "host.docker.internal",
            pgPort: "5433",
            minioVolumePath: "/home/ana/Old.Project/data",
        });
    });

    it("gets other ports by --ports", () => {
        const { values, row } = decide({ MLFLOW_PORT: "5000" }, { ports: ["5010", "9010", "9011"] });
        expect(values).toEqual({ mlflowPort: "5010", minioPort: "9010", minioConsoleAddress: ":9011" });
        expect(row("MLFLOW_PORT")).toMatchObject({ decision: "changed", why: "by --ports" });
        expect(decide({}, { ports: ["x", "9010", "9011"] }).row("MLFLOW_PORT")?.decision).toBe("refused");
        // The port of somebody else's store is not for this stack to choose.
        const other = { MINIO_HOST: "s3.example.com", MINIO_PORT: "443" };
        expect(decide(other, { ports: ["5010", "9010", "9011"] }).values).toEqual({
            mlflowPort: "5010",
            minioHost: "s3.example.com",
            minioPort: "443",
        });
    });
});

describe("MINIO_HOST", () => {
    it.each([
        "s3",
        "minio",
        "MINIO",
        "mlflow_minio",
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "http://s3:9000",
        "https://mlflow_minio",
        "s3:9000",
        "http://localhost:9000/",
    ])("%s is the Compose file's own MinIO", (host) => {
        const { values, row } = decide({ MINIO_HOST: host });
        expect(values).toEqual({});
        expect(row("MINIO_HOST")).toMatchObject({ decision: "left out", value: host });
    });

    it.each(["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_VOLUME_PATH"])(
        "any name beside %s is, too, and the reason names it",
        (variable) => {
            const { values, row } = decide({ MINIO_HOST: "files.example.com", [variable]: "long-enough" });
            expect(values.minioHost).toBeUndefined();
            expect(row("MINIO_HOST")?.why).toContain(`${variable} beside it`);
            // An empty one says nothing.
            expect(decide({ MINIO_HOST: "files.example.com", [variable]: "" }).values.minioHost).toBe(
                "files.example.com",
            );
        },
    );

    it.each([
        ["s3.example.com", {}, { minioHost: "s3.example.com" }],
        ["s3.example.com:9443", {}, { minioHost: "s3.example.com", minioPort: "9443" }],
        ["http://s3.example.com", {}, { minioHost: "s3.example.com", minioPort: "80" }],
        ["https://s3.example.com", {}, { minioHost: "s3.example.com", minioPort: "443", minioStorageUseHttps: "true" }],
        [
            "https://me:pass@s3.example.com:8443/path",
            { MINIO_PORT: "8443", MINIO_STORAGE_USE_HTTPS: "yes" },
            { minioHost: "s3.example.com", minioPort: "8443", minioStorageUseHttps: "true" },
        ],
        ["host.docker.internal", { MINIO_PORT: "9000" }, { minioHost: "host.docker.internal", minioPort: "9000" }],
    ])("%s is somebody else's store", (host, others, expected) => {
        expect(decide({ MINIO_HOST: host, ...others }).values).toEqual(expected);
    });

    it.each([
        ["http://s3.example.com:9000", { MINIO_PORT: "9443" }, "has port 9000, and MINIO_PORT says 9443"],
        ["https://s3.example.com", { MINIO_STORAGE_USE_HTTPS: "false" }, "MINIO_STORAGE_USE_HTTPS says false"],
        ["ftp://s3.example.com", {}, "has the scheme ftp"],
        ["two words", {}, "is not a host's name or address"],
        ["a_b.example.com", {}, "minioPort"],
    ])("%s is refused with what to correct", (host, others, why) => {
        const { values, row } = decide({ MINIO_HOST: host, ...others });
        expect(row("MINIO_HOST")).toMatchObject({ decision: "refused" });
        expect(row("MINIO_HOST")?.why).toContain(why);
        expect(values.minioHost).toBeUndefined();
    });

    it("never shows a name and password in it", () => {
        expect(decide({ MINIO_HOST: "http://me:pass@s3:9000" }).row("MINIO_HOST")?.value).toBe("http://…@s3:9000");
    });

    it("of somebody else has no console and no data here", () => {
        const { row } = decide({ MINIO_HOST: "s3.example.com", MINIO_CONSOLE_ADDRESS: ":9001" });
        expect(row("MINIO_CONSOLE_ADDRESS")).toMatchObject({ decision: "left out", why: "no MinIO runs here" });
    });
});

describe("MINIO_VOLUME_PATH", () => {
    it.each([
        ["/srv/minio", { minioVolumePath: "/srv/minio" }],
        ["./data", { minioVolumePath: "/home/ana/Old.Project/data" }],
        ["../data/minio", { minioVolumePath: "/home/ana/data/minio" }],
        ["data/minio", { minioVolumePath: "/home/ana/Old.Project/data/minio" }],
        ["~", { minioVolumePath: "/home/ana" }],
        ["~/minio", { minioVolumePath: "/home/ana/minio" }],
        ["minio_data", { minioVolumeName: "minio_data" }],
    ])("%s in place", (path, expected) => {
        const there = { ...origin, volumes: ["minio_data"] };
        expect(decide({ MINIO_VOLUME_PATH: path }, { inPlace: true }, there).values).toEqual(expected);
        expect(decide({ MINIO_VOLUME_PATH: path }).values).toEqual({});
    });

    it("that names a volume finds the one that Compose made of it", () => {
        const volumes = ["oldproject_minio_data", "minio_data", "other_minio_data"];
        const found = decide({ MINIO_VOLUME_PATH: "minio_data" }, { inPlace: true }, { ...origin, volumes });
        expect(found.values).toEqual({ minioVolumeName: "oldproject_minio_data" });
        const named = { MINIO_VOLUME_PATH: "minio_data", COMPOSE_PROJECT_NAME: "other" };
        expect(decide(named, { inPlace: true }, { ...origin, volumes }).values).toEqual({
            minioVolumeName: "other_minio_data",
        });
        const { row } = decide({ MINIO_VOLUME_PATH: "elsewhere" }, { inPlace: true }, { ...origin, volumes });
        expect(row("MINIO_VOLUME_PATH")).toMatchObject({
            decision: "refused",
            why: "no volume oldproject_elsewhere or elsewhere was found: an empty one would be made",
        });
    });

    it("that names a volume is taken at its word where no engine can be asked", () => {
        const unknown = { ...origin, volumes: undefined };
        const { values } = decide({ MINIO_VOLUME_PATH: "minio_data" }, { inPlace: true }, unknown);
        expect(values).toEqual({ minioVolumeName: "minio_data" });
    });

    it("has to be there for --in-place, as PG_HOST has for --keep-database", () => {
        expect(decide({}, { inPlace: true }).row("MINIO_VOLUME_PATH")).toMatchObject({ decision: "refused" });
        expect(decide({}, { keepDatabase: true }).row("PG_HOST")).toMatchObject({ decision: "refused" });
    });
});

describe("an address with a password in it", () => {
    it.each(["mlflow:s3cret@db", "postgresql://u:pa/s3cret@db/x", "u:p@s3cret@db"])("%s is not shown", (address) => {
        const { row } = decide({ PG_HOST: address }, { keepDatabase: true });
        expect(JSON.stringify(row("PG_HOST"))).not.toContain("s3cret");
    });
});

describe("PG_HOST with --keep-database", () => {
    const keep = { keepDatabase: true };
    it.each([
        ["localhost", { pgHost: "host.docker.internal" }, "changed"],
        ["127.0.0.1", { pgHost: "host.docker.internal" }, "changed"],
        ["localhost:5433", { pgHost: "host.docker.internal", pgPort: "5433" }, "changed"],
        ["host.docker.internal", { pgHost: "host.docker.internal" }, "set"],
        ["db.example.com", { pgHost: "db.example.com" }, "set"],
        ["postgresql://db.example.com:6543/x", { pgHost: "db.example.com", pgPort: "6543" }, "changed"],
        ["192.0.2.7", { pgHost: "192.0.2.7" }, "set"],
    ])("%s", (host, expected, decision) => {
        const { values, row } = decide({ PG_HOST: host }, keep);
        expect(values).toEqual(expected);
        expect(row("PG_HOST")?.decision).toBe(decision);
    });

    it.each(["postgres", "db", "pg", "postgresql", "database", "mlflow_db", "db-1"])(
        "%s is a Compose service's name, which the new stack's network does not know",
        (host) => {
            const { row, values } = decide({ PG_HOST: host }, keep);
            expect(row("PG_HOST")?.decision).toBe("refused");
            expect(row("PG_HOST")?.why).toContain("PG_HOST=host.docker.internal");
            expect(values).toEqual({});
            // Where PostgreSQL runs here it does not matter.
            expect(decide({ PG_HOST: host }).row("PG_HOST")?.decision).toBe("left out");
        },
    );

    it("keeps the old login and database, whatever they are called", () => {
        const { values } = decide({ PG_HOST: "db.example.com", PG_USER: "postgres", PG_PASSWORD: "x" }, keep);
        expect(values).toMatchObject({ pgUser: "postgres", pgPassword: "x" });
    });
});

describe("names that the PostgreSQL that runs here has for itself", () => {
    it("are left out, with the superuser's password", () => {
        const { values, row } = decide({ PG_USER: "postgres", PG_PASSWORD: "secret", PG_DATABASE: "postgres" });
        expect(values).toEqual({});
        expect(row("PG_PASSWORD")).toMatchObject({ decision: "left out" });
        expect(decide({ PG_USER: "mlflow_owner" }).values).toEqual({});
    });
});

describe("MINIO_ACCESS_KEY", () => {
    it("that is the root user becomes a key that is generated, with another secret", () => {
        const { row } = decide(usual);
        expect(row("MINIO_ACCESS_KEY")?.why).toContain("a key for its bucket alone is generated");
        expect(row("MINIO_SECRET_ACCESS_KEY")?.decision).toBe("left out");
    });

    it("of its own stays, with its secret", () => {
        const { values } = decide({ ...usual, MINIO_ACCESS_KEY: "mlflow-key" });
        expect(values).toMatchObject({ minioAccessKey: "mlflow-key", minioSecretAccessKey: "minioadmin-secret" });
    });

    it("of somebody else's store stays", () => {
        const { values } = decide({ MINIO_HOST: "s3.example.com", MINIO_ACCESS_KEY: "AKIAEXAMPLE" });
        expect(values.minioAccessKey).toBe("AKIAEXAMPLE");
    });
});

describe("forms of a value", () => {
    it.each(["5000", ":5000", "127.0.0.1:5000", "0.0.0.0:5000", "[::]:5000", "05000"])("%s is port 5000", (text) => {
        expect(decide({ MLFLOW_PORT: text }).values).toEqual({ mlflowPort: "5000" });
    });

    it.each(["5000:5000", "5000-5010", "http", "", " ", "5000/tcp", "0", "70000"])("%j is no port", (text) => {
        const { values, row } = decide({ MLFLOW_PORT: text });
        expect(values).toEqual({});
        expect(row("MLFLOW_PORT")?.decision).toBe(text.trim() === "" ? "unset" : "refused");
    });

    it("an address for others is not taken over, and the reason says what is", () => {
        expect(decide({ MLFLOW_PORT: "192.0.2.7:5000" }).row("MLFLOW_PORT")?.why).toContain(
            "publicHost and bindAddress",
        );
    });

    it.each([":9001", "9001", "0.0.0.0:9001", "localhost:9001"])("%s is the console's address :9001", (text) => {
        expect(decide({ MINIO_CONSOLE_ADDRESS: text }).values).toEqual({ minioConsoleAddress: ":9001" });
    });

    it.each([
        ...["true", "True", "TRUE", "1", "yes", "on", "t"].map((text) => [text, "true"]),
        ...["false", "False", "0", "no", "off", "f"].map((text) => [text, "false"]),
    ])("%s is %s", (text, expected) => {
        expect(decide({ MINIO_STORAGE_USE_HTTPS: text }).values).toEqual({ minioStorageUseHttps: expected });
    });

    it.each([
        ["MINIO_STORAGE_USE_HTTPS", "maybe", "is neither true nor false"],
        ["MINIO_CONSOLE_ADDRESS", "console", "is not an address with a port"],
        ["PG_PORT", "x", "is not a port"],
        ["MLFLOW_BUCKET_NAME", "My_Bucket", "contains other characters than those allowed"],
        ["MINIO_ROOT_PASSWORD", "short", "has 5 characters: MinIO needs at least 8"],
        ["MINIO_ROOT_USER", "me", "has 2 characters"],
        ["PG_USER", "pg_me", "begins with pg_"],
        ["PG_PASSWORD", "two\nlines", "contains a control character"],
        ["PG_PASSWORD", " blank", "begins or ends with a blank"],
        ["MINIO_VOLUME_PATH", "C:\\data", "is not an absolute path"],
    ])("%s=%j is refused with what to set", (variable, text, why) => {
        const { values, row } = decide({ [variable]: text }, { inPlace: variable === "MINIO_VOLUME_PATH" });
        expect(row(variable)).toMatchObject({ variable, decision: "refused" });
        expect(row(variable)?.why).toContain(why);
        expect(values).toEqual({});
    });

    it("an empty one is unset, and says what stands in for it", () => {
        expect(decide({ PG_PASSWORD: "" }).row("PG_PASSWORD")).toMatchObject({
            decision: "unset",
            why: "empty: generated once and kept",
        });
        expect(decide({}).row("PG_DATABASE")).toMatchObject({ decision: "unset", why: "not in the file: mlflow" });
    });

    it.each([
        ["s3", { scheme: undefined, host: "s3", port: undefined }],
        ["HTTPS://a.b:1/c", { scheme: "https", host: "a.b", port: "1" }],
        ["[fe80::1]:2", { scheme: undefined, host: "fe80::1", port: "2" }],
        ["http://", undefined],
        ["a b", undefined],
    ])("the address %s", (text, expected) => {
        expect(addressOf(text)).toEqual(expected);
    });
});

describe("any file", () => {
    const value = fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 30 }),
        fc.constantFrom(
            "",
            "localhost",
            "http://s3:9000",
            "5000",
            "true",
            "minioadmin",
            "/srv/minio",
            "~/x",
            "[::1]:9",
        ),
    );
    const name = fc.oneof(fc.constantFrom(...composeKeys.keys()), fc.string({ minLength: 1, maxLength: 12 }));
    const options = fc.record({ inPlace: fc.boolean(), keepDatabase: fc.boolean() });

    it("has a row for each variable and for each of the 16, once; what is set is in a row that says so", () => {
        fc.assert(
            fc.property(fc.array(fc.tuple(name, value)), options, (pairs, chosen) => {
                const variables = new Map(pairs);
                const { rows, values } = decideImport(variables, origin, chosen);
                const expected = new Set([...composeKeys.keys(), ...variables.keys()]);
                expect(rows.map(({ variable }) => variable).sort()).toEqual([...expected].sort());
                const setting = rows.filter(({ decision }) => ["set", "changed"].includes(decision));
                expect(setting.flatMap((row) => row.keys).sort()).toEqual(Object.keys(values).sort());
                for (const [key, text] of Object.entries(values)) {
                    expect(() => keys[key as keyof typeof keys].parse(text)).not.toThrow();
                }
            }),
            { numRuns: 500 },
        );
    });

    it("shows no value that is secret or unknown in the table", () => {
        fc.assert(
            fc.property(fc.constantFrom(...composeKeys.keys(), "AWS_TOKEN"), options, (variable, chosen) => {
                const secret = "never-to-be-seen\n1";
                const row = decideImport(new Map([[variable, secret]]), origin, chosen).rows.find(
                    (some) => some.variable === variable,
                );
                if (row?.secret) {
                    expect(importTable([row], 400)).not.toContain("never-to-be-seen");
                }
            }),
        );
    });
});

describe("the table", () => {
    const { rows } = decide({ ...usual, EXTRA: "x", MINIO_VOLUME_PATH: `/srv/${"long/".repeat(12)}minio` });
    it("has every row, within its width, and breaks what is long", () => {
        const lines = importTable(rows, 140).split("\n");
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(140);
        for (const { variable } of rows) {
            expect(lines.filter((line) => line.startsWith(`│ ${variable} `))).toHaveLength(1);
        }
        expect(importTable(rows, 140)).not.toContain("…");
    });
});
