import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardenedService } from "./hardened.ts";
import { Job, type JobRecord } from "./job.ts";
import type { Labels } from "./labels.ts";
import type { AccessKey } from "./minio.ts";
import type { DatabaseAddress, Login } from "./postgres.ts";
import { SecretFiles, secretsPath } from "./secretFiles.ts";

/** The user of images/mlflow. */
const owner = { uid: 1000, gid: 1000 };

/** Port of the server on the network. */
const serverPort = 5000;

/** Arguments of `Mlflow`. */
export interface MlflowArgs {
    /** Image built from images/mlflow, or one that keeps its contract. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network to join. */
    networkId: pulumi.Input<string>;
    /** The database. */
    database: DatabaseAddress;
    /** The role that migrates the schema. */
    ownerLogin: Login;
    /** The role of the server, which cannot change the schema. */
    serverLogin: Login;
    /** S3 endpoint on the network. */
    endpoint: pulumi.Input<string>;
    /** S3 region name. */
    region: string;
    /** Bucket of the artifacts. */
    bucketName: pulumi.Input<string>;
    /** Key that can use the bucket. */
    accessKey: AccessKey;
    /** Passphrase that encrypts the credentials which users store in MLflow; at least 32 characters. */
    kekPassphrase: pulumi.Input<string>;
    /** Address on which the port is published. */
    bindAddress: string;
    /** Published port. */
    port: number;
    /** Server processes. */
    workers: number;
    /** Memory limit in MiB. */
    memory: number;
    /** CPU limit. */
    cpus: number;
    /** Seconds an update waits for it to be healthy. */
    waitSeconds: number;
    /** How each job ended in the last update. */
    lastRecords: pulumi.Input<Readonly<Record<string, JobRecord>> | undefined>;
    /** Labels of all it makes. */
    labels: Labels;
}

/** SQLAlchemy's URI without a password. The driver is named: what a bare postgresql:// means changed in SQLAlchemy 2.1. */
export function backendStoreUri(address: { host: string; port: number; database: string; user: string }): string {
    const { user, host, port, database } = address;
    return `postgresql+psycopg2://${encodeURIComponent(user)}@${host}:${port}/${encodeURIComponent(database)}`;
}

/** One line of a password file (PostgreSQL manual, "The Password File"): colons and backslashes are escaped. */
export function pgpassLine(address: {
    host: string;
    port: number;
    database: string;
    user: string;
    password: string;
}): string {
    const { host, port, database, user, password } = address;
    return `${[host, String(port), database, user, password].map((field) => field.replace(/[\\:]/g, "\\$&")).join(":")}\n`;
}

/** An AWS credentials file with one default profile. Values are taken as they are up to the end of the line. */
export function awsCredentials(key: { id: string; secret: string }): string {
    return `[default]\naws_access_key_id = ${key.id}\naws_secret_access_key = ${key.secret}\n`;
}

/**
 * Host headers that the server accepts: from this host under any loopback name, and from containers by service name. A
 * pattern without `*` must match the whole header with its port (mlflow/server/security_utils.py).
 */
export function allowedHosts(bindAddress: string, names: readonly string[]): string {
    const hosts = new Set(["localhost", "127.0.0.1", bindAddress, ...names]);
    return [...hosts].flatMap((host) => [host, `${host}:*`]).join(",");
}

/** The tracking server with registry and web UI, and a job that brings the database's schema to the image's version first. */
export class Mlflow extends pulumi.ComponentResource {
    /** URL for clients on the engine's host, once the server is healthy. */
    public readonly trackingUri: pulumi.Output<string>;
    /** How the migration ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: MlflowArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Mlflow", name, {}, opts);
        const { image, seedImage, labels, networkId, database, bindAddress } = args;
        const address = (user: string) =>
            database.host.apply((host) => ({ host, port: database.port, database: database.database, user }));
        const pgpass = (login: Login) =>
            pulumi
                .all([address(login.user), login.password])
                .apply(([at, password]) => pgpassLine({ ...at, password }));
        const databaseEnvironment = (login: Login) => ({
            MLFLOW_BACKEND_STORE_URI: address(login.user).apply(backendStoreUri),
            PGPASSFILE: `${secretsPath}/pgpass`,
        });
        const temporary = { "/tmp": "rw,noexec,nosuid,nodev,size=64m" };

        const jobName = `${name}-migrate`;
        const migration = new Job(
            jobName,
            {
                lastRecords: args.lastRecords,
                secretFiles: new SecretFiles(
                    `${jobName}-secrets`,
                    { seedImage, owner, labels, files: { pgpass: pgpass(args.ownerLogin) } },
                    { parent: this },
                ),
                process: {
                    image,
                    labels,
                    owner,
                    entrypoint: ["/usr/local/bin/migrate"],
                    // It transfers nothing, so it has no volume for that.
                    environment: { ...databaseEnvironment(args.ownerLogin), TMPDIR: "/tmp" },
                    mounts: [],
                    tmpfs: temporary,
                    network: { id: networkId, aliases: [] },
                    memory: 1024,
                    cpus: 2,
                },
            },
            { parent: this },
        );

        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            {
                seedImage,
                owner,
                labels,
                files: {
                    pgpass: pgpass(args.serverLogin),
                    aws_credentials: pulumi
                        .all([args.accessKey.id, args.accessKey.secret])
                        .apply(([id, secret]) => awsCredentials({ id, secret })),
                    kek_passphrase: args.kekPassphrase,
                },
            },
            { parent: this },
        );
        // Artifacts pass through files here: on a disk, because a tmpfs would count as the server's memory.
        const transfers = new docker.Volume(
            `${name}-transfers`,
            { labels: Object.entries(labels).map(([label, value]) => ({ label, value })) },
            { parent: this, deleteBeforeReplace: true },
        );
        const { args: containerArgs, options } = hardenedService({
            image,
            labels: {
                ...labels,
                // The server starts after the migration; and it is deleted before the next one, because whatever takes
                // a property of a container that is replaced goes first.
                "mlflow-platform.migrated": migration.succeeded.apply(String),
            },
            owner,
            environment: {
                ...databaseEnvironment(args.serverLogin),
                AWS_SHARED_CREDENTIALS_FILE: `${secretsPath}/aws_credentials`,
                AWS_DEFAULT_REGION: args.region,
                MLFLOW_S3_ENDPOINT_URL: args.endpoint,
                MLFLOW_ARTIFACTS_DESTINATION: pulumi.interpolate`s3://${args.bucketName}`,
                MLFLOW_HOST: "0.0.0.0",
                MLFLOW_PORT: String(serverPort),
                MLFLOW_WORKERS: String(args.workers),
                MLFLOW_SERVER_ALLOWED_HOSTS: allowedHosts(bindAddress, [
                    name,
                    `${pulumi.getProject()}-${pulumi.getStack()}-${name}`,
                ]),
            },
            mounts: [{ source: transfers.name, path: "/var/lib/mlflow/tmp" }, secretFiles.mount],
            tmpfs: temporary,
            network: { id: networkId, aliases: [name] },
            memory: args.memory,
            cpus: args.cpus,
            ports: [{ internal: serverPort, external: args.port, address: bindAddress }],
            health: { command: ["/usr/local/bin/healthy"], interval: 5, timeout: 10 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 30,
        });
        const container = new docker.Container(name, containerArgs, {
            ...options,
            ...secretFiles.consumerOptions,
            parent: this,
        });
        this.jobRecords = { [jobName]: migration.record };
        this.trackingUri = container.id.apply(() => `http://${bindAddress}:${args.port}`);
        this.registerOutputs({ trackingUri: this.trackingUri });
    }
}
