/** PostgreSQL, MinIO and MLflow where they run here: exactly what each registers, and how they find each other. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import type { JobRecord } from "../../components/job.ts";
import { Minio, type MinioArgs, networkNames } from "../../components/minio.ts";
import { Mlflow, type MlflowArgs } from "../../components/mlflow.ts";
import { Postgres, type PostgresArgs, postgresSettings } from "../../components/postgres.ts";
import {
    containerOptions,
    filesOf,
    job,
    jobOptions,
    labelInputs,
    labels,
    secretsMount,
    service,
    tmp,
    tree,
} from "./support/containers.ts";
import { project, record, secret, stack, valueOf, withFailures } from "./support/recording.ts";

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
        authLogin: { user: "people", password: pulumi.secret("people's word") },
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

    it("gets all passwords as files, and publishes no port", async () => {
        const recording = await make();
        expect(filesOf(recording, "postgres-secrets-seed")).toStrictEqual({
            owner: ["999:999"],
            files: {
                "/run/secrets/platform/owner_password": secret("owner's word"),
                "/run/secrets/platform/server_password": secret("server's word"),
                "/run/secrets/platform/auth_password": secret("people's word"),
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
            envs: ["AUTH_USER=people", "DATABASE=tracking", "OWNER_USER=owner", "PGPORT=5433", "SERVER_USER=server"],
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
                interval: "3s",
                timeout: "5s",
                startPeriod: "2h0m0s",
                retries: 9,
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

    it("says where it is and who may log in, without TLS and with nothing to prepare", async () => {
        const { result, get } = await make();
        const { ready, ownerLogin, serverLogin, authLogin, ...rest } = result.database;
        expect(rest).toStrictEqual({ host: "postgres", port: 5433, database: "tracking" });
        expect([ownerLogin, serverLogin, authLogin]).toStrictEqual([args.ownerLogin, args.serverLogin, args.authLogin]);
        expect(await Promise.all(ready.map(({ urn }) => valueOf(urn)))).toEqual([get("docker:Container postgres").urn]);
        expect(await valueOf(result.data)).toBe("pg_data");
    });

    it("gives the server's URI as a secret", async () => {
        const { result } = await make();
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
        urls: { s3: "http://s3.example.com:9010", console: "http://console.example.com:9002" },
        published: { address: "127.0.0.2", s3: 9010, console: 9003 },
        consolePort: 9002,
        tls: undefined,
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
                { internal: 9002, external: 9003, ip: "127.0.0.2" },
            ],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/healthy"],
                interval: "3s",
                timeout: "5s",
                startPeriod: "2h0m0s",
                retries: 9,
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

    const tls = {
        certificate: { certificate: pulumi.output("MinIO's certificate"), privateKey: pulumi.secret("MinIO's key") },
        authority: pulumi.output("the authority"),
    };

    it("serves by TLS with a certificate as files, and its job checks that against the authority", async () => {
        const [plain, secured] = [await make(), await make({ tls })];
        const files = (recording: typeof plain, seed: string) => filesOf(recording, seed).files;
        expect(files(secured, "minio-secrets-seed")).toStrictEqual({
            ...files(plain, "minio-secrets-seed"),
            "/run/secrets/platform/tls_certificate": secret("MinIO's certificate"),
            "/run/secrets/platform/tls_private_key": secret("MinIO's key"),
            "/run/secrets/platform/tls_ca": secret("the authority"),
        });
        expect(files(secured, "minio-provision-secrets-seed")).toStrictEqual({
            ...files(plain, "minio-provision-secrets-seed"),
            "/run/secrets/platform/s3_ca": secret("the authority"),
        });
        expect(secured.get("docker:Container minio").inputs).toStrictEqual(plain.get("docker:Container minio").inputs);
        expect(secured.get("docker:Container minio-provision").inputs.envs).toEqual([
            "BUCKET=artifacts",
            "REGION=eu-central-1",
            "S3_ENDPOINT=https://minio:9000",
        ]);
    });

    it("is called by https inside then, and checked against the authority", async () => {
        const { result } = await make({ tls });
        expect(result.store).toMatchObject({ endpoint: "https://minio:9000", authorities: tls.authority });
        expect(result.upstreams).toEqual({ s3: "https://minio:9000", console: "https://minio:9002" });
        expect((await make()).result.upstreams).toEqual({ s3: "http://minio:9000", console: "http://minio:9002" });
    });

    it("has a certificate for each name on the network", async () => {
        const { get } = await make();
        const [network] = get("docker:Container minio").inputs.networksAdvanced as { aliases: string[] }[];
        expect(network?.aliases).toEqual(networkNames("minio"));
        expect(networkNames("minio")).toEqual(["minio", "s3", "mlflow_minio"]);
    });

    it("publishes nothing where a gateway does", async () => {
        const { get, result } = await make({ published: undefined });
        expect(get("docker:Container minio").inputs.ports).toEqual([]);
        expect(await Promise.all(result.service.map(({ urn }) => valueOf(urn)))).toEqual(
            ["Container minio", "Volume minio-secrets", "Container minio-secrets-seed"].map(
                (one) => get(`docker:${one}`).urn,
            ),
        );
        expect(await valueOf(result.publishedEndpoint)).toBe("http://s3.example.com:9010");
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
        // What changes MinIO does not run it again: it has MinIO before it, and nothing of it.
        expect(recording.get("docker:Container minio-provision").takes).toEqual({
            volumes: ["docker:Volume minio-provision-secrets"],
        });
        expect(recording.get("docker:Container minio-provision").options).toStrictEqual({
            ...jobOptions,
            dependencies: [
                "docker:Container minio",
                "docker:Container minio-provision-secrets-seed",
                "docker:Volume minio-provision-secrets",
            ],
            replaceWith: ["docker:Container minio-provision-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("says where it is, with which key, and when it can be used", async () => {
        const { result, get } = await make();
        const { ready, ...address } = result.store;
        expect(address).toStrictEqual({
            endpoint: "http://minio:9000",
            region: "eu-central-1",
            bucketName: "artifacts",
            accessKey: args.accessKey,
        });
        const resources = await valueOf(pulumi.output([...ready]) as pulumi.Output<pulumi.Resource[]>);
        expect(await Promise.all(resources.map(({ urn }) => valueOf(urn)))).toEqual([
            get("docker:Container minio").urn,
            get("docker:Container minio-provision").urn,
        ]);
    });

    it.each<[string, pulumi.Input<string>, string]>([
        ["its volume", pulumi.output("minio_data"), "minio_data"],
        ["its directory", "/srv/minio", "/srv/minio"],
    ])("says where its data is: %s", async (_words, data, where) => {
        const { result } = await make({ data });
        expect(await valueOf(result.data)).toBe(where);
        expect(await pulumi.isSecret(result.data)).toBe(false);
    });

    it("says where it is published, which bucket there is, and how its job ended", async () => {
        const { result } = await make();
        expect(await valueOf(result.publishedEndpoint)).toBe("http://s3.example.com:9010");
        expect(await valueOf(result.consoleUrl)).toBe("http://console.example.com:9002");
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

    it("has no bucket where the job failed, but is there itself; what the job printed has no secret of its own", async () => {
        const containerLogs = "root's word and key's word, no luck";
        const { result } = await withFailures(() =>
            make({}, { "docker:Container minio-provision": { exitCode: 1, containerLogs } }),
        );
        await expect(valueOf(result.result.bucketName)).rejects.toThrow(/\[secret\] and \[secret\], no luck$/);
        await expect(valueOf(result.result.bucketName)).rejects.toThrow(/^job minio-provision ended with exit code 1;/);
        expect(await valueOf(result.result.publishedEndpoint)).toBe("http://s3.example.com:9010");
    });
});

describe("MLflow", () => {
    const args: MlflowArgs = {
        image: "mlflow:1",
        seedImage: "seed:1",
        networkId: "network id",
        database: {
            host: "postgres",
            port: 5433,
            database: "tracking",
            ownerLogin: { user: "owner", password: pulumi.secret("owner's word") },
            serverLogin: { user: "server", password: pulumi.secret("a:b\\c") },
            authLogin: { user: "people", password: pulumi.secret("people's word") },
            ready: [],
        },
        store: {
            endpoint: "http://minio:9000",
            region: "eu-central-1",
            bucketName: "artifacts",
            accessKey: { id: pulumi.secret("key's id"), secret: pulumi.secret("key's word") },
            ready: [],
        },
        kekPassphrase: pulumi.secret("kek's word"),
        login: {
            adminUsername: "chief",
            adminPassword: pulumi.secret("chief's word"),
            defaultPermission: "READ",
            flaskSecretKey: pulumi.secret("flask's word"),
        },
        modelServers: [],
        transfer: { kind: "proxied" },
        tempSize: 512,
        url: "http://127.0.0.2:5010",
        hosts: ["localhost", "127.0.0.2", "10.*"],
        origins: ["http://127.0.0.2:5010", "http://10.*:5010"],
        published: { address: "127.0.0.2", port: 5010 },
        workers: 3,
        memory: 1536,
        cpus: 2,
        waitSeconds: 90,
        lastRecords: undefined,
        labels,
    };
    const make = (outputs = {}, more: Partial<MlflowArgs> = {}) =>
        record(() => new Mlflow("mlflow", { ...args, ...more }), { outputs });
    const envs = ({ get }: Awaited<ReturnType<typeof make>>, name: string) =>
        get(`docker:Container ${name}`).inputs.envs as string[];
    /** Beside a database, a store and the job that makes its bucket, all of which are to be there before. */
    const makeAfter = (outputs = {}) =>
        record(
            () => {
                const [database, store, bucket] = ["database", "store", "bucket"].map(
                    (name) => new docker.Container(name, { image: name }),
                ) as [docker.Container, docker.Container, docker.Container];
                return new Mlflow("mlflow", {
                    ...args,
                    database: { ...args.database, ready: [database] },
                    store: { ...args.store, ready: [store, bucket.exitCode.apply(() => bucket)] },
                });
            },
            { outputs },
        );

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

    it("is migrated by a job that is the tables' owner, makes the administrator, and has these logins alone", async () => {
        const recording = await make();
        expect(filesOf(recording, "mlflow-migrate-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                "/run/secrets/platform/pgpass": secret("postgres:5433:tracking:owner:owner's word\n"),
                "/run/secrets/platform/admin_password": secret("chief's word"),
            },
        });
        expect(recording.get("docker:Container mlflow-migrate").inputs).toStrictEqual({
            ...job,
            image: "mlflow:1",
            user: "1000:1000",
            entrypoints: ["/usr/local/bin/migrate"],
            envs: [
                "ADMIN_USERNAME=chief",
                "AUTH_USER=people",
                "LOGIN=true",
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
            ...jobOptions,
            dependencies: ["docker:Container mlflow-migrate-secrets-seed", "docker:Volume mlflow-migrate-secrets"],
            replaceWith: ["docker:Container mlflow-migrate-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("runs with the server's two logins and the bucket's key, neither the owner's, the administrator's nor root's", async () => {
        const recording = await make();
        expect(filesOf(recording, "mlflow-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                "/run/secrets/platform/pgpass": secret(
                    "postgres:5433:tracking:server:a\\:b\\\\c\npostgres:5433:tracking:people:people's word\n",
                ),
                "/run/secrets/platform/aws_credentials": secret(
                    "[default]\naws_access_key_id = key's id\naws_secret_access_key = key's word\n",
                ),
                "/run/secrets/platform/kek_passphrase": secret("kek's word"),
                "/run/secrets/platform/flask_secret_key": secret("flask's word"),
            },
        });
        expect(recording.get("docker:Container mlflow").inputs).toStrictEqual({
            ...service,
            image: "mlflow:1",
            labels: [{ label: "mlflow-platform.migrated", value: "true" }, ...labelInputs],
            user: "1000:1000",
            envs: [
                "ADMIN_USERNAME=chief",
                "ARTIFACT_TEMP_SIZE=512",
                "ARTIFACT_TRANSFER=proxied",
                "AUTH_STORE_URI=postgresql+psycopg2://people@postgres:5433/tracking?options=-csearch_path%3Dmlflow_auth",
                "AWS_DEFAULT_REGION=eu-central-1",
                "AWS_SHARED_CREDENTIALS_FILE=/run/secrets/platform/aws_credentials",
                "DEFAULT_PERMISSION=READ",
                "LOGIN=true",
                "MLFLOW_ARTIFACTS_DESTINATION=s3://artifacts",
                "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://server@postgres:5433/tracking",
                "MLFLOW_HOST=0.0.0.0",
                "MLFLOW_PORT=5000",
                "MLFLOW_S3_ENDPOINT_URL=http://minio:9000",
                "MLFLOW_SERVER_ALLOWED_HOSTS=localhost,localhost:*,127.0.0.2,127.0.0.2:*,10.*," +
                    "mlflow,mlflow:*,mlflow-platform-test-mlflow,mlflow-platform-test-mlflow:*",
                "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS=http://127.0.0.2:5010,http://10.*:5010," +
                    "http://mlflow:5000,http://mlflow-platform-test-mlflow:5000",
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
                interval: "3s",
                timeout: "10s",
                startPeriod: "2h0m0s",
                retries: 9,
            },
            waitTimeout: 90,
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
    });

    it("has, without login, neither administrator nor users, and no file of theirs", async () => {
        const recording = await make({}, { login: undefined });
        const files = (seed: string) => filesOf(recording, seed).files;
        expect(files("mlflow-migrate-secrets-seed")).toStrictEqual({
            "/run/secrets/platform/pgpass": secret("postgres:5433:tracking:owner:owner's word\n"),
        });
        expect(Object.keys(files("mlflow-secrets-seed"))).toEqual([
            "/run/secrets/platform/aws_credentials",
            "/run/secrets/platform/kek_passphrase",
            "/run/secrets/platform/pgpass",
        ]);
        expect(files("mlflow-secrets-seed")["/run/secrets/platform/pgpass"]).toEqual(
            secret("postgres:5433:tracking:server:a\\:b\\\\c\n"),
        );
        const withLogin = await make();
        for (const name of ["mlflow", "mlflow-migrate"]) {
            expect(envs(recording, name)).toEqual(
                envs(withLogin, name)
                    .filter((line) => !/^(ADMIN_USERNAME|AUTH_\w+|DEFAULT_PERMISSION)=/.test(line))
                    .map((line) => line.replace("LOGIN=true", "LOGIN=false")),
            );
        }
    });

    describe("with model servers", () => {
        const modelServers = [
            {
                networkId: "iris' network",
                account: "model-server-iris",
                password: pulumi.secret("iris' word"),
                model: "Iris flowers",
            },
            {
                networkId: pulumi.output("wine's network"),
                account: "model-server-wine",
                password: pulumi.secret("wine's word"),
                model: "wine",
            },
        ];
        const passwords = "/run/secrets/platform/model_server_passwords";

        it("joins the network of each, under its own name", async () => {
            const [alone, { get }] = [await make(), await make({}, { modelServers })];
            expect(get("docker:Container mlflow").inputs).toStrictEqual({
                ...alone.get("docker:Container mlflow").inputs,
                networksAdvanced: [
                    { name: "network id", aliases: ["mlflow"] },
                    { name: "iris' network", aliases: ["mlflow"] },
                    { name: "wine's network", aliases: ["mlflow"] },
                ],
            });
            // The migration has nothing to do there.
            expect(get("docker:Container mlflow-migrate").inputs.networksAdvanced).toEqual([
                { name: "network id", aliases: [] },
            ]);
        });

        it("makes the account of each in the migration, which alone gets their passwords", async () => {
            const [alone, served] = [await make(), await make({}, { modelServers })];
            expect(filesOf(served, "mlflow-migrate-secrets-seed").files).toStrictEqual({
                ...filesOf(alone, "mlflow-migrate-secrets-seed").files,
                [passwords]: secret('{"model-server-iris":"iris\' word","model-server-wine":"wine\'s word"}'),
            });
            expect(filesOf(served, "mlflow-secrets-seed")).toStrictEqual(filesOf(alone, "mlflow-secrets-seed"));
            expect(envs(served, "mlflow-migrate")).toEqual(
                [
                    ...envs(alone, "mlflow-migrate"),
                    'MODEL_SERVERS={"model-server-iris":"Iris flowers","model-server-wine":"wine"}',
                ].sort(),
            );
            expect(envs(served, "mlflow")).toEqual(envs(alone, "mlflow"));
            expect(tree(served)).toEqual(tree(alone));
        });

        it("makes no account where there is no login", async () => {
            const [alone, served] = [
                await make({}, { login: undefined }),
                await make({}, { login: undefined, modelServers }),
            ];
            for (const name of ["mlflow", "mlflow-migrate"]) {
                expect(filesOf(served, `${name}-secrets-seed`)).toStrictEqual(filesOf(alone, `${name}-secrets-seed`));
                expect(envs(served, name)).toEqual(envs(alone, name));
            }
            const networks = served.get("docker:Container mlflow").inputs.networksAdvanced as { name: string }[];
            expect(networks.map(({ name }) => name)).toEqual(["network id", "iris' network", "wine's network"]);
        });

        it("has no password of theirs in what a failed migration printed", async () => {
            const containerLogs = "iris' word and wine's word are refused";
            const { result } = await withFailures(() =>
                make({ "docker:Container mlflow-migrate": { exitCode: 1, containerLogs } }, { modelServers }),
            );
            await expect(valueOf(result.result.migrated)).rejects.toThrow(/\n\[secret\] and \[secret\] are refused$/);
        });
    });

    it("signs URLs for the address at which clients reach the store, where they go there themselves", async () => {
        const transfer = { kind: "presigned", publicEndpoint: "https://s3.example.com" } as const;
        const [proxied, presigned] = [await make(), await make({}, { transfer })];
        const added = [
            "ARTIFACT_TRANSFER=presigned",
            "INSIDE_HOSTS=mlflow,mlflow-platform-test-mlflow",
            "S3_PUBLIC_ENDPOINT=https://s3.example.com",
        ];
        expect(envs(presigned, "mlflow")).toEqual(
            [...envs(proxied, "mlflow").filter((line) => line !== "ARTIFACT_TRANSFER=proxied"), ...added].sort(),
        );
        expect(envs(presigned, "mlflow-migrate")).toEqual(envs(proxied, "mlflow-migrate"));
    });

    it("publishes nothing where a gateway does, which is called as clients call it", async () => {
        const recording = await make(
            {},
            {
                published: undefined,
                url: "https://ml.example.com",
                hosts: ["ml.example.com"],
                origins: ["https://ml.example.com"],
            },
        );
        expect(recording.get("docker:Container mlflow").inputs.ports).toEqual([]);
        expect(recording.result.upstream).toBe("http://mlflow:5000");
        expect(await valueOf(recording.result.trackingUri)).toBe("https://ml.example.com");
        expect(envs(recording, "mlflow").filter((line) => line.startsWith("MLFLOW_SERVER_"))).toEqual([
            "MLFLOW_SERVER_ALLOWED_HOSTS=ml.example.com,ml.example.com:*," +
                "mlflow,mlflow:*,mlflow-platform-test-mlflow,mlflow-platform-test-mlflow:*",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS=https://ml.example.com,http://mlflow:5000," +
                "http://mlflow-platform-test-mlflow:5000",
        ]);
    });

    it("is what stands behind a gateway: its container, and whatever that is replaced with", async () => {
        const { result, get } = await make();
        expect(await Promise.all(result.service.map(({ urn }) => valueOf(urn)))).toEqual(
            [
                ...["Container mlflow", "Volume mlflow-secrets", "Container mlflow-secrets-seed"],
                ...["Container mlflow-migrate", "Volume mlflow-migrate-secrets"],
                "Container mlflow-migrate-secrets-seed",
            ].map((one) => get(`docker:${one}`).urn),
        );
    });

    it("is called from nowhere but the network where nothing else is named", async () => {
        const recording = await make({}, { origins: [] });
        expect(envs(recording, "mlflow")).toContain(
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS=http://mlflow:5000,http://mlflow-platform-test-mlflow:5000",
        );
    });

    it("is migrated after the database is there, and started after all the rest", async () => {
        const { get } = await makeAfter();
        expect(get("docker:Container mlflow-migrate").options.dependencies).toEqual([
            "docker:Container database",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Volume mlflow-migrate-secrets",
        ]);
        expect(get("docker:Container mlflow").options).toStrictEqual({
            ...containerOptions,
            dependencies: [
                "docker:Container bucket",
                "docker:Container database",
                "docker:Container mlflow-migrate",
                "docker:Container mlflow-secrets-seed",
                "docker:Container store",
                "docker:Volume mlflow-secrets",
                "docker:Volume mlflow-transfers",
            ],
            replaceWith: ["docker:Container mlflow-secrets-seed"],
        });
    });

    it("is replaced with its migration and with nothing else that is before it", async () => {
        const { get } = await makeAfter();
        expect(get("docker:Container mlflow-migrate").takes).toEqual({
            volumes: ["docker:Volume mlflow-migrate-secrets"],
        });
        expect(get("docker:Container mlflow").takes).toEqual({
            labels: ["docker:Container mlflow-migrate"],
            volumes: ["docker:Volume mlflow-secrets", "docker:Volume mlflow-transfers"],
        });
    });

    it("has a volume for transfers that nobody would miss", async () => {
        const { get } = await make();
        expect(get("docker:Volume mlflow-transfers").inputs).toStrictEqual({ labels: labelInputs });
        expect(get("docker:Volume mlflow-transfers").options).toStrictEqual({ deleteBeforeReplace: true });
    });

    it("says where it is published, that the schema is there, and how its job ended", async () => {
        const { result } = await make();
        expect(await valueOf(result.trackingUri)).toBe("http://127.0.0.2:5010");
        expect(await valueOf(result.migrated)).toBe(true);
        expect(await valueOf(pulumi.output(result.jobRecords))).toEqual({
            "mlflow-migrate": { exitCode: 0, attempt: 1 },
        });
    });

    it("does not start where the migration failed", async () => {
        const containerLogs = "owner's word, people's word, chief's word and a:b\\c are refused";
        const { result } = await withFailures(() =>
            make({ "docker:Container mlflow-migrate": { exitCode: 1, containerLogs } }),
        );
        await expect(valueOf(result.result.migrated)).rejects.toThrow(
            /\[secret\], \[secret\], \[secret\] and \[secret\] are refused$/,
        );
        expect(result.registrations.map(({ key }) => key)).toContain("docker:Container mlflow-migrate");
        expect(result.registrations.map(({ key }) => key)).not.toContain("docker:Container mlflow");
    });
});
