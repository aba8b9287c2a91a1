/** The platform, from top to bottom: what everything is made of, database, artifact store, tracking server, outputs. */
import * as pulumi from "@pulumi/pulumi";
import { writeBuildSecrets } from "./components/buildSecrets.ts";
import { GeneratedSecret } from "./components/generatedSecret.ts";
import { Image, builds } from "./components/image.ts";
import type { JobRecord } from "./components/job.ts";
import { Minio } from "./components/minio.ts";
import { Mlflow } from "./components/mlflow.ts";
import { Network } from "./components/network.ts";
import { Origin, currentMaker } from "./components/origin.ts";
import { Postgres } from "./components/postgres.ts";
import { Volume } from "./components/volume.ts";
import { portOf, readConfiguration } from "./config.ts";

const config = readConfiguration();
const { bindAddress } = config;
const region = "us-east-1";
writeBuildSecrets(process.cwd(), process.env);

// This stack's own outputs of the last update: how its jobs ended then.
const last = new pulumi.StackReference(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`);
const lastRecords = last.getOutput("jobs") as pulumi.Output<Record<string, JobRecord> | undefined>;

const { labels } = new Origin("origin", { maker: currentMaker() });
const { networkId } = new Network("backend", { labels });
const minioData =
    config.minioVolumePath ?? new Volume("minio_data", { labels, volumeName: config.minioVolumeName }).volumeName;
const postgresData = new Volume("postgres_data", { labels }).volumeName;

const { baseImage } = config;
const seedImage = new Image("seed", { build: builds.seed }).reference;
const postgresImage = new Image("postgres", { build: builds.postgres, reference: config.postgresImage, baseImage });
const minioImage = new Image("minio", { build: builds.minio, reference: config.minioImage, baseImage });
const mlflowImage = new Image("mlflow", { build: builds.mlflow, reference: config.mlflowImage, baseImage });

const secret = (name: string, configured: string | undefined, upperCase = false, length?: number) =>
    new GeneratedSecret(name, { configured, upperCase, ...(length === undefined ? {} : { length }) }).value;
const root = {
    id: secret("minio-root-user", config.minioRootUser, true, 20),
    secret: secret("minio-root-password", config.minioRootPassword),
};
const accessKey = {
    id: secret("minio-access-key", config.minioAccessKey, true, 20),
    secret: secret("minio-secret-access-key", config.minioSecretAccessKey),
};
const ownerLogin = { user: config.pgOwnerUser, password: secret("pg-owner-password", config.pgOwnerPassword) };
const serverLogin = { user: config.pgUser, password: secret("pg-password", config.pgPassword) };

const postgres = new Postgres("postgres", {
    image: postgresImage.reference,
    seedImage,
    networkId,
    dataVolume: postgresData,
    port: config.pgPort,
    database: config.pgDatabase,
    ownerLogin,
    serverLogin,
    memory: config.pgMemory,
    cpus: config.pgCpus,
    waitSeconds: config.pgWaitSeconds,
    labels,
});

const minio = new Minio("minio", {
    image: minioImage.reference,
    seedImage,
    networkId,
    data: minioData,
    root,
    accessKey,
    bucketName: config.mlflowBucketName,
    region,
    bindAddress,
    port: config.minioPort,
    consolePort: portOf(config.minioConsoleAddress),
    memory: config.minioMemory,
    cpus: config.minioCpus,
    waitSeconds: config.minioWaitSeconds,
    lastRecords,
    labels,
});

const mlflow = new Mlflow("mlflow", {
    image: mlflowImage.reference,
    seedImage,
    networkId,
    database: postgres.address,
    ownerLogin,
    serverLogin,
    endpoint: minio.endpoint,
    region,
    bucketName: minio.bucketName,
    accessKey,
    kekPassphrase: secret("mlflow-kek-passphrase", undefined),
    bindAddress,
    port: config.mlflowPort,
    workers: config.mlflowWorkers,
    memory: config.mlflowMemory,
    cpus: config.mlflowCpus,
    waitSeconds: config.mlflowWaitSeconds,
    lastRecords,
    labels,
});

// A failed update records its outputs, too, so that the next one knows which jobs failed: an output that depends on what
// failed is left out instead of failing all of them.
const known = <T>(output: pulumi.Output<T>) => pulumi.recover<T | undefined>(output, () => undefined);

export const trackingUri = known(mlflow.trackingUri);
export const minioEndpoint = known(minio.publishedEndpoint);
export const minioConsoleUrl = known(minio.consoleUrl);
export const bucketName = known(minio.bucketName);
export const pgUri = known(postgres.uri);
export const minioRootUser = root.id;
export const minioRootPassword = root.secret;
export const clientEnv = known(pulumi.secret({ MLFLOW_TRACKING_URI: mlflow.trackingUri }));
export const modelServerUrls = {};
/** How each job ended; the next update reads it. */
export const jobs = Object.fromEntries(
    Object.entries({ ...minio.jobRecords, ...mlflow.jobRecords }).map(([name, record]) => [
        name,
        // A job that was not reached is as it was.
        pulumi.recover<JobRecord | undefined>(record, () => lastRecords.apply((records) => records?.[name])),
    ]),
);
