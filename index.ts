/** The platform, from top to bottom: what everything is made of, database, artifact store, tracking server, outputs. */
import * as pulumi from "@pulumi/pulumi";
import { writeBuildSecrets } from "./components/buildSecrets.ts";
import { ExternalPostgres } from "./components/externalPostgres.ts";
import { ExternalS3 } from "./components/externalS3.ts";
import { GeneratedSecret } from "./components/generatedSecret.ts";
import { Image, builds } from "./components/image.ts";
import { Minio } from "./components/minio.ts";
import { Mlflow } from "./components/mlflow.ts";
import { Network } from "./components/network.ts";
import { Origin, currentMaker } from "./components/origin.ts";
import { Postgres } from "./components/postgres.ts";
import { Volume } from "./components/volume.ts";
import { defaultOwner, portOf, readConfiguration } from "./config.ts";
import { readLastUpdate, recordJobs, recordPlaces } from "./lastUpdate.ts";

const last = await readLastUpdate();
const config = await readConfiguration(last);
const { bindAddress, pgHost, minioHost } = config;
const lastRecords = last.jobs;
writeBuildSecrets(process.cwd(), process.env);

const { labels } = new Origin("origin", { maker: currentMaker() });
const { networkId } = new Network("backend", { labels });

const { baseImage } = config;
const seedImage = new Image("seed", { build: builds.seed }).reference;
const mlflowImage = new Image("mlflow", { build: builds.mlflow, reference: config.mlflowImage, baseImage }).reference;

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
const ownerPassword = secret("pg-owner-password", config.pgOwnerPassword);
const serverLogin = { user: config.pgUser, password: secret("pg-password", config.pgPassword) };

const postgres =
    pgHost === undefined
        ? new Postgres("postgres", {
              image: new Image("postgres", { build: builds.postgres, reference: config.postgresImage, baseImage })
                  .reference,
              seedImage,
              networkId,
              dataVolume: new Volume("postgres_data", { labels }).volumeName,
              port: config.pgPort,
              database: config.pgDatabase,
              ownerLogin: { user: config.pgOwnerUser ?? defaultOwner, password: ownerPassword },
              serverLogin,
              memory: config.pgMemory,
              cpus: config.pgCpus,
              waitSeconds: config.pgWaitSeconds,
              labels,
          })
        : new ExternalPostgres("postgres", {
              host: pgHost,
              port: config.pgPort,
              database: config.pgDatabase,
              ownerLogin:
                  config.pgOwnerUser === undefined ? undefined : { user: config.pgOwnerUser, password: ownerPassword },
              serverLogin,
              tls: { mode: config.pgSslMode ?? "prefer", authorities: config.pgCaFile },
              waitSeconds: config.pgWaitSeconds,
          });

const s3 =
    minioHost === undefined
        ? new Minio("minio", {
              image: new Image("minio", { build: builds.minio, reference: config.minioImage, baseImage }).reference,
              seedImage,
              networkId,
              data:
                  config.minioVolumePath ??
                  new Volume("minio_data", { labels, volumeName: config.minioVolumeName }).volumeName,
              root,
              accessKey,
              bucketName: config.mlflowBucketName,
              region: config.minioRegion,
              bindAddress,
              port: config.minioPort,
              consolePort: portOf(config.minioConsoleAddress),
              memory: config.minioMemory,
              cpus: config.minioCpus,
              waitSeconds: config.minioWaitSeconds,
              lastRecords,
              labels,
          })
        : new ExternalS3("s3", {
              image: mlflowImage,
              seedImage,
              networkId,
              endpoint: `${config.minioStorageUseHttps ? "https" : "http"}://${minioHost}:${config.minioPort}`,
              region: config.minioRegion,
              bucketName: config.mlflowBucketName,
              accessKey,
              authorities: config.minioCaFile,
              waitSeconds: config.minioWaitSeconds,
              lastRecords,
              labels,
          });

const mlflow = new Mlflow("mlflow", {
    image: mlflowImage,
    seedImage,
    networkId,
    database: postgres.database,
    store: s3.store,
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
export const minioEndpoint = known(s3.publishedEndpoint);
export const minioConsoleUrl = s3.consoleUrl && known(s3.consoleUrl);
export const bucketName = known(s3.bucketName);
export const pgUri = known(postgres.uri);
export const minioRootUser = minioHost === undefined ? root.id : undefined;
export const minioRootPassword = minioHost === undefined ? root.secret : undefined;
export const clientEnv = known(pulumi.secret({ MLFLOW_TRACKING_URI: mlflow.trackingUri }));
export const modelServerUrls = {};
/** How each job ended; the next update reads it. */
export const jobs = recordJobs({ ...s3.jobRecords, ...mlflow.jobRecords }, last);
/** Where the data is; the next update refuses to part the stack from it. */
export const dataPlaces = recordPlaces(
    config,
    {
        cluster: postgres.data ?? mlflow.migrated,
        database: mlflow.migrated,
        store: s3.data ?? s3.bucketName,
        bucket: s3.bucketName,
    },
    last,
);
