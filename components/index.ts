/**
 * The components, for programs of your own: `import { Mlflow, Postgres } from "mlflow-platform"`. They take plain inputs and
 * read no configuration. examples/teams is such a program.
 */
export { type Access, type Addresses, addressesOf } from "./addresses.ts";
export type { AccessKey, ArtifactStore } from "./artifactStore.ts";
export { writeBuildSecrets } from "./buildSecrets.ts";
export { CertificateAuthority, type KeyPairOutput } from "./certificateAuthority.ts";
export { type ClientAccess, clientEnvironment } from "./clientEnvironment.ts";
export type { Database, DatabaseTls, Login } from "./database.ts";
export { ExternalPostgres, type ExternalPostgresArgs } from "./externalPostgres.ts";
export { ExternalS3, type ExternalS3Args } from "./externalS3.ts";
export { Gateway, type GatewayArgs, type GatewayCertificate, type GatewayModelServer } from "./gateway.ts";
export { GeneratedSecret, type GeneratedSecretArgs } from "./generatedSecret.ts";
export {
    type Hardened,
    type Mount,
    type Owner,
    type ProcessDescription,
    type PublishedPort,
    type ServiceDescription,
    hardenedJob,
    hardenedService,
} from "./hardened.ts";
export { type Build, Image, type ImageArgs, builds } from "./image.ts";
export { Job, type JobArgs, type JobRecord } from "./job.ts";
export { type JobRecords, readJobRecords, recordJobs } from "./jobRecords.ts";
export type { Labels } from "./labels.ts";
export { Minio, type MinioArgs } from "./minio.ts";
export { Mlflow, type MlflowArgs, type MlflowLogin, type MlflowModelServer } from "./mlflow.ts";
export { ModelServer, type ModelServerArgs } from "./modelServer.ts";
export { Monitor, type MonitorArgs } from "./monitor.ts";
export { Network, type NetworkArgs } from "./network.ts";
export { Origin, type OriginArgs, currentMaker } from "./origin.ts";
export { Postgres, type PostgresArgs } from "./postgres.ts";
export { SecretFiles, type SecretFilesArgs } from "./secretFiles.ts";
export { ServerCertificate, type ServerCertificateArgs } from "./serverCertificate.ts";
export { Volume, type VolumeArgs } from "./volume.ts";
