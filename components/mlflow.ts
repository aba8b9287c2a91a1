import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type ArtifactStore, storeEnvironment, storeFiles } from "./artifactStore.ts";
import { type Database, databaseEnvironment, databaseFiles, maintenanceDatabase } from "./database.ts";
import { gatewayHosts, hardenedService } from "./hardened.ts";
import { Job, type JobRecord } from "./job.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/mlflow. */
export const owner = { uid: 1000, gid: 1000 };

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
    /** The database, with the role that migrates its schema and the one of the server. */
    database: Database;
    /** The store of the artifacts. */
    store: ArtifactStore;
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
    /** How each job ended in the last update; undefined when there was none. */
    lastRecords: Readonly<Record<string, JobRecord>> | undefined;
    /** Labels of all it makes. */
    labels: Labels;
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
    /** True once the schema is that of the image. */
    public readonly migrated: pulumi.Output<boolean>;
    /** How the migration ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: MlflowArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Mlflow", name, {}, opts);
        const { image, seedImage, labels, networkId, database, store, bindAddress } = args;
        const { ownerLogin, serverLogin, prepareSeconds } = database;
        const hosts = gatewayHosts([database.host, new URL(store.endpoint).hostname]);
        const temporary = { "/tmp": "rw,noexec,nosuid,nodev,size=64m" };

        const jobName = `${name}-migrate`;
        const migration = new Job(
            jobName,
            {
                lastRecords: args.lastRecords,
                after: database.ready,
                secrets: [ownerLogin.password, serverLogin.password],
                secretFiles: new SecretFiles(
                    `${jobName}-secrets`,
                    {
                        seedImage,
                        owner,
                        labels,
                        files: databaseFiles(
                            database,
                            { login: ownerLogin, to: database.database },
                            ...(prepareSeconds === undefined
                                ? []
                                : [
                                      { login: ownerLogin, to: maintenanceDatabase },
                                      { login: serverLogin, to: database.database },
                                  ]),
                        ),
                    },
                    { parent: this },
                ),
                process: {
                    image,
                    labels,
                    owner,
                    entrypoint: ["/usr/local/bin/migrate"],
                    environment: {
                        ...databaseEnvironment(database, ownerLogin),
                        // It transfers nothing, so it has no volume for that.
                        TMPDIR: "/tmp",
                        ...(prepareSeconds === undefined
                            ? {}
                            : {
                                  MAINTENANCE_DATABASE: maintenanceDatabase,
                                  SERVER_USER: serverLogin.user,
                                  TIMEOUT: String(prepareSeconds),
                              }),
                    },
                    mounts: [],
                    tmpfs: temporary,
                    network: { id: networkId, aliases: [], hosts },
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
                    ...databaseFiles(database, { login: serverLogin, to: database.database }),
                    ...storeFiles(store),
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
                ...databaseEnvironment(database, serverLogin),
                ...storeEnvironment(store),
                MLFLOW_ARTIFACTS_DESTINATION: `s3://${store.bucketName}`,
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
            network: { id: networkId, aliases: [name], hosts },
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
            dependsOn: [...secretFiles.consumerOptions.dependsOn, ...database.ready, ...store.ready],
            parent: this,
        });
        this.migrated = migration.succeeded;
        this.jobRecords = { [jobName]: migration.record };
        this.trackingUri = container.id.apply(() => `http://${bindAddress}:${args.port}`);
        this.registerOutputs({ trackingUri: this.trackingUri });
    }
}
