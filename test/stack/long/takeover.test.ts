import { GetBucketVersioningCommand, GetObjectCommand, ListObjectVersionsCommand, S3Client } from "@aws-sdk/client-s3";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Checkout, type Ended } from "../support/checkout.ts";
import { EarlierInstallation, earlierBucket, earlierPassword } from "../support/earlier.ts";
import { container, docker, identities, sql } from "../support/engine.ts";
import { initStack } from "../support/platforms.ts";
import { runPython, scripts } from "../support/python.ts";

const { directory, stateHome, stack: neighbour } = inject("generated");
const checkout = Checkout.at(directory, stateHome);
const suffix = randomBytes(2).toString("hex");
const long = process.env.MLFLOW_PLATFORM_TEST_LONG !== undefined;

interface Run {
    readonly run: string;
    readonly artifacts: unknown;
}

interface Content {
    readonly content: Record<string, { stage: string; runs: Run[] }>;
    readonly versions: unknown;
    readonly prediction: number[];
    readonly spans: unknown[];
    readonly added: Record<string, string[]>;
}

let images: { postgres: string; minio: string; mlflow: string };
beforeAll(async () => {
    const image = async (name: string) => (await container(neighbour, name)).Image;
    images = { postgres: await image("postgres"), minio: await image("minio"), mlflow: await image("mlflow") };
});

/** Reads all of a stack with a client that has no S3 key, after it has added runs. */
async function contentOf(stack: string, added: number): Promise<Content> {
    const { trackingUri } = await checkout.outputs(stack);
    return runPython<Content>("earlier_read.py", [String(trackingUri), String(added)]);
}

/** What a stack without the S3 library's keys can read: experiments whose place is not in the bucket, or has no name here, aside. */
function readable({ content, versions, prediction, spans }: Content) {
    const elsewhere = ["on disk", "unnameable"];
    return {
        versions,
        prediction,
        spans,
        content: Object.fromEntries(
            Object.entries(content).map(([name, { runs, ...rest }]) => [
                name,
                { ...rest, runs: runs.map((run) => (elsewhere.includes(name) ? { ...run, artifacts: null } : run)) },
            ]),
        ),
    };
}

/** Makes a stack and brings it up. */
async function bringUp(stack: string, values: Readonly<Record<string, string>> = {}): Promise<void> {
    await initStack(checkout, stack);
    await checkout.set(stack, values);
    await checkout.ok("start", ["--stack", stack]);
}

/** A stack of its own that is up, given up at the end. */
function ownStack(name: string, values: Readonly<Record<string, string>> = {}): string {
    const stack = `${name}-${suffix}`;
    beforeAll(() => bringUp(stack, values));
    afterAll(async () => {
        await checkout.ok("delete-data", [stack]);
    });
    return stack;
}

/** An earlier installation with content, taken away at the end; something else may be made at the same time. */
function earlierInstallation(volume?: string, beside: () => Promise<void> = () => Promise.resolve()) {
    const root = mkdtempSync(join(tmpdir(), "earlier-"));
    const made: { installation?: EarlierInstallation; before?: Content } = {};
    const make = async () => {
        const installation = await EarlierInstallation.make(root, images, volume);
        made.installation = installation;
        await installation.python("earlier_fill.py", earlierBucket, `text ${suffix} ü `);
        // From now on the bucket keeps versions: of one object two, of another one that is deleted.
        const bucket = `root/${earlierBucket}`;
        await installation.mc(
            `mc version enable ${bucket}; echo one | mc pipe ${bucket}/kept; echo two | mc pipe ${bucket}/kept`,
            `echo three | mc pipe ${bucket}/gone; mc rm ${bucket}/gone`,
        );
        made.before = await installation.content<Content>();
    };
    beforeAll(() => Promise.all([make(), beside()]).then(() => undefined));
    afterAll(async () => {
        await made.installation?.remove();
        if (volume !== undefined) {
            await docker("volume", "rm", volume);
        }
        rmSync(root, { recursive: true, force: true });
    });
    return () => {
        if (made.installation === undefined || made.before === undefined) {
            throw new Error("no earlier installation was made");
        }
        return { installation: made.installation, before: made.before };
    };
}

describe("a location", () => {
    const locations = {
        "s3://b": "mlflow-artifacts:/",
        "s3://b/": "mlflow-artifacts:/",
        "s3://b/0/run/artifacts": "mlflow-artifacts:/0/run/artifacts",
        "s3://b/team ü/a+b=c & d;e:f/100%/[x]~$@!'()*,|^`<>\"":
            "mlflow-artifacts:/team ü/a+b=c & d;e:f/100%/[x]~$@!'()*,|^`<>\"",
        // Both S3's client and MLflow's leave out what comes behind.
        "s3://b/a#b": "mlflow-artifacts:/a#b",
        // MLflow's would ask for others.
        "s3://b/a%20b": null,
        "s3://b/a//b": null,
        "s3://b//a": null,
        "s3://b/x/../y": null,
        "s3://b/ a/b": null,
        "s3://b2/a": null,
        "file:///a": null,
        "mlflow-artifacts:/0": null,
        "runs:/0/model": null,
    };
    const passedOn = {
        "mlflow-artifacts:/0/run": "mlflow-artifacts:/pre/fix/0/run",
        "mlflow-artifacts://host/0": null,
        "mlflow-artifacts:/a%20b": null,
        "s3://b/a": "mlflow-artifacts:/a",
    };
    const keys = {
        "0/run/ü + & = ,;'!.txt": true,
        "0/100%.txt": true,
        "0/a%20b": false,
        "0/a#b": false,
        "0/a?b": false,
    };
    const entry = (place: string) => JSON.stringify([{ run_id: "r", artifact_path: place }]);

    it("is rewritten only where client and server come to the same objects", async () => {
        const histories = [entry("s3://b/0/models/m"), entry("model"), "no JSON", "7"];
        const { stdout } = await execa(
            "docker",
            ["run", "--rm", "--interactive", "--network", "none", "--read-only", "--tmpfs", "/tmp"].concat(
                ["--volume", `${join(scripts, "locations.py")}:/locations.py:ro`],
                ["--entrypoint", "python", images.mlflow, "/locations.py"],
            ),
            {
                input: JSON.stringify({
                    locations: Object.keys(locations),
                    passedOn: Object.keys(passedOn),
                    keys: Object.keys(keys),
                    histories,
                }),
            },
        );
        const found = JSON.parse(stdout) as { histories: string[] } & Record<string, unknown>;
        expect(found).toMatchObject({ locations, passedOn, keys });
        expect(JSON.parse(found.histories[0] ?? "")).toEqual([
            { run_id: "r", artifact_path: "mlflow-artifacts:/0/models/m" },
        ]);
        expect(found.histories.slice(1)).toEqual(histories.slice(1));
    });
});

describe("an earlier installation on a host directory", () => {
    const stack = `takeover-${suffix}`;
    const earlier = earlierInstallation(undefined, () => bringUp(stack));
    afterAll(async () => {
        await checkout.ok("delete-data", [stack]);
    });
    const takeover = (...args: string[]) =>
        checkout.run("takeover", ["--env", earlier().installation.env, "--stack", stack, ...args]);

    /** Refused with these words, and nothing is different on either side. */
    async function expectRefusal(words: readonly string[], ...args: string[]): Promise<void> {
        const before = [await earlier().installation.fingerprint(images.postgres), await identities(stack)];
        const { code, output } = await takeover(...args);
        for (const word of words) {
            expect(output).toContain(word);
        }
        expect(code).toBe(1);
        expect(output).not.toContain(earlierPassword);
        expect([await earlier().installation.fingerprint(images.postgres), await identities(stack)]).toEqual(before);
    }

    it("is refused while it runs, with the commands that stop it", async () => {
        const { installation } = earlier();
        // Its MinIO writes what it measures now and then, so only what was asked for is compared here.
        const { code, output } = await takeover();
        await installation.stop();
        expect(code).toBe(1);
        expect(output).toContain(`data is in use: ${installation.s3}`);
        expect(output).toContain(`docker stop ${installation.s3}`);
        expect(output).toContain("The earlier database is in use: ");
        expect(output).toContain(`docker stop ${installation.mlflow}`);
    });

    it("is refused with a newer schema, a format that cannot be read and a bucket that is not there: all at once", async () => {
        const { installation } = earlier();
        const [revision = ""] = await installation.sql("select version_num from alembic_version");
        const format = join(installation.data, ".minio.sys", "format.json");
        const right = readFileSync(format, "utf8");
        await installation.sql("update alembic_version set version_num = '0123456789ab'");
        writeFileSync(format, '{"version":"1","format":"fs","id":"x","fs":{"version":"2"}}');
        try {
            await expectRefusal([
                "at schema revision 0123456789ab, which the stack's MLflow does not know",
                "format fs",
            ]);
        } finally {
            await installation.sql(`update alembic_version set version_num = '${revision}'`);
            writeFileSync(format, right);
        }
    });

    it("is tried on copies, and nothing is different after it", async () => {
        const { installation } = earlier();
        const before = [await installation.fingerprint(images.postgres), await identities(stack)];
        const { code, output } = await takeover("--dry-run");
        expect(code, output).toBe(0);
        expect(output).toContain("runs.artifact_uri: 7");
        expect(output).toContain("experiments.artifact_location: 1 in s3://another-bucket (elsewhere)");
        expect(output).toContain(`runs.artifact_uri: 1 in s3://${earlierBucket} (no name for it here)`);
        expect([await installation.fingerprint(images.postgres), await identities(stack)]).toEqual(before);
        expect(await sql(stack, "select datname from pg_database where datname like 'takeover%'", "postgres")).toEqual(
            [],
        );
        expect(await sql(stack, "select count(*) from runs where lifecycle_stage = 'active'")).toEqual(["0"]);
        expect(existsSync(join(stateHome, "mlflow-platform", "takeover", stack, "database.dump"))).toBe(false);
    });

    it("can be killed in the middle of the exchange, and run again to its end", async () => {
        const child = checkout.spawn("takeover", ["--env", earlier().installation.env, "--stack", stack]);
        await new Promise<void>((resolve) => {
            child.stdout?.on("data", (data: Buffer) => {
                if (data.toString().includes("waiting for minio")) {
                    process.kill(-(child.pid ?? 0), "SIGKILL");
                }
            });
            child.once("close", () => {
                resolve();
            });
        });
        const before = await earlier().installation.fingerprint(images.postgres);
        expect((await takeover("--check")).output).toContain("was interrupted in its exchange");
        const { code, output }: Ended = await takeover();
        expect(code, output).toBe(0);
        expect(output).toContain("What an interrupted takeover left: the stack serves what it had before");
        expect(output).not.toContain(earlierPassword);
        expect(await earlier().installation.fingerprint(images.postgres)).toBe(before);
        const kept = join(stateHome, "mlflow-platform", "takeover", stack);
        expect(statSync(join(kept, "database.dump")).mode & 0o777).toBe(0o600);
        expect(statSync(join(kept, "locations.jsonl")).mode & 0o777).toBe(0o600);
    });

    it("is read by a client without S3 keys just as it was, and gets ten more runs", async () => {
        const now = await contentOf(stack, 10);
        expect(readable(now)).toEqual(readable(earlier().before));
        const runs = now.content.Default?.runs ?? [];
        expect(runs.length).toBeGreaterThan(4);
        const expected = Array.from({ length: 10 }, (_, number) => `added ${number}`);
        expect(now.added).toEqual({ Default: expected, prefixed: expected });
        expect(now.prediction).toEqual([3, 8]);
    });

    it("has its objects with versions, times and ETags, and goes on to keep versions", async () => {
        const outputs = await checkout.outputs(stack);
        const s3 = new S3Client({
            endpoint: String(outputs.minioEndpoint),
            region: "us-east-1",
            forcePathStyle: true,
            credentials: {
                accessKeyId: String(outputs.minioRootUser),
                secretAccessKey: String(outputs.minioRootPassword),
            },
        });
        const Bucket = String(outputs.bucketName);
        const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: "kept" }));
        const found = await Promise.all(
            Versions.map(async ({ VersionId, LastModified, ETag }) => {
                const object = await s3.send(new GetObjectCommand({ Bucket, Key: "kept", VersionId }));
                return [VersionId, LastModified?.toISOString(), ETag, await object.Body?.transformToString()];
            }),
        );
        expect(found.map(([, , , text]) => text)).toEqual(["two\n", "one\n"]);
        const { installation } = earlier();
        await installation.start();
        const listed = (await installation.mc(`mc --json ls --versions root/${earlierBucket}/kept`)).trim().split("\n");
        expect(
            listed
                .map((line) => JSON.parse(line) as { versionId: string; lastModified: string; etag: string })
                .map(({ versionId, lastModified, etag }) => [
                    versionId,
                    new Date(lastModified).toISOString(),
                    `"${etag}"`,
                ]),
        ).toEqual(found.map((version) => version.slice(0, 3)));
        await installation.stop();
        const gone = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: "gone" }));
        expect([gone.Versions?.length, gone.DeleteMarkers?.length]).toEqual([1, 1]);
        expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe("Enabled");
    });

    it("belongs to the stack: its roles have their rights and no more, and an update has nothing to do", async () => {
        expect(await sql(stack, "select distinct tableowner from pg_tables where schemaname = 'public'")).toEqual([
            "mlflow_platform_owner",
        ]);
        const may = (right: string) => `has_table_privilege('mlflow', 'public.runs', '${right}')`;
        expect(await sql(stack, `select ${may("insert")}, has_schema_privilege('mlflow', 'public', 'create')`)).toEqual(
            ["t|f"],
        );
        expect(await sql(stack, "select datname from pg_database where datname like 'takeover%'", "postgres")).toEqual(
            [],
        );
        await checkout.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
        await checkout.ok("start", ["--stack", stack]);
    });

    it("is not taken over a second time", async () => {
        await expectRefusal([`Stack ${stack} has data of its own: `]);
    });

    it("serves everything it had when its containers are started again", async () => {
        const { installation, before } = earlier();
        await installation.start();
        expect(await installation.content()).toEqual(before);
    });

    it("has its locations written back on request", async () => {
        const output = await checkout.ok("takeover", ["--restore-locations", "--stack", stack]);
        const { installation } = earlier();
        const query =
            "select run_uuid, artifact_uri from runs where run_uuid not in (select run_uuid from params where key = 'number') order by 1";
        expect(await sql(stack, query)).toEqual(await installation.sql(query));
        const [, done, all] = /(\d+) of (\d+) written back/.exec(output) ?? [];
        expect(done).toBe(all);
    });
});

describe.runIf(long)("an earlier installation on a volume", () => {
    const volume = `earlier-objects-${suffix}`;
    const earlier = earlierInstallation(volume);

    describe("copied", () => {
        const stack = ownStack("takeover-copy");
        it("is read by a client without S3 keys just as it was", async () => {
            const { installation, before } = earlier();
            await installation.stop();
            await checkout.ok("takeover", ["--env", installation.env, "--stack", stack]);
            expect(readable(await contentOf(stack, 0))).toEqual(readable(before));
        });
    });

    describe("in its place", () => {
        beforeAll(async () => {
            await docker(
                ...["run", "--rm", "--user", "0:0", "--volume", `${volume}:/data`, "--entrypoint", "chown"],
                ...[images.minio, "-R", "1000:1000", "/data"],
            );
        });
        const stack = ownStack("takeover-place", { minioVolumeName: volume, mlflowBucketName: earlierBucket });
        afterAll(async () => {
            // The volume goes with the stack, and this container, which is stopped, still has it.
            await docker("rm", "--force", earlier().installation.s3);
        });
        it("needs to be told so", async () => {
            const { code, output } = await checkout.run("takeover", [
                "--env",
                earlier().installation.env,
                "--stack",
                stack,
            ]);
            expect(code).toBe(1);
            expect(output).toContain("With --in-place its objects stay there");
        });
        it("is read by a client without S3 keys just as it was", async () => {
            const { installation, before } = earlier();
            await checkout.ok("takeover", ["--env", installation.env, "--stack", stack, "--in-place"]);
            expect(readable(await contentOf(stack, 0))).toEqual(readable(before));
        });
    });
});
