/** What one update records for the next, and what a configuration may not do with a stack that has data. */
import { execFileSync } from "node:child_process";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseConfiguration } from "../../config.ts";
import { type DataPlaces, type LastUpdate, partingProblems, readLastUpdate, recordPlaces } from "../../lastUpdate.ts";
import { project, record, stack as recordedStack, valueOf } from "./support/recording.ts";
import { text } from "./support/texts.ts";

const failing = <T>() =>
    pulumi.output(1).apply((): T => {
        throw new Error("not this time");
    });

/** Places of a stack that has everything here. */
const here: DataPlaces = {
    pgHost: "",
    pgDatabase: "mlflow",
    minioHost: "",
    minioVolumePath: "",
    minioVolumeName: "",
    mlflowBucketName: "mlflow",
};

describe("reading the last update", () => {
    const read = async (lastOutputs?: Record<string, unknown>) =>
        record(readLastUpdate, lastOutputs === undefined ? {} : { lastOutputs });

    it("gives its jobs and its places", async () => {
        const jobs = { "mlflow-migrate": { exitCode: 1, attempt: 3 } };
        const dataPlaces = { ...here, pgHost: "db.example.com" };
        const { result, registrations } = await read({ jobs, dataPlaces, trackingUri: "http://127.0.0.1:5000" });
        expect(result).toEqual({ jobs, dataPlaces });
        expect(registrations).toEqual([]);
    });

    it.each<[string, Record<string, unknown> | undefined]>([
        ["a stack that is new", undefined],
        ["an update that got to no output", {}],
        ["a version of the program that recorded neither", { trackingUri: "http://127.0.0.1:5000" }],
    ])("gives nothing of %s", async (_words, outputs) => {
        expect((await read(outputs)).result).toEqual({ jobs: undefined, dataPlaces: undefined });
    });
});

describe("the record of the places", () => {
    const configurationOf = (values: Record<string, string>) =>
        parseConfiguration({ values, secrets: new Set(Object.keys(values)) }).value;
    const known = pulumi.output("anything");
    const facts = { cluster: known, database: known, store: known, bucket: known };
    const recorded = async (
        values: Record<string, string>,
        more: Partial<Parameters<typeof recordPlaces>[1]> = {},
        last: LastUpdate = {},
    ) => {
        const { result } = await record(() => recordPlaces(configurationOf(values), { ...facts, ...more }, last));
        return valueOf(pulumi.output(result));
    };

    it.each<[string, Record<string, string>, Partial<DataPlaces>]>([
        ["everything here", {}, {}],
        [
            "another database and bucket",
            { pgDatabase: "a", mlflowBucketName: "bucket" },
            { pgDatabase: "a", mlflowBucketName: "bucket" },
        ],
        ["an external PostgreSQL", { pgHost: "db", pgPassword: "x" }, { pgHost: "db" }],
        ["an external store", { minioHost: "s3", minioAccessKey: "a", minioSecretAccessKey: "b" }, { minioHost: "s3" }],
        ["a directory", { minioVolumePath: "/srv/minio" }, { minioVolumePath: "/srv/minio" }],
        ["a volume by name", { minioVolumeName: "data" }, { minioVolumeName: "data" }],
        [
            "the stack's own volume by its name, which is no other place",
            { minioVolumeName: `${project}-${recordedStack}-minio_data` },
            {},
        ],
        [
            "another stack's volume",
            { minioVolumeName: `${project}-prod-minio_data` },
            { minioVolumeName: `${project}-prod-minio_data` },
        ],
    ])("of %s", async (_words, values, places) => {
        expect(await recorded(values)).toEqual({ ...here, ...places });
    });

    /** Which places are as they were where a fact is not known, and as configuration has them where it is. */
    const byFact: [keyof Parameters<typeof recordPlaces>[1], (keyof DataPlaces)[]][] = [
        ["cluster", ["pgHost"]],
        ["database", ["pgDatabase"]],
        ["store", ["minioHost", "minioVolumePath", "minioVolumeName"]],
        ["bucket", ["mlflowBucketName"]],
    ];
    const before: DataPlaces = {
        pgHost: "old",
        pgDatabase: "old",
        minioHost: "old",
        minioVolumePath: "/old",
        minioVolumeName: "old",
        mlflowBucketName: "old",
    };

    it.each(byFact)("is as it was where this update did not get to the %s", async (fact, keys) => {
        const expected = Object.fromEntries(keys.map((key) => [key, before[key]]));
        expect(await recorded({}, { [fact]: failing() }, { dataPlaces: before })).toEqual({ ...here, ...expected });
    });

    it.each(byFact)("has nothing where no update got to the %s", async (fact, keys) => {
        const expected = Object.fromEntries(keys.map((key) => [key, undefined]));
        expect(await recorded({}, { [fact]: failing() })).toEqual({ ...here, ...expected });
    });

    it("shows no secret that a fact holds, nor the fact", async () => {
        const places = recordPlaces(configurationOf({}), facts, {});
        expect(await Promise.all(Object.values(places).map((place) => pulumi.isSecret(place)))).toEqual(
            Object.keys(places).map(() => false),
        );
    });
});

describe("a configuration that parts a stack from its data", () => {
    /** The problems of a stack whose last update recorded `last`, with these keys set now. */
    const parting = (values: Record<string, string>, last: Partial<DataPlaces> | undefined, stack = "dev") => {
        const { value } = parseConfiguration({ values, secrets: new Set(Object.keys(values)) });
        return partingProblems(
            value,
            (key) => values[key] !== undefined,
            last === undefined ? {} : { dataPlaces: last },
            { project: "mlflow-platform", stack },
        );
    };
    const problem = (key: string, where: string, undo: string, stack = "dev") =>
        `${key}: this stack's ${where} and would stay there, out of its sight: ${undo}, or use another stack for other data ` +
        `(npm run delete-data -- ${stack} first, where nothing of it is needed)`;
    const database = { pgPassword: "x" };
    const store = { minioAccessKey: "a", minioSecretAccessKey: "b" };
    const ours = "the PostgreSQL that runs here";
    const minio = "the MinIO that runs here (the stack's own volume minio_data)";

    it.each<[string, Record<string, string>, Partial<DataPlaces>, string[]]>([
        [
            "from the PostgreSQL that runs here to an external one",
            { pgHost: "db.example.com", ...database },
            here,
            [problem("pgHost", `experiments are in ${ours}`, "pulumi config rm pgHost")],
        ],
        [
            "from an external PostgreSQL to the one that runs here",
            {},
            { ...here, pgHost: "db.example.com" },
            [
                problem(
                    "pgHost",
                    "experiments are in the PostgreSQL at db.example.com",
                    "pulumi config set pgHost db.example.com",
                ),
            ],
        ],
        [
            "from one external PostgreSQL to another",
            { pgHost: "new.example.com", ...database },
            { ...here, pgHost: "old.example.com" },
            [
                problem(
                    "pgHost",
                    "experiments are in the PostgreSQL at old.example.com",
                    "pulumi config set pgHost old.example.com",
                ),
            ],
        ],
        [
            "to another database of the PostgreSQL that runs here",
            { pgDatabase: "new" },
            here,
            [
                problem(
                    "pgDatabase",
                    `experiments are in database mlflow of ${ours}`,
                    "pulumi config set pgDatabase mlflow",
                ),
            ],
        ],
        [
            "to the default database, of an external PostgreSQL",
            { pgHost: "db", ...database },
            { ...here, pgHost: "db", pgDatabase: "old" },
            [
                problem(
                    "pgDatabase",
                    "experiments are in database old of the PostgreSQL at db",
                    "pulumi config set pgDatabase old",
                ),
            ],
        ],
        [
            "from the MinIO that runs here to an external store",
            { minioHost: "s3.example.com", ...store },
            here,
            [problem("minioHost", `artifacts are in ${minio}`, "pulumi config rm minioHost")],
        ],
        [
            "from the MinIO that runs here in a directory to an external store",
            { minioHost: "s3.example.com", ...store },
            { ...here, minioVolumePath: "/srv/minio" },
            [
                problem(
                    "minioHost",
                    "artifacts are in the MinIO that runs here (directory /srv/minio)",
                    "pulumi config rm minioHost",
                ),
            ],
        ],
        [
            "from an external store to the MinIO that runs here",
            {},
            { ...here, minioHost: "s3.example.com" },
            [
                problem(
                    "minioHost",
                    "artifacts are in the S3 store at s3.example.com",
                    "pulumi config set minioHost s3.example.com",
                ),
            ],
        ],
        [
            "from one external store to another",
            { minioHost: "10.0.0.2", ...store },
            { ...here, minioHost: "10.0.0.1" },
            [problem("minioHost", "artifacts are in the S3 store at 10.0.0.1", "pulumi config set minioHost 10.0.0.1")],
        ],
        [
            "from the stack's own volume to a directory",
            { minioVolumePath: "/srv/minio" },
            here,
            [
                problem(
                    "minioVolumePath",
                    "artifacts are in the stack's own volume minio_data",
                    "pulumi config rm minioVolumePath",
                ),
            ],
        ],
        [
            "from a directory to the stack's own volume",
            {},
            { ...here, minioVolumePath: "/srv/minio" },
            [
                problem(
                    "minioVolumePath",
                    "artifacts are in directory /srv/minio",
                    "pulumi config set minioVolumePath /srv/minio",
                ),
            ],
        ],
        [
            "from the stack's own volume to one by name",
            { minioVolumeName: "data" },
            here,
            [
                problem(
                    "minioVolumeName",
                    "artifacts are in the stack's own volume minio_data",
                    "pulumi config rm minioVolumeName",
                ),
            ],
        ],
        [
            "from a volume by name to the stack's own",
            {},
            { ...here, minioVolumeName: "data" },
            [problem("minioVolumeName", "artifacts are in volume data", "pulumi config set minioVolumeName data")],
        ],
        [
            "from a volume by name to the stack's own, by its name",
            { minioVolumeName: "mlflow-platform-dev-minio_data" },
            { ...here, minioVolumeName: "data" },
            [problem("minioVolumeName", "artifacts are in volume data", "pulumi config set minioVolumeName data")],
        ],
        [
            "from the stack's own volume to that of another stack or project",
            { minioVolumeName: "mlflow-platform-prod-minio_data" },
            here,
            [
                problem(
                    "minioVolumeName",
                    "artifacts are in the stack's own volume minio_data",
                    "pulumi config rm minioVolumeName",
                ),
            ],
        ],
        [
            "from a directory to a volume by name",
            { minioVolumeName: "data" },
            { ...here, minioVolumePath: "/srv/minio" },
            [
                problem(
                    "minioVolumePath",
                    "artifacts are in directory /srv/minio",
                    "pulumi config set minioVolumePath /srv/minio",
                ),
                problem("minioVolumeName", "artifacts are in directory /srv/minio", "pulumi config rm minioVolumeName"),
            ],
        ],
        [
            "from a volume by name to a directory",
            { minioVolumePath: "/srv/minio" },
            { ...here, minioVolumeName: "data" },
            [
                problem("minioVolumePath", "artifacts are in volume data", "pulumi config rm minioVolumePath"),
                problem("minioVolumeName", "artifacts are in volume data", "pulumi config set minioVolumeName data"),
            ],
        ],
        [
            "to another bucket of the MinIO that runs here",
            { mlflowBucketName: "new" },
            { ...here, minioVolumeName: "data" },
            [
                problem("minioVolumeName", "artifacts are in volume data", "pulumi config set minioVolumeName data"),
                problem(
                    "mlflowBucketName",
                    "artifacts are in bucket mlflow of the MinIO that runs here (volume data)",
                    "pulumi config set mlflowBucketName mlflow",
                ),
            ],
        ],
        [
            "to another bucket of an external store",
            { minioHost: "s3", mlflowBucketName: "new", ...store },
            { ...here, minioHost: "s3" },
            [
                problem(
                    "mlflowBucketName",
                    "artifacts are in bucket mlflow of the S3 store at s3",
                    "pulumi config set mlflowBucketName mlflow",
                ),
            ],
        ],
        [
            "wholly: what is inside a place is not compared where the place is another",
            {
                pgHost: "db",
                pgDatabase: "new",
                minioHost: "s3",
                mlflowBucketName: "new",
                ...database,
                ...store,
            },
            { ...here, minioVolumePath: "/srv/minio" },
            [
                problem("pgHost", `experiments are in ${ours}`, "pulumi config rm pgHost"),
                problem(
                    "minioHost",
                    "artifacts are in the MinIO that runs here (directory /srv/minio)",
                    "pulumi config rm minioHost",
                ),
            ],
        ],
    ])("is refused: %s", (_words, values, last, problems) => {
        expect(parting(values, last)).toEqual(problems);
    });

    it("names the stack whose data it is", () => {
        expect(parting({ pgDatabase: "new" }, here, "prod")).toEqual([
            problem(
                "pgDatabase",
                `experiments are in database mlflow of ${ours}`,
                "pulumi config set pgDatabase mlflow",
                "prod",
            ),
        ]);
    });

    it.each<[string, Record<string, string>, Partial<DataPlaces> | undefined]>([
        ["everything is where it was", {}, here],
        ["a default is written out", { pgDatabase: "mlflow", mlflowBucketName: "mlflow" }, here],
        ["the name of its own volume is written out", { minioVolumeName: "mlflow-platform-dev-minio_data" }, here],
        [
            "it is where it was, elsewhere",
            { pgHost: "db", minioHost: "s3", ...database, ...store },
            { ...here, pgHost: "db", minioHost: "s3" },
        ],
        ["other keys change", { pgUser: "ana", minioPort: "9010", minioRegion: "eu-central-1" }, here],
        ["the stack is new", { pgHost: "db", minioHost: "s3", pgDatabase: "x", ...database, ...store }, undefined],
        ["its first update got to no data", { pgHost: "db", pgDatabase: "x", ...database }, {}],
        [
            "there is data in the database alone, and the store changes",
            { minioHost: "s3", mlflowBucketName: "new", ...store },
            { pgHost: "", pgDatabase: "mlflow" },
        ],
        [
            "there is data in the store alone, and the database changes",
            { pgHost: "db", pgDatabase: "new", ...database },
            { minioHost: "", minioVolumePath: "", minioVolumeName: "", mlflowBucketName: "mlflow" },
        ],
        ["the cluster is there and no database yet", { pgDatabase: "new" }, { pgHost: "" }],
    ])("is none where %s", (_words, values, last) => {
        expect(parting(values, last)).toEqual([]);
    });

    it.each<[keyof DataPlaces, string]>([
        ["pgHost", "localhost"],
        ["pgDatabase", "pg_mine"],
        ["minioHost", "http://s3"],
        ["minioVolumePath", "srv"],
        ["minioVolumeName", "a/b"],
        ["mlflowBucketName", "MLflow"],
    ])("is not reported of %s where that has a problem of its own, such as %s", (key, value) => {
        const { problems } = parseConfiguration({ values: { [key]: value }, secrets: new Set() });
        expect(problems[0]).toMatch(new RegExp(`^${key}: `));
        const elsewhere: DataPlaces = {
            pgHost: "db",
            pgDatabase: "old",
            minioHost: "s3",
            minioVolumePath: "/srv/minio",
            minioVolumeName: "data",
            mlflowBucketName: "old",
        };
        // Everything but that key is where it was.
        const last = { ...here, [key]: elsewhere[key] };
        expect(parting({ [key]: value }, last)).toEqual([]);
    });

    it.each<[string, Record<string, string>, Partial<DataPlaces>]>([
        [
            "pgHost",
            { pgHost: "localhost", pgDatabase: "new", ...database },
            { ...here, pgHost: "db", pgDatabase: "old" },
        ],
        ["pgHost, where PostgreSQL runs here", { pgHost: "localhost", pgDatabase: "new", ...database }, here],
        [
            "minioHost",
            { minioHost: "localhost", minioVolumePath: "/a", minioVolumeName: "vb", mlflowBucketName: "new", ...store },
            { ...here, minioHost: "s3", mlflowBucketName: "old" },
        ],
        [
            "minioHost, where MinIO runs here",
            { minioHost: "localhost", mlflowBucketName: "new", ...store },
            { ...here, minioVolumePath: "/a" },
        ],
    ])("is not reported of what is inside a host that has a problem of its own: %s", (_words, values, last) => {
        expect(parting(values, last)).toEqual([]);
    });

    it("is reported of the other host where one has a problem of its own", () => {
        expect(
            parting({ pgHost: "localhost", minioHost: "s3", mlflowBucketName: "new", ...database, ...store }, here),
        ).toEqual([problem("minioHost", `artifacts are in ${minio}`, "pulumi config rm minioHost")]);
        expect(parting({ minioHost: "localhost", pgDatabase: "new", ...store }, here)).toEqual([
            problem(
                "pgDatabase",
                `experiments are in database mlflow of ${ours}`,
                "pulumi config set pgDatabase mlflow",
            ),
        ]);
    });

    const own = "mlflow-platform-dev-minio_data";
    /** The places of a configuration, any that the program could have. */
    const places = fc.record({
        pgHost: fc.constantFrom("", "db", "10.0.0.1"),
        pgDatabase: fc.constantFrom("mlflow", "a", "b"),
        minioHost: fc.constantFrom("", "s3", "10.0.0.1"),
        minioVolumePath: fc.constantFrom("", "/a", "/b"),
        minioVolumeName: fc.constantFrom("", "va", "vb"),
        mlflowBucketName: fc.constantFrom("mlflow", "abc", "bcd"),
    });
    const set = (some: DataPlaces) =>
        Object.fromEntries(Object.entries(some).filter(([, value]) => value !== "")) as Partial<DataPlaces>;

    it("is none exactly where every place that counts is the same, and goes away by what it says", () => {
        const undo = (values: Record<string, string>, problems: readonly string[]) => {
            const next = { ...values };
            for (const some of problems) {
                const [, key = "", value] = /: pulumi config (?:rm|set) (\w+)(?: (\S+))?, or use/.exec(some) ?? [];
                if (value === undefined) {
                    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
                    delete next[key];
                } else {
                    next[key] = value;
                }
            }
            return next;
        };
        fc.assert(
            fc.property(places, places, fc.boolean(), (before, now, spelt) => {
                // The stack's own volume may be set by its name.
                const values: Record<string, string> = {
                    ...(spelt ? { minioVolumeName: own } : {}),
                    ...set(now),
                };
                const problems = parting(values, before);
                const sameDatabase = before.pgHost === now.pgHost && before.pgDatabase === now.pgDatabase;
                const sameStore =
                    before.minioHost === now.minioHost &&
                    before.minioVolumePath === now.minioVolumePath &&
                    before.minioVolumeName === now.minioVolumeName &&
                    before.mlflowBucketName === now.mlflowBucketName;
                expect(problems.length === 0).toBe(sameDatabase && sameStore);
                expect(problems.some((some) => some.includes("experiments are in"))).toBe(!sameDatabase);
                expect(problems.some((some) => some.includes("artifacts are in"))).toBe(!sameStore);
                // The outer places first, then what is inside them.
                const once = undo(values, problems);
                const twice = undo(once, parting(once, before));
                expect(parting(twice, before)).toEqual([]);
            }),
            { numRuns: 500 },
        );
    });

    it("is undone by a command that a shell takes as it is meant", () => {
        const command = (value: string) =>
            / sight: (.*), or use another stack for other data \(/.exec(
                parting({}, { pgDatabase: value })[0] ?? "",
            )?.[1];
        expect(command("a.b-c:1/2_3")).toBe("pulumi config set pgDatabase a.b-c:1/2_3");
        expect(command("my data")).toBe("pulumi config set pgDatabase 'my data'");
        expect(command("it's")).toBe("pulumi config set pgDatabase 'it'\\''s'");
        // Else Pulumi would take it for an option.
        expect(command("-x")).toBe("pulumi config set pgDatabase -- -x");
        expect(command("--")).toBe("pulumi config set pgDatabase -- --");
        expect(command("- x")).toBe("pulumi config set pgDatabase -- '- x'");
        fc.assert(
            fc.property(
                fc
                    .tuple(fc.constantFrom("", "-", "--"), text)
                    .map((parts) => parts.join(""))
                    .filter((some) => some !== "mlflow"),
                (value) => {
                    const words = execFileSync("/bin/sh", [
                        "-c",
                        `pulumi() { printf '%s\\0' "$@"; }\n${command(value) ?? ""}`,
                    ]);
                    expect(words.toString().split("\0").slice(0, -1)).toEqual([
                        "config",
                        "set",
                        "pgDatabase",
                        ...(value.startsWith("-") ? ["--"] : []),
                        value,
                    ]);
                },
            ),
            { numRuns: 40 },
        );
    });
});
