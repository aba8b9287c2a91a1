import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type ArtifactStore, storeEnvironment, storeFiles } from "./artifactStore.ts";
import { allowedHosts } from "./addresses.ts";
import { type Database, authStoreUri, databaseEnvironment, databaseFiles, maintenanceDatabase } from "./database.ts";
import { gatewayHosts, hardenedService } from "./hardened.ts";
import { Job, type JobRecord } from "./job.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/mlflow. */
export const owner = { uid: 1000, gid: 1000 };

/** Port of the server on the network. */
const serverPort = 5000;

/** MLflow's own users and permissions. */
export interface MlflowLogin {
    /** The administrator, who is made by the migration. */
    readonly adminUsername: string;
    /** His password, a secret; at least 12 characters. */
    readonly adminPassword: pulumi.Input<string>;
    /** What users may do with what nobody gave them rights to, as MLflow has it: NO_PERMISSIONS, READ, USE, EDIT or MANAGE. */
    readonly defaultPermission: string;
    /** Signs the forms of the web UI, a secret; the same in all server processes. */
    readonly flaskSecretKey: pulumi.Input<string>;
}

/** A model server, as the tracking server knows it. */
export interface MlflowModelServer {
    /** Network of its own, on which it calls the server. */
    readonly networkId: pulumi.Input<string>;
    /** Its account, which can read its model and nothing else. */
    readonly account: string;
    /** The account's password, a secret. */
    readonly password: pulumi.Input<string>;
    /** Registered model. */
    readonly model: string;
}

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
    /** Who may log in; undefined lets everybody do everything. */
    login: MlflowLogin | undefined;
    /** What reads models from here; with login each has an account. */
    modelServers: readonly MlflowModelServer[];
    /** How clients move artifacts: through the server, or by URLs signed for the address at which they reach the store. */
    transfer: { kind: "proxied" } | { kind: "presigned"; publicEndpoint: string };
    /** MiB of disk for artifacts on their way through the server. */
    tempSize: number;
    /** URL of its clients outside the network. */
    url: string;
    /** Names under which it is called from outside the network; `*` stands for any characters. */
    hosts: readonly string[];
    /** Origins of the web UI under these names. */
    origins: readonly string[];
    /** Where its port is published; undefined where a gateway does that. */
    published: { address: string; port: number } | undefined;
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

/** The tracking server with registry and web UI, and a job that brings the database's schema to the image's version first. */
export class Mlflow extends pulumi.ComponentResource {
    /** URL of the server on the network. */
    public readonly upstream: string;
    /** The container of the server, and what it is replaced with; beside its image. */
    public readonly service: readonly pulumi.Resource[];
    /** URL for clients, once the server is healthy. */
    public readonly trackingUri: pulumi.Output<string>;
    /** True once the schema is that of the image. */
    public readonly migrated: pulumi.Output<boolean>;
    /** How the migration ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: MlflowArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Mlflow", name, {}, opts);
        const { image, seedImage, labels, networkId, database, store, login, transfer, published, modelServers } = args;
        const { ownerLogin, serverLogin, authLogin, prepareSeconds } = database;
        const hosts = gatewayHosts([database.host, new URL(store.endpoint).hostname]);
        const temporary = { "/tmp": "rw,noexec,nosuid,nodev,size=64m" };

        const jobName = `${name}-migrate`;
        const migration = new Job(
            jobName,
            {
                lastRecords: args.lastRecords,
                after: database.ready,
                secrets: [
                    ownerLogin.password,
                    serverLogin.password,
                    authLogin.password,
                    ...(login === undefined
                        ? []
                        : [login.adminPassword, ...modelServers.map(({ password }) => password)]),
                ],
                secretFiles: new SecretFiles(
                    `${jobName}-secrets`,
                    {
                        seedImage,
                        owner,
                        labels,
                        files: {
                            ...databaseFiles(
                                database,
                                { login: ownerLogin, to: database.database },
                                ...(prepareSeconds === undefined
                                    ? []
                                    : [
                                          { login: ownerLogin, to: maintenanceDatabase },
                                          { login: serverLogin, to: database.database },
                                          ...(login === undefined ? [] : [{ login: authLogin, to: database.database }]),
                                      ]),
                            ),
                            ...(login === undefined ? {} : { admin_password: login.adminPassword }),
                            ...(login === undefined || modelServers.length === 0
                                ? {}
                                : {
                                      model_server_passwords: pulumi.jsonStringify(
                                          Object.fromEntries(
                                              modelServers.map(({ account, password }) => [account, password]),
                                          ),
                                      ),
                                  }),
                        },
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
                        LOGIN: String(login !== undefined),
                        ...(login === undefined
                            ? {}
                            : { AUTH_USER: authLogin.user, ADMIN_USERNAME: login.adminUsername }),
                        ...(login === undefined || modelServers.length === 0
                            ? {}
                            : {
                                  MODEL_SERVERS: JSON.stringify(
                                      Object.fromEntries(modelServers.map(({ account, model }) => [account, model])),
                                  ),
                              }),
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
                    ...databaseFiles(
                        database,
                        { login: serverLogin, to: database.database },
                        ...(login === undefined ? [] : [{ login: authLogin, to: database.database }]),
                    ),
                    ...storeFiles(store),
                    kek_passphrase: args.kekPassphrase,
                    ...(login === undefined ? {} : { flask_secret_key: login.flaskSecretKey }),
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
        const names = [name, `${pulumi.getProject()}-${pulumi.getStack()}-${name}`];
        this.upstream = `http://${name}:${serverPort}`;
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
                MLFLOW_SERVER_ALLOWED_HOSTS: allowedHosts([...args.hosts, ...names]),
                // Loopback's are allowed anyhow.
                MLFLOW_SERVER_CORS_ALLOWED_ORIGINS: [
                    ...args.origins,
                    ...names.map((host) => `http://${host}:${serverPort}`),
                ].join(","),
                LOGIN: String(login !== undefined),
                ...(login === undefined
                    ? {}
                    : {
                          AUTH_STORE_URI: authStoreUri({ ...database, user: authLogin.user }),
                          ADMIN_USERNAME: login.adminUsername,
                          DEFAULT_PERMISSION: login.defaultPermission,
                      }),
                ARTIFACT_TEMP_SIZE: String(args.tempSize),
                ARTIFACT_TRANSFER: transfer.kind,
                ...(transfer.kind === "proxied"
                    ? {}
                    : { S3_PUBLIC_ENDPOINT: transfer.publicEndpoint, INSIDE_HOSTS: names.join(",") }),
            },
            mounts: [{ source: transfers.name, path: "/var/lib/mlflow/tmp" }, secretFiles.mount],
            tmpfs: temporary,
            network: {
                id: networkId,
                aliases: [name],
                hosts,
                others: modelServers.map((server) => ({ id: server.networkId, aliases: [name] })),
            },
            memory: args.memory,
            cpus: args.cpus,
            ports:
                published === undefined
                    ? []
                    : [{ internal: serverPort, external: published.port, address: published.address }],
            health: { command: ["/usr/local/bin/healthy"], interval: 3, timeout: 10 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 30,
        });
        const container = new docker.Container(name, containerArgs, {
            ...options,
            ...secretFiles.consumerOptions,
            dependsOn: [...secretFiles.consumerOptions.dependsOn, ...database.ready, ...store.ready],
            parent: this,
        });
        this.service = [container, ...secretFiles.resources, ...migration.resources];
        this.migrated = migration.succeeded;
        this.jobRecords = { [jobName]: migration.record };
        this.trackingUri = container.id.apply(() => args.url);
        this.registerOutputs({ trackingUri: this.trackingUri });
    }
}
