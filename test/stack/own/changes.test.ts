import { S3Client, ListBucketsCommand } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Configuration, keys } from "../../../config.ts";
import { resourcesOf } from "../../../operations/engineObjects.ts";
import { container, dataVolumes, healthy, identities, serverProcesses, sql } from "../support/engine.ts";
import { own } from "../support/own.ts";
import { freePorts, makeGenerated } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";

const { checkout, made: platform } = await own(makeGenerated);
const { stack } = platform;

const long = process.env.MLFLOW_PLATFORM_TEST_LONG !== undefined;

/** A change of a container and of whatever is replaced with it. */
const replaced = (...names: string[]) => Object.fromEntries(names.map((name) => [`Container ${name}`, "replace"]));
const updated = (name: string) => ({ [`Container ${name}`]: "update" });
const newImage = (name: string) => ({ [`RemoteImage ${name}`]: "replace" });

const newVolumes = (...names: string[]) => Object.fromEntries(names.map((name) => [`Volume ${name}`, "replace"]));

/** Refused where it stands alone: what is refused here is a row of refusals.test.ts, or below. */
const refused = "refused";

/**
 * Nothing to see without login, gateway or served models: access.test.ts, keys.test.ts and serving.test.ts have platforms
 * with them.
 */
const elsewhere = "elsewhere";

/** Key → another value than this platform has, and exactly what an update would change for it. */
type Row = { value: string; changes: Record<string, string> } | typeof refused | typeof elsewhere;
const table: Record<keyof Configuration, Row> = {
    mlflowPort: { value: "5998", changes: replaced("mlflow") },
    minioAccessKey: {
        value: "somebody",
        changes: replaced("minio-provision-secrets-seed", "minio-provision", "mlflow-secrets-seed", "mlflow"),
    },
    minioSecretAccessKey: {
        value: "long enough",
        changes: replaced("minio-provision-secrets-seed", "minio-provision", "mlflow-secrets-seed", "mlflow"),
    },
    minioHost: refused,
    minioPort: { value: "9998", changes: replaced("minio") },
    pgUser: { value: "ana", changes: replaced("postgres", "mlflow-secrets-seed", "mlflow") },
    pgPassword: {
        value: "hunter2",
        changes: replaced("postgres-secrets-seed", "postgres", "mlflow-secrets-seed", "mlflow"),
    },
    pgHost: refused,
    pgPort: {
        value: "5433",
        changes: replaced("postgres", "mlflow-migrate-secrets-seed", "mlflow-migrate", "mlflow-secrets-seed", "mlflow"),
    },
    pgDatabase: refused,
    mlflowBucketName: refused,
    minioVolumePath: refused,
    minioConsoleAddress: { value: ":9997", changes: replaced("minio") },
    minioRootUser: {
        value: "admin",
        changes: replaced("minio-secrets-seed", "minio", "minio-provision-secrets-seed", "minio-provision"),
    },
    minioRootPassword: {
        value: "long enough",
        changes: replaced("minio-secrets-seed", "minio", "minio-provision-secrets-seed", "minio-provision"),
    },
    // Other files are another volume.
    minioStorageUseHttps: {
        value: "true",
        changes: {
            "ServerCertificate minio-certificate": "create",
            ...replaced("minio-secrets-seed", "minio", "minio-provision-secrets-seed", "minio-provision"),
            ...replaced("mlflow-secrets-seed", "mlflow"),
            ...newVolumes("minio-secrets", "minio-provision-secrets", "mlflow-secrets"),
        },
    },
    bindAddress: { value: "127.0.0.3", changes: replaced("minio", "mlflow") },
    allowInsecureExposure: elsewhere,
    mlflowAuth: {
        value: "true",
        changes: {
            ...replaced("mlflow-migrate-secrets-seed", "mlflow-migrate", "mlflow-secrets-seed", "mlflow"),
            ...newVolumes("mlflow-migrate-secrets", "mlflow-secrets"),
        },
    },
    adminUsername: elsewhere,
    adminPassword: elsewhere,
    defaultPermission: elsewhere,
    publicHost: {
        value: "mlflow.example.test",
        changes: {
            ...replaced("minio", "mlflow"),
            ...Object.fromEntries(
                [
                    ...["Gateway gateway", "Container gateway", "Image gateway", "RemoteImage gateway"],
                    ...["SecretFiles gateway-secrets", "Volume gateway-secrets", "Container gateway-secrets-seed"],
                ].map((name) => [name, "create"]),
            ),
        },
    },
    tlsCertificateFile: refused,
    tlsPrivateKey: refused,
    tlsEmail: refused,
    tlsAcmeDirectory: refused,
    tlsAcmeCaFile: refused,
    gatewayHttpPort: refused,
    artifactTransfer: { value: "presigned", changes: replaced("mlflow") },
    artifactTempSize: { value: "1000", changes: replaced("mlflow") },
    // The migration runs again as the new owner, and no server writes meanwhile.
    pgOwnerUser: {
        value: "chief",
        changes: replaced("postgres", "mlflow-migrate-secrets-seed", "mlflow-migrate", "mlflow"),
    },
    pgOwnerPassword: {
        value: "hunter3",
        changes: replaced(
            "postgres-secrets-seed",
            "postgres",
            "mlflow-migrate-secrets-seed",
            "mlflow-migrate",
            "mlflow",
        ),
    },
    pgAuthUser: { value: "doorman", changes: replaced("postgres") },
    pgAuthPassword: { value: "hunter4", changes: replaced("postgres-secrets-seed", "postgres") },
    pgSslMode: refused,
    pgCaFile: refused,
    minioCaFile: refused,
    minioRegion: { value: "eu-central-1", changes: replaced("minio", "minio-provision", "mlflow") },
    egress: refused,
    minioVolumeName: refused,
    modelServers: elsewhere,
    modelServerKey: elsewhere,
    packageIndexUrl: elsewhere,
    packageCaFile: elsewhere,
    monitorUsername: elsewhere,
    monitorPassword: elsewhere,
    monitorProject: elsewhere,
    mlflowImage: {
        value: "registry.example.com/mlflow:1",
        changes: { ...replaced("mlflow", "mlflow-migrate"), ...newImage("mlflow") },
    },
    modelImage: elsewhere,
    minioImage: {
        value: "registry.example.com/minio:1",
        changes: { ...replaced("minio", "minio-provision"), ...newImage("minio") },
    },
    postgresImage: {
        value: "registry.example.com/postgres:1",
        changes: { ...replaced("postgres"), ...newImage("postgres") },
    },
    gatewayImage: refused,
    baseImage: {
        value: "debian:13",
        changes: {
            ...replaced("postgres", "minio", "minio-provision", "mlflow", "mlflow-migrate"),
            ...newImage("postgres"),
            ...newImage("minio"),
            ...newImage("mlflow"),
        },
    },
    mlflowWorkers: { value: "3", changes: replaced("mlflow") },
    mlflowMemory: { value: "1800", changes: updated("mlflow") },
    mlflowCpus: { value: "1.25", changes: replaced("mlflow") },
    mlflowWaitSeconds: { value: "601", changes: updated("mlflow") },
    minioMemory: { value: "900", changes: updated("minio") },
    minioCpus: { value: "0.9", changes: replaced("minio") },
    minioWaitSeconds: { value: "301", changes: updated("minio") },
    // Its settings follow its memory.
    pgMemory: { value: "900", changes: replaced("postgres") },
    pgCpus: { value: "0.9", changes: replaced("postgres") },
    pgWaitSeconds: { value: "301", changes: updated("postgres") },
    gatewayMemory: refused,
    gatewayCpus: refused,
    gatewayWaitSeconds: elsewhere,
};
const rows = Object.entries(table).flatMap(([key, row]) => (typeof row === "string" ? [] : [{ key, ...row }]));

const text = `kept ${randomBytes(4).toString("hex")}`;
let runId: string;
beforeAll(async () => {
    ({ runId } = await runPython<{ runId: string }>("log_and_read.py", [platform.trackingUri, "log", text]));
});

const up = () => checkout.pulumi(stack, "up", "--yes", "--skip-preview");

async function expectData(trackingUri = platform.trackingUri): Promise<void> {
    await healthy(stack);
    expect(await runPython("log_and_read.py", [trackingUri, "read", runId])).toEqual({ param: text, artifact: text });
}

describe("what an update changes for each key: what must be replaced, and never a data volume", () => {
    it("the table has every key", () => {
        expect(Object.keys(table)).toEqual(Object.keys(keys));
    });

    const plans = new Map<string, Record<string, string>>();
    beforeAll(async () => {
        // Two at a time: a preview changes nothing.
        const left = [...rows];
        const work = async () => {
            for (let row = left.pop(); row !== undefined; row = left.pop()) {
                plans.set(row.key, await checkout.plan(stack, { [row.key]: row.value }));
            }
        };
        await Promise.all([work(), work()]);
    });

    it.each(rows)("$key", ({ key, changes }) => {
        // A certificate's resource is named after what it is for.
        const certificates = /^RandomId minio-certificate-[0-9a-f]{8}$/;
        const plan = Object.entries(plans.get(key) ?? {}).filter(([name]) => !certificates.test(name));
        expect(Object.fromEntries(plan)).toEqual(changes);
    });
});

describe("changes take effect by up alone", () => {
    it("many keys at once, seen at the running services, and what the provider does not apply in place; then back", async () => {
        const volumes = await dataVolumes(stack);
        const [mlflow = 0, s3 = 0, console = 0] = await freePorts(3);
        const values = {
            bindAddress: "127.0.0.3",
            mlflowPort: String(mlflow),
            minioPort: String(s3),
            minioConsoleAddress: `:${console}`,
            minioRegion: "eu-central-1",
            minioRootUser: "another-root",
            minioRootPassword: "another root's password",
            minioAccessKey: "another-key",
            minioSecretAccessKey: "another key's secret",
            pgUser: "another server",
            pgPassword: "another server's password",
            pgOwnerUser: "another owner",
            pgOwnerPassword: "another owner's password",
            pgAuthUser: "another doorman",
            pgPort: "5433",
            mlflowWorkers: "1",
            mlflowMemory: "1500",
            mlflowCpus: "1.5",
            minioMemory: "800",
            minioCpus: "0.75",
            pgMemory: "800",
            pgCpus: "0.75",
        };
        // The roles of before cannot log in any more.
        const logins = "select rolname from pg_roles where rolcanlogin order by 1";
        const hardened = join(checkout.directory, "components", "hardened.ts");
        const before = readFileSync(hardened, "utf8");
        const changed = [
            ["unhealthyAfter = 25", "unhealthyAfter = 21"],
            ["init: true", "init: false"],
            ["tmpfs: { ...process.tmpfs }", 'tmpfs: { ...process.tmpfs, "/mnt": "size=1m" }'],
        ].reduce((source, [from = "", to = ""]) => {
            expect(source).toContain(from);
            return source.replace(from, to);
        }, before);
        writeFileSync(hardened, changed);
        await checkout.configured(stack, values, async () => {
            await up().finally(() => {
                writeFileSync(hardened, before);
            });
            const uri = `http://127.0.0.3:${mlflow}`;
            await expectData(uri);
            const outputs = await checkout.outputs(stack);
            expect(outputs.trackingUri).toBe(uri);
            const root = new S3Client({
                endpoint: `http://127.0.0.3:${s3}`,
                region: "eu-central-1",
                forcePathStyle: true,
                credentials: { accessKeyId: "another-root", secretAccessKey: "another root's password" },
            });
            expect((await root.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual(["mlflow"]);
            expect((await fetch(`http://127.0.0.3:${console}`)).status).toBe(200);
            expect(await sql(stack, logins)).toEqual([
                "another doorman",
                "another owner",
                "another server",
                "postgres",
            ]);
            expect(await sql(stack, "show port")).toEqual(["5433"]);
            expect(await sql(stack, "show shared_buffers")).toEqual(["200MB"]);
            expect((await serverProcesses(stack)).workers).toHaveLength(1);
            for (const [name, memory, cpus] of [
                ["mlflow", 1500, 1.5],
                ["minio", 800, 0.75],
                ["postgres", 800, 0.75],
            ] as const) {
                const { Config, HostConfig } = await container(stack, name);
                expect(Config.Healthcheck?.Retries).toBe(7);
                expect(HostConfig.Init).toBe(false);
                expect(HostConfig.Tmpfs).toMatchObject({ "/mnt": "size=1m" });
                expect([HostConfig.Memory, HostConfig.MemorySwap]).toEqual([memory * 2 ** 20, memory * 2 ** 20]);
                expect(HostConfig.NanoCpus).toBe(cpus * 1e9);
            }
        });
        await up();
        await expectData();
        expect(await sql(stack, logins)).toEqual(["mlflow", "mlflow_auth", "mlflow_owner", "postgres"]);
        expect(await dataVolumes(stack)).toEqual(volumes);
        const { Config, HostConfig } = await container(stack, "mlflow");
        expect([Config.Healthcheck?.Retries, HostConfig.Init]).toEqual([9, true]);
        await checkout.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
    });

    // In the gate many keys change at once; each alone takes a quarter of an hour. With a login or a gateway clients need
    // more than an address: access.test.ts gives it to them.
    const alone = rows.filter(({ key }) => !key.endsWith("Image") && !["mlflowAuth", "publicHost"].includes(key));
    it.runIf(long).each(alone)("$key alone", async ({ key, value }) => {
        const volumes = await dataVolumes(stack);
        try {
            await checkout.configured(stack, { [key]: value }, async () => {
                await up();
                await checkout.pulumi(stack, "preview", "--expect-no-changes");
                const { trackingUri } = await checkout.outputs(stack);
                await expectData(String(trackingUri));
            });
        } finally {
            await up();
        }
        expect(await dataVolumes(stack)).toEqual(volumes);
    });
});

describe("a change that would part the stack from its data is refused, before anything is touched", () => {
    const stays = (place: string) => `and would stay there, out of its sight: ${place}, or use another stack`;
    const ownVolume = "the stack's own volume minio_data";
    const foreign = { minioAccessKey: "somebody", minioSecretAccessKey: "long enough" };

    const places: [string, Record<string, string>, string][] = [
        [
            "pgHost",
            { pgHost: "db.example.com", pgPassword: "x" },
            `pgHost: this stack's experiments are in the PostgreSQL that runs here ${stays("pulumi config rm pgHost")}`,
        ],
        [
            "pgDatabase",
            { pgDatabase: "another" },
            "pgDatabase: this stack's experiments are in database mlflow of the PostgreSQL that runs here " +
                stays("pulumi config set pgDatabase mlflow"),
        ],
        [
            "minioHost",
            { minioHost: "s3.example.com", ...foreign },
            `minioHost: this stack's artifacts are in the MinIO that runs here (${ownVolume}) ` +
                stays("pulumi config rm minioHost"),
        ],
        [
            "minioVolumePath",
            { minioVolumePath: "/usr" },
            `minioVolumePath: this stack's artifacts are in ${ownVolume} ${stays("pulumi config rm minioVolumePath")}`,
        ],
        [
            "minioVolumeName",
            { minioVolumeName: "another_volume" },
            `minioVolumeName: this stack's artifacts are in ${ownVolume} ${stays("pulumi config rm minioVolumeName")}`,
        ],
        [
            "mlflowBucketName",
            { mlflowBucketName: "another" },
            `mlflowBucketName: this stack's artifacts are in bucket mlflow of the MinIO that runs here (${ownVolume}) ` +
                stays("pulumi config set mlflowBucketName mlflow"),
        ],
    ];
    // One shows that the program asks and that nothing is touched; what is said of each place is a row of lastUpdate.test.ts.
    it.each(long ? places : places.slice(0, 1))("%s", async (key, values, problem) => {
        // What a run of the program has read is no resource of its own.
        const made = async () =>
            resourcesOf(await checkout.state(stack, true)).filter(({ type }) => !type.endsWith(":StackReference"));
        const was = { objects: await identities(stack), state: await made() };
        await checkout.configured(stack, values, async () => {
            // By up as well where it is the whole database; and once more, for a failed update has to remember.
            const ups = key === "pgHost" ? [["up", "--yes", "--skip-preview"], ["preview"]] : [];
            for (const args of [["preview"], ...ups]) {
                const { code, output } = await checkout.cli(stack, args);
                expect(code).not.toBe(0);
                expect(output).toContain(problem);
            }
        });
        expect(await identities(stack)).toEqual(was.objects);
        expect(await made()).toEqual(was.state);
    });

    afterAll(async () => {
        await checkout.pulumi(stack, "preview", "--expect-no-changes");
    });
});
