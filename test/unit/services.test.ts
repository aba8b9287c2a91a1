/** PostgreSQL, MinIO and MLflow: exactly what each registers, and the texts by which they find each other. */
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JobRecord } from "../../components/job.ts";
import { Minio, type MinioArgs } from "../../components/minio.ts";
import {
    Mlflow,
    type MlflowArgs,
    allowedHosts,
    awsCredentials,
    backendStoreUri,
    pgpassLine,
} from "../../components/mlflow.ts";
import { Postgres, type PostgresArgs, postgresSettings, postgresUri } from "../../components/postgres.ts";
import { type Recording, project, record, secret, stack, valueOf, withFailures } from "./support/recording.ts";

const labels = { "x.stack": "test" };
const labelInputs = [{ label: "x.stack", value: "test" }];
const secretsMount = (name: string) => ({
    volumeName: `${project}-${stack}-${name}`,
    containerPath: "/run/secrets/platform",
    readOnly: true,
});
const containerOptions = {
    deleteBeforeReplace: true,
    replaceOnChanges: ["healthcheck", "tmpfs", "init", "#initerror"],
};

/** What every service and job has here. */
const hardened = {
    labels: labelInputs,
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: [] },
    securityOpts: ["no-new-privileges"],
    init: true,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
};
const service = { ...hardened, wait: true, restart: "unless-stopped" };
const job = { ...hardened, mustRun: false, attach: true, logs: true, restart: "no" };
const tmp = "rw,noexec,nosuid,nodev,size=64m";

/** The files of a seed: name → content. */
function filesOf(recording: Recording<unknown>, seed: string) {
    const uploads = recording.get(`docker:Container ${seed}`).inputs.uploads as Record<string, unknown>[];
    for (const { permissions } of uploads) {
        expect(permissions).toBe("0400");
    }
    return {
        owner: [...new Set(uploads.map(({ owner, group }) => `${String(owner)}:${String(group)}`))],
        files: Object.fromEntries(uploads.map(({ file, content }) => [String(file), content])),
    };
}

/** "key < parent" of all registrations, sorted. */
const tree = ({ registrations }: Recording<unknown>) =>
    registrations.map(({ key, parent }) => `${key} < ${parent ?? "stack"}`).sort();

describe("PostgreSQL", () => {
    const args: PostgresArgs = {
        image: "postgres:1",
        seedImage: "seed:1",
        networkId: pulumi.output("network id"),
        dataVolume: pulumi.output("pg_data"),
        port: 5433,
        database: "tracking",
        ownerLogin: { user: "owner", password: pulumi.secret("owner's word") },
        serverLogin: { user: "server", password: pulumi.secret("server's word") },
        memory: 2048,
        cpus: 1.5,
        waitSeconds: 120,
        labels,
    };
    const make = () => record(() => new Postgres("postgres", args));

    it("is a service and its secrets", async () => {
        expect(tree(await make())).toEqual([
            "docker:Container postgres < mlflow-platform:Postgres postgres",
            "docker:Container postgres-secrets-seed < mlflow-platform:SecretFiles postgres-secrets",
            "docker:Volume postgres-secrets < mlflow-platform:SecretFiles postgres-secrets",
            "mlflow-platform:Postgres postgres < stack",
            "mlflow-platform:SecretFiles postgres-secrets < mlflow-platform:Postgres postgres",
        ]);
    });

    it("gets both passwords as files, and publishes no port", async () => {
        const recording = await make();
        expect(filesOf(recording, "postgres-secrets-seed")).toStrictEqual({
            owner: ["999:999"],
            files: {
                "/run/secrets/platform/owner_password": secret("owner's word"),
                "/run/secrets/platform/server_password": secret("server's word"),
            },
        });
        expect(recording.get("docker:Container postgres").inputs).toStrictEqual({
            ...service,
            image: "postgres:1",
            user: "999:999",
            command: [
                "-c",
                "shared_buffers=512MB",
                "-c",
                "effective_cache_size=1024MB",
                "-c",
                "maintenance_work_mem=128MB",
            ],
            envs: ["DATABASE=tracking", "OWNER_USER=owner", "PGPORT=5433", "SERVER_USER=server"],
            tmpfs: {
                "/tmp": tmp,
                "/run/postgresql": "rw,noexec,nosuid,nodev,size=8m,uid=999,gid=999,mode=0775",
            },
            memory: 2048,
            memorySwap: 2048,
            cpus: "1.5",
            shmSize: 128,
            volumes: [
                { volumeName: "pg_data", containerPath: "/var/lib/postgresql", readOnly: false },
                secretsMount("postgres-secrets"),
            ],
            networksAdvanced: [{ name: "network id", aliases: ["postgres"] }],
            ports: [],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/healthy"],
                interval: "5s",
                timeout: "5s",
                startPeriod: "2m0s",
                retries: 5,
            },
            waitTimeout: 120,
            destroyGraceSeconds: 60,
            stopTimeout: 60,
        });
        expect(recording.get("docker:Container postgres").options).toStrictEqual({
            ...containerOptions,
            dependencies: ["docker:Container postgres-secrets-seed", "docker:Volume postgres-secrets"],
            replaceWith: ["docker:Container postgres-secrets-seed"],
        });
    });

    it("says where it is, and gives the server's URI as a secret", async () => {
        const { result } = await make();
        expect(await valueOf(result.address.host)).toBe("postgres");
        expect({ port: result.address.port, database: result.address.database }).toEqual({
            port: 5433,
            database: "tracking",
        });
        expect(await valueOf(result.uri)).toBe("postgresql://server:server's%20word@postgres:5433/tracking");
        expect(await pulumi.isSecret(result.uri)).toBe(true);
    });

    it("gives a secret URI even where nobody marked the password", async () => {
        const { result } = await record(
            () => new Postgres("postgres", { ...args, serverLogin: { user: "server", password: "plain" } }),
        );
        expect(await pulumi.isSecret(result.uri)).toBe(true);
    });

    it.each([
        [256, ["64MB", "128MB", "32MB"]],
        [1024, ["256MB", "512MB", "64MB"]],
        [1001, ["250MB", "500MB", "62MB"]],
        [16384, ["4096MB", "8192MB", "1024MB"]],
    ])("of %d MiB has these settings", (memory, [buffers, cache, maintenance]) => {
        expect(postgresSettings(memory)).toEqual([
            "-c",
            `shared_buffers=${buffers ?? ""}`,
            "-c",
            `effective_cache_size=${cache ?? ""}`,
            "-c",
            `maintenance_work_mem=${maintenance ?? ""}`,
        ]);
    });
});

describe("MinIO", () => {
    const args: MinioArgs = {
        image: "minio:1",
        seedImage: "seed:1",
        networkId: "network id",
        data: pulumi.output("minio_data"),
        root: { id: pulumi.secret("root's id"), secret: pulumi.secret("root's word") },
        accessKey: { id: pulumi.secret("key's id"), secret: pulumi.secret("key's word") },
        bucketName: "artifacts",
        region: "eu-central-1",
        bindAddress: "127.0.0.2",
        port: 9010,
        consolePort: 9002,
        memory: 512,
        cpus: 0.5,
        waitSeconds: 60,
        lastRecords: undefined,
        labels,
    };
    const make = (more: Partial<MinioArgs> = {}, outputs = {}) =>
        record(() => new Minio("minio", { ...args, ...more }), { outputs });

    it("is a service, a provisioning job, and the secrets of each", async () => {
        expect(tree(await make())).toEqual([
            "docker:Container minio < mlflow-platform:Minio minio",
            "docker:Container minio-provision < mlflow-platform:Job minio-provision",
            "docker:Container minio-provision-secrets-seed < mlflow-platform:SecretFiles minio-provision-secrets",
            "docker:Container minio-secrets-seed < mlflow-platform:SecretFiles minio-secrets",
            "docker:Volume minio-provision-secrets < mlflow-platform:SecretFiles minio-provision-secrets",
            "docker:Volume minio-secrets < mlflow-platform:SecretFiles minio-secrets",
            "mlflow-platform:Job minio-provision < mlflow-platform:Minio minio",
            "mlflow-platform:Minio minio < stack",
            "mlflow-platform:SecretFiles minio-provision-secrets < mlflow-platform:Minio minio",
            "mlflow-platform:SecretFiles minio-secrets < mlflow-platform:Minio minio",
        ]);
    });

    it("gets root's credentials as files, answers to the Compose file's names, and publishes API and console", async () => {
        const recording = await make();
        expect(filesOf(recording, "minio-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                "/run/secrets/platform/root_user": secret("root's id"),
                "/run/secrets/platform/root_password": secret("root's word"),
            },
        });
        expect(recording.get("docker:Container minio").inputs).toStrictEqual({
            ...service,
            image: "minio:1",
            user: "1000:1000",
            envs: ["MINIO_CONSOLE_ADDRESS=:9002", "MINIO_SITE_REGION=eu-central-1"],
            tmpfs: { "/tmp": tmp },
            memory: 512,
            memorySwap: 512,
            cpus: "0.5",
            volumes: [
                { volumeName: "minio_data", containerPath: "/data", readOnly: false },
                secretsMount("minio-secrets"),
            ],
            networksAdvanced: [{ name: "network id", aliases: ["minio", "s3", "mlflow_minio"] }],
            ports: [
                { internal: 9000, external: 9010, ip: "127.0.0.2" },
                { internal: 9002, external: 9002, ip: "127.0.0.2" },
            ],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/healthy"],
                interval: "5s",
                timeout: "5s",
                startPeriod: "1m0s",
                retries: 5,
            },
            waitTimeout: 60,
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
        expect(recording.get("docker:Container minio").options).toStrictEqual({
            ...containerOptions,
            dependencies: ["docker:Container minio-secrets-seed", "docker:Volume minio-secrets"],
            replaceWith: ["docker:Container minio-secrets-seed"],
        });
    });

    it("keeps its data in a directory of the host where a path is given", async () => {
        const { get } = await make({ data: "/srv/minio" });
        expect((get("docker:Container minio").inputs.volumes as unknown[])[0]).toEqual({
            hostPath: "/srv/minio",
            containerPath: "/data",
            readOnly: false,
        });
    });

    it("is provisioned, once it is healthy, by a job with root's credentials and the key's", async () => {
        const recording = await make();
        expect(filesOf(recording, "minio-provision-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                "/run/secrets/platform/root_user": secret("root's id"),
                "/run/secrets/platform/root_password": secret("root's word"),
                "/run/secrets/platform/access_key": secret("key's id"),
                "/run/secrets/platform/secret_access_key": secret("key's word"),
            },
        });
        expect(recording.get("docker:Container minio-provision").inputs).toStrictEqual({
            ...job,
            image: "minio:1",
            user: "1000:1000",
            entrypoints: ["/usr/local/bin/provision"],
            envs: ["BUCKET=artifacts", "REGION=eu-central-1", "S3_ENDPOINT=http://minio:9000"],
            tmpfs: { "/tmp": tmp },
            memory: 256,
            memorySwap: 256,
            cpus: "1.0",
            volumes: [secretsMount("minio-provision-secrets")],
            networksAdvanced: [{ name: "network id", aliases: [] }],
        });
        expect(recording.get("docker:Container minio-provision").options).toStrictEqual({
            ...containerOptions,
            dependencies: [
                "docker:Container minio",
                "docker:Container minio-provision-secrets-seed",
                "docker:Volume minio-provision-secrets",
            ],
            replaceWith: ["docker:Container minio-provision-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("says where it is, on the network and published, and which bucket there is", async () => {
        const { result } = await make();
        expect(await valueOf(result.endpoint)).toBe("http://minio:9000");
        expect(await valueOf(result.publishedEndpoint)).toBe("http://127.0.0.2:9010");
        expect(await valueOf(result.consoleUrl)).toBe("http://127.0.0.2:9002");
        expect(await valueOf(result.bucketName)).toBe("artifacts");
        expect(Object.keys(result.jobRecords)).toEqual(["minio-provision"]);
        expect(await valueOf(pulumi.output(result.jobRecords))).toEqual({
            "minio-provision": { exitCode: 0, attempt: 1 },
        });
    });

    it("runs its job again after a failed one", async () => {
        const lastRecords: Record<string, JobRecord> = { "minio-provision": { exitCode: 1, attempt: 1 } };
        const { get } = await make({ lastRecords });
        expect(get("docker:Container minio-provision").options.replacementTrigger).toBe(2);
    });

    it("has no bucket where the job failed, but is there itself", async () => {
        const { result } = await withFailures(() => make({}, { "docker:Container minio-provision": { exitCode: 1 } }));
        await expect(valueOf(result.result.bucketName)).rejects.toThrow(/^job minio-provision ended with exit code 1;/);
        expect(await valueOf(result.result.publishedEndpoint)).toBe("http://127.0.0.2:9010");
    });
});

describe("MLflow", () => {
    const args: MlflowArgs = {
        image: "mlflow:1",
        seedImage: "seed:1",
        networkId: "network id",
        database: { host: pulumi.output("postgres"), port: 5433, database: "tracking" },
        ownerLogin: { user: "owner", password: pulumi.secret("owner's word") },
        serverLogin: { user: "server", password: pulumi.secret("a:b\\c") },
        endpoint: pulumi.output("http://minio:9000"),
        region: "eu-central-1",
        bucketName: pulumi.output("artifacts"),
        accessKey: { id: pulumi.secret("key's id"), secret: pulumi.secret("key's word") },
        kekPassphrase: pulumi.secret("kek's word"),
        bindAddress: "127.0.0.2",
        port: 5010,
        workers: 3,
        memory: 1536,
        cpus: 2,
        waitSeconds: 90,
        lastRecords: undefined,
        labels,
    };
    const make = (outputs = {}) => record(() => new Mlflow("mlflow", args), { outputs });

    it("is a service, a migration, the secrets of each, and a volume for what passes through", async () => {
        expect(tree(await make())).toEqual([
            "docker:Container mlflow < mlflow-platform:Mlflow mlflow",
            "docker:Container mlflow-migrate < mlflow-platform:Job mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed < mlflow-platform:SecretFiles mlflow-migrate-secrets",
            "docker:Container mlflow-secrets-seed < mlflow-platform:SecretFiles mlflow-secrets",
            "docker:Volume mlflow-migrate-secrets < mlflow-platform:SecretFiles mlflow-migrate-secrets",
            "docker:Volume mlflow-secrets < mlflow-platform:SecretFiles mlflow-secrets",
            "docker:Volume mlflow-transfers < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:Job mlflow-migrate < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:Mlflow mlflow < stack",
            "mlflow-platform:SecretFiles mlflow-migrate-secrets < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:SecretFiles mlflow-secrets < mlflow-platform:Mlflow mlflow",
        ]);
    });

    it("is migrated by a job that is the tables' owner, and has that login alone", async () => {
        const recording = await make();
        expect(filesOf(recording, "mlflow-migrate-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: { "/run/secrets/platform/pgpass": secret("postgres:5433:tracking:owner:owner's word\n") },
        });
        expect(recording.get("docker:Container mlflow-migrate").inputs).toStrictEqual({
            ...job,
            image: "mlflow:1",
            user: "1000:1000",
            entrypoints: ["/usr/local/bin/migrate"],
            envs: [
                "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://owner@postgres:5433/tracking",
                "PGPASSFILE=/run/secrets/platform/pgpass",
                "TMPDIR=/tmp",
            ],
            tmpfs: { "/tmp": tmp },
            memory: 1024,
            memorySwap: 1024,
            cpus: "2.0",
            volumes: [secretsMount("mlflow-migrate-secrets")],
            networksAdvanced: [{ name: "network id", aliases: [] }],
        });
        expect(recording.get("docker:Container mlflow-migrate").options).toStrictEqual({
            ...containerOptions,
            dependencies: ["docker:Container mlflow-migrate-secrets-seed", "docker:Volume mlflow-migrate-secrets"],
            replaceWith: ["docker:Container mlflow-migrate-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("runs with the server's login and the bucket's key, neither the owner's nor root's", async () => {
        const recording = await make();
        expect(filesOf(recording, "mlflow-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                "/run/secrets/platform/pgpass": secret("postgres:5433:tracking:server:a\\:b\\\\c\n"),
                "/run/secrets/platform/aws_credentials": secret(
                    "[default]\naws_access_key_id = key's id\naws_secret_access_key = key's word\n",
                ),
                "/run/secrets/platform/kek_passphrase": secret("kek's word"),
            },
        });
        expect(recording.get("docker:Container mlflow").inputs).toStrictEqual({
            ...service,
            image: "mlflow:1",
            labels: [{ label: "mlflow-platform.migrated", value: "true" }, ...labelInputs],
            user: "1000:1000",
            envs: [
                "AWS_DEFAULT_REGION=eu-central-1",
                "AWS_SHARED_CREDENTIALS_FILE=/run/secrets/platform/aws_credentials",
                "MLFLOW_ARTIFACTS_DESTINATION=s3://artifacts",
                "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://server@postgres:5433/tracking",
                "MLFLOW_HOST=0.0.0.0",
                "MLFLOW_PORT=5000",
                "MLFLOW_S3_ENDPOINT_URL=http://minio:9000",
                "MLFLOW_SERVER_ALLOWED_HOSTS=localhost,localhost:*,127.0.0.1,127.0.0.1:*,127.0.0.2,127.0.0.2:*," +
                    "mlflow,mlflow:*,mlflow-platform-test-mlflow,mlflow-platform-test-mlflow:*",
                "MLFLOW_WORKERS=3",
                "PGPASSFILE=/run/secrets/platform/pgpass",
            ],
            tmpfs: { "/tmp": tmp },
            memory: 1536,
            memorySwap: 1536,
            cpus: "2.0",
            volumes: [
                {
                    volumeName: `${project}-${stack}-mlflow-transfers`,
                    containerPath: "/var/lib/mlflow/tmp",
                    readOnly: false,
                },
                secretsMount("mlflow-secrets"),
            ],
            networksAdvanced: [{ name: "network id", aliases: ["mlflow"] }],
            ports: [{ internal: 5000, external: 5010, ip: "127.0.0.2" }],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/healthy"],
                interval: "5s",
                timeout: "10s",
                startPeriod: "1m30s",
                retries: 5,
            },
            waitTimeout: 90,
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
    });

    it("starts after the migration", async () => {
        const { get } = await make();
        expect(get("docker:Container mlflow").options).toStrictEqual({
            ...containerOptions,
            dependencies: [
                "docker:Container mlflow-migrate",
                "docker:Container mlflow-secrets-seed",
                "docker:Volume mlflow-secrets",
                "docker:Volume mlflow-transfers",
            ],
            replaceWith: ["docker:Container mlflow-secrets-seed"],
        });
    });

    it("has a volume for transfers that nobody would miss", async () => {
        const { get } = await make();
        expect(get("docker:Volume mlflow-transfers").inputs).toStrictEqual({ labels: labelInputs });
        expect(get("docker:Volume mlflow-transfers").options).toStrictEqual({ deleteBeforeReplace: true });
    });

    it("says where it is published, and how its job ended", async () => {
        const { result } = await make();
        expect(await valueOf(result.trackingUri)).toBe("http://127.0.0.2:5010");
        expect(await valueOf(pulumi.output(result.jobRecords))).toEqual({
            "mlflow-migrate": { exitCode: 0, attempt: 1 },
        });
    });

    it("does not start where the migration failed", async () => {
        const { result } = await withFailures(() => make({ "docker:Container mlflow-migrate": { exitCode: 1 } }));
        expect(result.registrations.map(({ key }) => key)).toContain("docker:Container mlflow-migrate");
        expect(result.registrations.map(({ key }) => key)).not.toContain("docker:Container mlflow");
    });
});

describe("texts by which programs find each other", () => {
    // What configuration lets through: no control characters, no blank at either end, not empty.
    const text = fc
        .oneof(
            fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
            fc.string({ unit: fc.constantFrom(...Array.from("ab:\\@/?#%&=+[]\"' ;!$*")), minLength: 1, maxLength: 20 }),
        )
        .filter(
            (some) => some.trim() === some && some !== "" && !Array.from(some).some((c) => c < " " || c === "\u007f"),
        );
    // A URL parser takes these for directions, not for a name.
    const name = text.filter((some) => ![".", ".."].includes(some));
    const address = fc.record({
        host: fc.constantFrom("postgres", "db.example.com", "10.0.0.1"),
        port: fc.integer({ min: 1, max: 65535 }),
        database: name,
        user: name,
        password: text,
    });
    const example = { host: "postgres", port: 5432, database: "ml/flow", user: "a@b", password: "p:w/d?#%" };

    it("the URI of PostgreSQL", () => {
        expect(postgresUri(example)).toBe("postgresql://a%40b:p%3Aw%2Fd%3F%23%25@postgres:5432/ml%2Fflow");
    });

    it("gives every part back to a URL parser", () => {
        fc.assert(
            fc.property(address, (some) => {
                const url = new URL(postgresUri(some));
                expect({
                    protocol: url.protocol,
                    host: url.hostname,
                    port: Number(url.port),
                    database: decodeURIComponent(url.pathname.slice(1)),
                    user: decodeURIComponent(url.username),
                    password: decodeURIComponent(url.password),
                    rest: url.search + url.hash,
                }).toEqual({ protocol: "postgresql:", rest: "", ...some });
            }),
        );
    });

    it("the URI of MLflow's store", () => {
        expect(backendStoreUri(example)).toBe("postgresql+psycopg2://a%40b@postgres:5432/ml%2Fflow");
    });

    it("gives every part back, and has no password", () => {
        fc.assert(
            fc.property(address, (some) => {
                const url = new URL(backendStoreUri(some));
                expect({
                    host: url.hostname,
                    port: Number(url.port),
                    database: decodeURIComponent(url.pathname.slice(1)),
                    user: decodeURIComponent(url.username),
                    password: url.password,
                }).toEqual({ ...some, password: "" });
            }),
        );
    });

    it("a line of a password file", () => {
        expect(pgpassLine(example)).toBe("postgres:5432:ml/flow:a@b:p\\:w/d?#%\n");
        expect(pgpassLine({ ...example, user: "a\\b", password: ":\\" })).toBe(
            "postgres:5432:ml/flow:a\\\\b:\\:\\\\\n",
        );
    });

    /** The fields of a line as libpq reads it: a backslash takes the next character as it is, a colon ends a field. */
    function pgpassFields(line: string): string[] {
        const fields: string[] = [];
        let field = "";
        for (let at = 0; at < line.length; at += 1) {
            if (line.charAt(at) === ":") {
                fields.push(field);
                field = "";
                continue;
            }
            if (line.charAt(at) === "\\") {
                at += 1;
            }
            field += line.charAt(at);
        }
        return [...fields, field];
    }

    it("gives every field back to a reader of password files", () => {
        fc.assert(
            fc.property(address, (some) => {
                const lines = pgpassLine(some).split("\n");
                expect(lines).toHaveLength(2);
                expect(lines[1]).toBe("");
                expect(pgpassFields(lines[0] ?? "")).toEqual([
                    some.host,
                    String(some.port),
                    some.database,
                    some.user,
                    some.password,
                ]);
            }),
        );
    });

    it("a credentials file of AWS", () => {
        expect(awsCredentials({ id: "AKIA", secret: "a=b%c;d" })).toBe(
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = a=b%c;d\n",
        );
    });

    it("gives both values back to a reader of INI files", () => {
        fc.assert(
            fc.property(text, text, (id, word) => {
                const [section, ...lines] = awsCredentials({ id, secret: word }).trimEnd().split("\n");
                const entries = lines.map((line) => {
                    const at = line.indexOf("=");
                    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
                });
                expect(section).toBe("[default]");
                expect(entries).toEqual([
                    ["aws_access_key_id", id],
                    ["aws_secret_access_key", word],
                ]);
            }),
        );
    });

    it.each([
        ["127.0.0.1", ["mlflow"], "localhost,localhost:*,127.0.0.1,127.0.0.1:*,mlflow,mlflow:*"],
        [
            "127.0.0.9",
            ["mlflow", "other"],
            "localhost,localhost:*,127.0.0.1,127.0.0.1:*,127.0.0.9,127.0.0.9:*,mlflow,mlflow:*,other,other:*",
        ],
        ["localhost", ["127.0.0.1", "localhost"], "localhost,localhost:*,127.0.0.1,127.0.0.1:*"],
    ])("the hosts that the server at %s answers for, each once", (bindAddress, names, hosts) => {
        expect(allowedHosts(bindAddress, names)).toBe(hosts);
    });

    it("no host is allowed beside those named and loopback", () => {
        const host = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
        fc.assert(
            fc.property(host, fc.array(host, { maxLength: 4 }), (bindAddress, names) => {
                const allowed = allowedHosts(bindAddress, names).split(",");
                const named = new Set(["localhost", "127.0.0.1", bindAddress, ...names]);
                expect(new Set(allowed)).toEqual(new Set([...named].flatMap((one) => [one, `${one}:*`])));
                expect(allowed).not.toContain("*");
            }),
        );
    });
});
