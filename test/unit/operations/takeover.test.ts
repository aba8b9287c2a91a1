import { spawnSync } from "node:child_process";
import {
    mkdirSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    realpathSync,
    rmSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { placesOf } from "../../../operations/places.ts";
import { networkProblems } from "../../../operations/takeover/checks.ts";
import { contents } from "../../../operations/takeover/contents.ts";
import { databaseNames } from "../../../operations/takeover/databases.ts";
import { earlierInstallation, placeOf } from "../../../operations/takeover/earlier.ts";
import { composeProject } from "../../../operations/stacks/composeEnv.ts";
import { afterFailure, leftBehind } from "../../../operations/takeover/exchange.ts";
import {
    type DatabaseFindings,
    type DiskFindings,
    databaseProblems,
    diskProblems,
    overview,
    rowDifferences,
    runningProblems,
    stackProblems,
} from "../../../operations/takeover/findings.ts";
import { jobArguments } from "../../../operations/takeover/job.ts";
import { prefixOf } from "../../../operations/takeover/options.ts";
import { readPhase, takeoverFiles, writePhase } from "../../../operations/takeover/record.ts";
import { roomProblems } from "../../../operations/takeover/room.ts";
import { takeLock } from "../../../operations/takeover/takeoverLock.ts";
import type { Target } from "../../../operations/takeover/target.ts";
import { type Running, realPath, stopCommands, usersOf } from "../../../operations/takeover/users.ts";

const env = `
# the earlier installation
PG_HOST=db.example.org
PG_USER=mlflow
PG_PASSWORD='pa$$ word#1'
PG_DATABASE=runs
MLFLOW_BUCKET_NAME=mlflow
BASE=/srv
MINIO_VOLUME_PATH=\${BASE}/minio
`;

describe("the .env of an earlier installation", () => {
    it("says where database, bucket and objects are", () => {
        expect(earlierInstallation(env, "/home/me/ml/.env", undefined, {})).toEqual({
            earlier: {
                postgres: {
                    host: "db.example.org",
                    port: 5432,
                    user: "mlflow",
                    password: "pa$$ word#1",
                    database: "runs",
                },
                bucket: "mlflow",
                data: { kind: "directory", path: "/srv/minio" },
            },
            problems: [],
        });
    });

    it("is refused with everything that lacks, at once", () => {
        const { earlier, problems } = earlierInstallation(
            "PG_HOST=a\nPG_PORT=x\nPG_PASSWORD=\n",
            ".env",
            undefined,
            {},
        );
        expect(earlier).toBeUndefined();
        expect(problems).toEqual([
            ".env does not set PG_USER, PG_PASSWORD, PG_DATABASE, MLFLOW_BUCKET_NAME.",
            "PG_PORT in .env is not a port: x.",
        ]);
    });

    it.each([
        ["localhost", "host"],
        ["127.0.0.1", "host"],
        ["localhost.example.org", undefined],
        ["db", undefined],
    ])("has %s on the network %s", (host, network) => {
        const text = env.replace("db.example.org", host);
        expect(earlierInstallation(text, ".env", undefined, {}).earlier).toMatchObject({ postgres: { host }, network });
    });

    it("is refused where a line cannot be read, without its value", () => {
        const { problems } = earlierInstallation(`${env}\nOTHER="open secret`, ".env", undefined, {});
        expect(problems.join()).toMatch(/^\.env: line \d+: /);
        expect(problems.join()).not.toContain("secret");
    });

    it("takes the shell's variables only where a value refers to one", () => {
        const { earlier } = earlierInstallation(env, ".env", undefined, {
            PG_DATABASE: "of the surroundings",
            BASE: "/mnt",
        });
        expect(earlier?.postgres.database).toBe("runs");
        expect(earlier?.data).toEqual({ kind: "directory", path: "/mnt/minio" });
    });

    it("is refused where what it needs refers to a variable that is nowhere set", () => {
        const direct = env.replace("PG_USER=mlflow", "PG_USER=ml$NAME\nNOTE=$NOBODY");
        expect(earlierInstallation(direct, ".env", undefined, {}).problems).toEqual([
            "PG_USER in .env refers to NAME, which is not set.",
        ]);
        expect(earlierInstallation(direct, ".env", undefined, { NAME: "flow" }).earlier?.postgres.user).toBe("mlflow");
        const passedOn = env.replace("BASE=/srv", "BASE=$DISK/srv");
        expect(earlierInstallation(passedOn, ".env", undefined, {}).problems).toEqual([
            "BASE in .env refers to DISK, which is not set.",
        ]);
        const withDefault = env.replace("PG_USER=mlflow", "PG_USER=${NAME:-mlflow}");
        expect(earlierInstallation(withDefault, ".env", undefined, {}).problems).toEqual([]);
    });

    it.each([
        ["./data", { kind: "directory", path: "/home/me/My ML/data" }],
        ["../data", { kind: "directory", path: "/home/me/data" }],
        ["/data", { kind: "directory", path: "/data" }],
        ["~/data", { kind: "directory", path: join(homedir(), "data") }],
        ["minio_data", { kind: "volume", names: ["myml_minio_data", "minio_data"] }],
    ])("has its objects where Compose takes them from: %s", (source, place) => {
        const file = "/home/me/My ML/.env";
        expect(placeOf(source, file, composeProject(dirname(file), undefined))).toEqual(place);
    });

    it("has the Compose file's volume where it names none, and what --data names before all", () => {
        const without = env.replace(/MINIO_VOLUME_PATH.*/, "MINIO_VOLUME_PATH=\nCOMPOSE_PROJECT_NAME=Team-1");
        expect(earlierInstallation(without, "/a/.env", undefined, {}).earlier?.data).toEqual({
            kind: "volume",
            names: ["team-1_minio_data", "minio_data"],
        });
        expect(earlierInstallation(env, "/a/.env", "/other", {}).earlier?.data).toEqual({
            kind: "directory",
            path: "/other",
        });
    });
});

const running = (name: string, more: Partial<Running> = {}): Running => ({
    name,
    mounts: [],
    addresses: [],
    words: [],
    compose: undefined,
    ...more,
});

describe("who uses the earlier data", () => {
    const all = [
        running("same", { mounts: [{ source: "/srv/minio", volume: undefined }] }),
        running("inside", { mounts: [{ source: "/srv/minio/mlflow", volume: undefined }] }),
        running("around", { mounts: [{ source: "/srv", volume: undefined }] }),
        running("beside", { mounts: [{ source: "/srv/minio2", volume: undefined }] }),
        running("volume", { mounts: [{ source: "/var/lib/docker/volumes/x/_data", volume: "x" }] }),
        running("tmpfs", { mounts: [{ source: "", volume: undefined }] }),
    ];

    it("is whoever has the directory, a part of it or what it is in", () => {
        expect(usersOf(all, "/srv/minio").map(({ name }) => name)).toEqual(["same", "inside", "around"]);
    });

    it("is whoever has it by a symbolic link, in the one path or the other", () => {
        const directory = realpathSync(mkdtempSync(join(tmpdir(), "takeover-")));
        try {
            const [data, link] = [join(directory, "data"), join(directory, "link")];
            mkdirSync(data);
            symlinkSync(data, link);
            const user = (source: string) => [running("user", { mounts: [{ source, volume: undefined }] })];
            expect(usersOf(user(data), link)).toEqual([]);
            expect(usersOf(user(data), link, realPath)).toHaveLength(1);
            expect(usersOf(user(join(link, "bucket")), data, realPath)).toHaveLength(0);
            mkdirSync(join(data, "bucket"));
            expect(usersOf(user(join(link, "bucket")), data, realPath)).toHaveLength(1);
            expect(realPath(join(directory, "elsewhere"))).toBe(join(directory, "elsewhere"));
        } finally {
            rmSync(directory, { recursive: true });
        }
    });

    it("is whoever has the volume", () => {
        expect(usersOf(all, "x").map(({ name }) => name)).toEqual(["volume"]);
    });

    it("is stopped by Compose where that started it, else by its name", () => {
        const compose = { directory: "/home/me/My ML", service: "s3" };
        const containers = [
            running("mlflow_minio", { compose }),
            running("ml-mlflow-1", { compose: { ...compose, service: "mlflow" } }),
            running("by hand"),
        ];
        expect(stopCommands(containers)).toEqual([
            "docker compose --project-directory '/home/me/My ML' stop s3 mlflow",
            "docker stop 'by hand'",
        ]);
        expect(runningProblems(containers, "/srv/minio")[0]?.cure).toContain("docker stop 'by hand'");
        expect(runningProblems([], "/srv/minio")).toEqual([]);
    });
});

const none = { count: 0, some: [] };
const disk: DiskFindings = {
    format: "xl-single",
    version: "3",
    drives: 1,
    buckets: ["mlflow"],
    there: true,
    objects: 3,
    files: 4,
    bytes: 2 ** 20,
    free: 2 ** 40,
    device: 1,
    same: false,
    unreadable: none,
    encrypted: none,
    tiered: none,
    unreachable: none,
};

describe("the earlier MinIO's data", () => {
    const problems = (found: Partial<DiskFindings>) =>
        diskProblems({ ...disk, ...found }, "/srv/minio", "mlflow").map(({ what }) => what);

    it("is taken with one drive of a format that the stack's MinIO has", () => {
        expect(problems({})).toEqual([]);
    });

    it.each([
        [{ format: null }, "is not MinIO's data"],
        [{ format: "fs" }, "has the format fs"],
        [{ format: "xl", drives: 4 }, "is one of 4 drives"],
        [{ version: "4" }, "in format xl-single 4"],
        [{ there: false, buckets: ["a", "b"] }, "has no bucket mlflow; it has a, b."],
        [{ unreadable: { count: 1, some: ["x"] } }, "written by a newer MinIO"],
        [
            { encrypted: { count: 9, some: ["x", "y"] } },
            "9 objects are encrypted with a key of the earlier MinIO: x, y …",
        ],
        [{ tiered: { count: 1, some: ["x"] } }, "kept in another store"],
    ])("is refused: %j", (found, word) => {
        expect(problems(found)).toEqual([expect.stringContaining(word)]);
    });
});

const database: Exclude<DatabaseFindings, { refused: string }> = {
    version: "16.3",
    versionNumber: 160_003,
    schema: "public",
    revisions: ["0584bdc529eb"],
    known: true,
    sessions: [],
    tables: ["runs"],
    others: ["of somebody else"],
    bytes: 2 ** 20,
    rows: { runs: 7, experiments: 2 },
    changes: [["runs", "artifact_uri", 6]],
    left: [["runs", "artifact_uri", "file:", "elsewhere", 1]],
    mentions: [["params", "value", 2]],
};

const postgres = { host: "db", port: 5432, user: "mlflow", password: "secret", database: "runs" };

describe("the earlier database", () => {
    const problems = (found: Partial<typeof database>, containers: Running[] = []) =>
        databaseProblems({ ...database, ...found }, postgres, containers);

    it("is taken where this MLflow knows its schema and nobody uses it", () => {
        expect(problems({})).toEqual([]);
    });

    it.each([
        [{ versionNumber: 180_001, version: "18.1" }, "is 18.1, and the stack's is 17"],
        [{ revisions: [], known: false }, "is not MLflow's"],
        [{ revisions: ["abc"], known: false }, "at schema revision abc, which the stack's MLflow does not know"],
        [{ schema: "other" }, "are in schema other"],
    ])("is refused: %j", (found, word) => {
        expect(problems(found).map(({ what }) => what)).toEqual([expect.stringContaining(word)]);
    });

    it("is refused while it is in use, with the command that stops what uses it", () => {
        const session = { usename: "mlflow", address: "172.18.0.4", application_name: "" };
        const [known] = problems({ sessions: [session, session] }, [
            running("other", { addresses: ["172.18.0.5"] }),
            running("ml-mlflow-1", { addresses: ["172.18.0.4"] }),
        ]);
        expect(known?.what).toContain("2 connections, from 172.18.0.4");
        expect(known?.cure).toContain("docker stop ml-mlflow-1");
        const behindGateway = running("ml-mlflow-1", { words: ["PG_HOST=db", "postgresql://mlflow:secret@db/runs"] });
        const [byName] = problems({ sessions: [session] }, [running("other", { words: ["db"] }), behindGateway]);
        expect(byName?.cure).toBe("Stop what uses it:\n  docker stop ml-mlflow-1");
        expect(problems({ sessions: [session] })[0]?.cure).toContain("docker compose stop mlflow");
    });

    it("is refused in the database's words where it cannot be reached", () => {
        expect(databaseProblems({ refused: "no route" }, postgres, [])[0]?.what).toContain("no route");
    });
});

describe("the stack", () => {
    it("is refused with data of its own, which is said", () => {
        expect(stackProblems({ runs: 0, traces: 0 }, "dev", false)).toEqual([]);
        const [problem] = stackProblems({ runs: 3, traces: 0, experiments: 1 }, "dev", false);
        expect(problem?.what).toBe("Stack dev has data of its own: 3 runs, 1 experiments.");
        expect(problem?.cure).toContain("npm run delete-data -- dev");
    });

    it("is never told to delete its data where the earlier objects are among it", () => {
        const [problem] = stackProblems({ runs: 1 }, "dev", true);
        expect(problem?.cure).not.toContain("npm run delete-data");
        expect(problem?.cure).toContain("--stack <name>, without --in-place");
    });

    it("is looked through for everything that a user can make in its MLflow, and for objects", async () => {
        const asked: string[] = [];
        const target = {
            configuration: { pgDatabase: "mlflow", mlflowBucketName: "objects" },
            sql: (statement: string) => {
                asked.push(statement);
                const answers = statement.includes("pg_tables")
                    ? ["runs", "webhooks"]
                    : statement.includes("count(*)")
                      ? ["runs\t0", "webhooks\t2"]
                      : ["7"];
                return Promise.resolve(answers);
            },
            ask: (args: readonly string[]) => {
                expect(args).toEqual(["own", "--bucket", "objects", "--but", "7"]);
                return Promise.resolve({ objects: 3 });
            },
            withData: () => ({}),
        } as unknown as Target;
        const say = () => undefined;
        expect(await contents(target, false, say)).toEqual({ runs: 0, webhooks: 2, objects: 3 });
        // In place the objects are not the stack's own.
        expect(await contents(target, true, say)).toEqual({ runs: 0, webhooks: 2 });
        expect(asked.join()).toContain("webhooks WHERE deleted_timestamp IS NULL");
        // A table that this schema does not have.
        expect(asked.join()).not.toContain("FROM scorers");
    });

    it("is the one that its own network's names mean", () => {
        const problems = (host: string, own = true) => networkProblems(host, own, ["mlflow-platform-dev-postgres"]);
        for (const host of [
            "postgres",
            "Postgres",
            "mlflow",
            "minio",
            "s3",
            "mlflow_minio",
            "mlflow-platform-dev-postgres",
        ]) {
            expect(problems(host)[0]?.cure).toContain("--network");
        }
        expect(problems("db.example.org")).toEqual([]);
        expect(problems("postgres", false)).toEqual([]);
    });
});

describe("the room for the copies", () => {
    const gib = 2 ** 30;
    const copy = (what: string, device: string, bytes: number, free = 10 * gib) => ({ what, device, bytes, free });

    it("is asked for all that go to one disk together", () => {
        expect(roomProblems([copy("objects", "a", 5 * gib), copy("database", "b", 5 * gib)])).toEqual([]);
        expect(roomProblems([copy("objects", "a", 5 * gib), copy("database", "a", 5 * gib)])[0]?.what).toBe(
            "The disk has 10.0 GiB free, and the copies take up to 10.0 GiB (objects 5.0 GiB, database 5.0 GiB), with 1 GiB to spare.",
        );
    });

    it("leaves 1 GiB", () => {
        expect(roomProblems([copy("dump", "a", 9 * gib)])).toEqual([]);
        expect(roomProblems([copy("dump", "a", 9 * gib + 1)])).toHaveLength(1);
    });
});

describe("a path in the bucket", () => {
    it.each([
        [undefined, undefined],
        ["", undefined],
        ["/", undefined],
        ["/a/b/", "a/b"],
        ["a", "a"],
    ])("%s is %s", (prefix, path) => {
        expect(prefixOf(prefix)).toBe(path);
    });

    it.each(["s3://bucket/a", "mlflow-artifacts:/a"])("is not %s", (prefix) => {
        expect(() => prefixOf(prefix)).toThrow("is a URL");
    });
});

describe("a takeover that failed", () => {
    it("has left what its phase says", () => {
        expect(afterFailure("preparing", "dev")).toContain("Stack dev serves what it had");
        expect(afterFailure("swapping", "dev")).not.toContain("serves what it had,");
        expect(afterFailure("swapping", "dev")).toContain("first brings back what the stack had");
        expect(afterFailure("swapped", "dev")).toContain("serves what the earlier installation had");
    });

    it("is not undone by one that only checks", () => {
        expect(leftBehind(undefined, "dev")).toBe("nothing");
        expect(leftBehind("preparing", "dev")).toContain("the next takeover clears up");
        expect(() => leftBehind("swapping", "dev")).toThrow("was interrupted in its exchange");
    });
});

describe("a stack's takeover", () => {
    const inDirectory = (test: (files: { directory: string; lock: string }) => void) => {
        const directory = mkdtempSync(join(tmpdir(), "takeover-"));
        try {
            test({ directory, lock: join(directory, "lock.json") });
        } finally {
            rmSync(directory, { recursive: true });
        }
    };

    it("is alone, until it gives its lock back", () => {
        inDirectory((files) => {
            const release = takeLock(files, "dev");
            expect(() => takeLock(files, "dev")).toThrow(
                `Another takeover of stack dev is under way: process ${process.pid} on this host.`,
            );
            release();
            expect(readdirSync(files.directory)).toEqual([]);
            takeLock(files, "dev")();
        });
    });

    it("takes over the lock of a process of this host that is gone, and no other", () => {
        inDirectory((files) => {
            const { pid } = spawnSync(process.execPath, ["--version"]);
            writeFileSync(files.lock, JSON.stringify({ pid, hostname: "another.example.org" }));
            expect(() => takeLock(files, "dev")).toThrow(`process ${pid} on another.example.org`);
            writeFileSync(files.lock, "");
            expect(() => takeLock(files, "dev")).toThrow("is under way");
            writeFileSync(files.lock, JSON.stringify({ pid, hostname: hostname() }));
            takeLock(files, "dev");
            expect(readFileSync(files.lock, "utf8")).toContain(String(process.pid));
            expect(readdirSync(files.directory)).toEqual(["lock.json"]);
        });
    });
});

it("says what is and what is not taken over", () => {
    const text = overview({ ...disk, unreachable: { count: 1, some: ["a#b"] } }, database, "mlflow", "other").join(
        "\n",
    );
    for (const word of [
        "9 rows in 2 tables",
        "of somebody else",
        "3 of bucket mlflow, into bucket other",
        "a#b",
        "runs.artifact_uri: 6",
        "runs.artifact_uri: 1 in file: (elsewhere)",
        "params.value: 2",
    ]) {
        expect(text).toContain(word);
    }
});

it("names the tables whose number of rows differs", () => {
    expect(rowDifferences({ a: 1, b: 2 }, { a: 1, b: 3, c: 0 })).toEqual(["b: 2 → 3", "c: none → 0"]);
    expect(rowDifferences({ a: 1 }, { a: 1 })).toEqual([]);
});

describe("a job", () => {
    const job = { name: "copy", image: "image", command: ["python", "-m", "x"], network: "none" };

    it("has no capability and a root file system that cannot be written, and makes no directory", () => {
        const args = jobArguments("dev", { ...job, mounts: [{ source: "/a,b", path: "/old", readOnly: true }] });
        expect(args).toContain("--read-only");
        expect(args.join(" ")).toContain("--cap-drop ALL");
        expect(args).not.toContain("--cap-add");
        expect(args).not.toContain("--add-host");
        expect(args).toContain('type=bind,"source=/a,b",target=/old,readonly');
        expect(args.slice(-4)).toEqual(["python", "image", "-m", "x"]);
    });

    it("has only the capabilities that root needs for the files of others", () => {
        const args = jobArguments("dev", { ...job, asRoot: true, mounts: [{ source: "volume", path: "/data" }] });
        expect(args.filter((_, index) => args[index - 1] === "--cap-add")).toEqual(["DAC_OVERRIDE", "CHOWN"]);
        expect(args).toContain('type=volume,"source=volume",target=/data');
    });

    it("shows no input", () => {
        expect(jobArguments("dev", { ...job, input: "secret" }).join(" ")).not.toContain("secret");
    });
});

it("never takes the stack's own database for a copy", () => {
    const names = (pgDatabase: string) => databaseNames({ configuration: { pgDatabase } });
    expect(names("mlflow")).toEqual({ own: "mlflow", copy: "takeover_copy", previous: "takeover_previous" });
    expect(names("takeover_copy").copy).not.toBe("takeover_copy");
});

it("remembers how far a takeover came, for this user alone", () => {
    const state = mkdtempSync(join(tmpdir(), "takeover-"));
    try {
        const files = takeoverFiles(placesOf({ XDG_STATE_HOME: state }), "dev");
        expect(readPhase(files)).toBeUndefined();
        writePhase(files, "swapping");
        expect(readPhase(files)).toBe("swapping");
        expect(statSync(files.record).mode & 0o777).toBe(0o600);
        expect(statSync(files.directory).mode & 0o777).toBe(0o700);
    } finally {
        rmSync(state, { recursive: true });
    }
});
