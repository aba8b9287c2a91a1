/** The platform, from top to bottom: what everything is made of, database, artifact store, tracking server, outputs. */
import * as pulumi from "@pulumi/pulumi";
import { addressesOf } from "./components/addresses.ts";
import { packageSettings, writeBuildSecrets } from "./components/buildSecrets.ts";
import { CertificateAuthority } from "./components/certificateAuthority.ts";
import { clientEnvironment } from "./components/clientEnvironment.ts";
import { accountPurpose, derivedSecret, tokenPurpose } from "./components/derivedSecret.ts";
import { ExternalPostgres } from "./components/externalPostgres.ts";
import { ExternalS3 } from "./components/externalS3.ts";
import { Gateway, type GatewayCertificate } from "./components/gateway.ts";
import { GeneratedSecret } from "./components/generatedSecret.ts";
import { Image, builds } from "./components/image.ts";
import { recordJobs } from "./components/jobRecords.ts";
import { Minio, networkNames } from "./components/minio.ts";
import { Mlflow } from "./components/mlflow.ts";
import { ModelServer } from "./components/modelServer.ts";
import { Monitor } from "./components/monitor.ts";
import { Network } from "./components/network.ts";
import { Origin, currentMaker } from "./components/origin.ts";
import { Postgres } from "./components/postgres.ts";
import { ServerCertificate } from "./components/serverCertificate.ts";
import { Volume } from "./components/volume.ts";
import { requireCli } from "./cliVersion.ts";
import { defaultAuthUser, defaultOwner, portOf, readConfiguration } from "./config.ts";
import { readLastUpdate, recordPlaces } from "./lastUpdate.ts";
import { accountPrefix } from "./servedModels.ts";

// Types are stripped in place, so a stack's positions are those of the files. Pulumi's SDK, which takes one with every promise, would
// map each to sources: a third of the program's time.
Reflect.deleteProperty(Error, "prepareStackTrace");
await requireCli();
const last = await readLastUpdate();
const config = await readConfiguration(last);
const { bindAddress, pgHost, minioHost, publicHost } = config;
const consolePort = portOf(config.minioConsoleAddress);
const storeTls = minioHost === undefined && config.minioStorageUseHttps;
const addresses = addressesOf({ ...config, consolePort, storeTls });
const lastRecords = last.jobs;
writeBuildSecrets(process.cwd(), process.env);

const { labels } = new Origin("origin", { maker: currentMaker() });
const { networkId } = new Network("backend", { labels });

const { baseImage } = config;
const seedImage = new Image("seed", { build: builds.seed }).reference;
// Where no model is served nothing here runs it, and `npm run lifecycle` makes it for itself.
const modelImage = config.modelServers?.length
    ? new Image("model", { build: builds.model, reference: config.modelImage, baseImage }).reference
    : undefined;
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
const ownerPassword = secret("pg-owner-password", config.pgOwnerPassword);
const serverLogin = { user: config.pgUser, password: secret("pg-password", config.pgPassword) };
const authPassword = secret("pg-auth-password", config.pgAuthPassword);
const adminUser = { name: config.adminUsername, password: secret("admin-password", config.adminPassword) };
const flaskSecretKey = secret("mlflow-flask-secret-key", undefined);
const modelServerKey = secret("model-server-key", config.modelServerKey);
const authority = new CertificateAuthority("authority");

/** The served models, each with what it does not share with the others. */
const served =
    modelImage === undefined
        ? []
        : (config.modelServers ?? []).map((model) => ({
              ...model,
              image: modelImage,
              server: `model-${model.name}` as const,
              networkId: new Network(`model-${model.name}`, { labels }).networkId,
              account: `${accountPrefix}${model.name}`,
              password: derivedSecret(modelServerKey, accountPurpose(model)),
              token: derivedSecret(modelServerKey, tokenPurpose(model)),
          }));

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
              authLogin: { user: config.pgAuthUser ?? defaultAuthUser, password: authPassword },
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
              authLogin:
                  config.pgAuthUser === undefined ? undefined : { user: config.pgAuthUser, password: authPassword },
              tls: { mode: config.pgSslMode ?? "prefer", authorities: config.pgCaFile },
              waitSeconds: config.pgWaitSeconds,
          });

const minioImage =
    minioHost === undefined
        ? new Image("minio", { build: builds.minio, reference: config.minioImage, baseImage })
        : undefined;
const s3 =
    minioImage !== undefined
        ? new Minio("minio", {
              image: minioImage.reference,
              seedImage,
              networkId,
              data:
                  config.minioVolumePath ??
                  new Volume("minio_data", { labels, volumeName: config.minioVolumeName }).volumeName,
              root,
              accessKey,
              bucketName: config.mlflowBucketName,
              region: config.minioRegion,
              urls: addresses,
              published:
                  publicHost === undefined
                      ? { address: bindAddress, s3: config.minioPort, console: consolePort }
                      : undefined,
              consolePort,
              tls: storeTls
                  ? {
                        certificate: new ServerCertificate("minio-certificate", {
                            authority,
                            names: [...networkNames("minio"), ...addresses.hosts.filter((host) => !host.includes("*"))],
                        }),
                        authority: authority.certificate,
                    }
                  : undefined,
              memory: config.minioMemory,
              cpus: config.minioCpus,
              waitSeconds: config.minioWaitSeconds,
              lastRecords,
              labels,
          })
        : new ExternalS3("s3", {
              image: mlflowImage.reference,
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
    image: mlflowImage.reference,
    seedImage,
    networkId,
    database: postgres.database,
    store: s3.store,
    kekPassphrase: secret("mlflow-kek-passphrase", undefined),
    login: config.mlflowAuth
        ? {
              adminUsername: adminUser.name,
              adminPassword: adminUser.password,
              defaultPermission: config.defaultPermission,
              flaskSecretKey,
          }
        : undefined,
    modelServers: served,
    transfer:
        config.artifactTransfer === "presigned"
            ? { kind: "presigned", publicEndpoint: minioHost === undefined ? addresses.s3 : s3.store.endpoint }
            : { kind: "proxied" },
    tempSize: config.artifactTempSize,
    url: addresses.tracking,
    hosts: addresses.hosts,
    origins: addresses.origins,
    published: publicHost === undefined ? { address: bindAddress, port: config.mlflowPort } : undefined,
    workers: config.mlflowWorkers,
    memory: config.mlflowMemory,
    cpus: config.mlflowCpus,
    waitSeconds: config.mlflowWaitSeconds,
    lastRecords,
    labels,
});

const packages = packageSettings(process.env, {
    indexUrl: config.packageIndexUrl,
    authorities: config.packageCaFile,
});
const monitorLogin =
    config.mlflowAuth && config.monitorUsername !== undefined && config.monitorPassword !== undefined
        ? { username: config.monitorUsername, password: config.monitorPassword }
        : undefined;
const modelServers = served.map(({ server, networkId, account, password, image, ...model }) => {
    const recordsVolume = new Volume(`${server}-records`, { labels, removable: true }).volumeName;
    const common = { image, seedImage, networkId, recordsVolume, trackingUri: mlflow.upstream, labels };
    const modelServer = new ModelServer(server, {
        ...model,
        ...common,
        stateVolume: new Volume(`${server}-state`, { labels, removable: true }).volumeName,
        account: config.mlflowAuth ? { username: account, password } : undefined,
        packages,
        publishedPort: publicHost === undefined ? model.port : undefined,
        url: addresses.model(model.port),
        after: mlflow.service,
    });
    if (model.monitorSchedule !== undefined) {
        new Monitor(`${server}-monitor`, {
            ...model,
            ...common,
            project: config.monitorProject,
            schedule: model.monitorSchedule,
            login: monitorLogin,
            after: modelServer.service,
        });
    }
    return { name: model.name, port: model.port, token: model.token, server, networkId, modelServer };
});

const certificate: GatewayCertificate =
    config.tlsCertificateFile !== undefined && config.tlsPrivateKey !== undefined
        ? { kind: "given", certificate: config.tlsCertificateFile, privateKey: config.tlsPrivateKey }
        : config.tlsEmail !== undefined
          ? {
                kind: "acme",
                email: config.tlsEmail,
                directory: config.tlsAcmeDirectory,
                authorities: config.tlsAcmeCaFile,
            }
          : { kind: "internal", authority };
const gatewayVolume = new Volume("gateway_data", { labels }).volumeName;
const gateway =
    publicHost === undefined
        ? undefined
        : new Gateway("gateway", {
              image: new Image("gateway", { build: builds.gateway, reference: config.gatewayImage, baseImage })
                  .reference,
              seedImage,
              networkId,
              dataVolume: gatewayVolume,
              publicHost,
              otherHosts: addresses.hosts.filter((host) => host !== publicHost),
              sites: [
                  { name: "tracking", port: config.mlflowPort, upstream: mlflow.upstream },
                  ...(s3.upstreams === undefined
                      ? []
                      : ([
                            { name: "s3", port: config.minioPort, upstream: s3.upstreams.s3 },
                            { name: "console", port: consolePort, upstream: s3.upstreams.console },
                        ] as const)),
              ],
              modelServers: modelServers.map(({ server, port, networkId, token, modelServer }) => ({
                  networkId,
                  token,
                  site: { name: server, port, upstream: modelServer.upstream },
              })),
              behind: [
                  ...modelServers.flatMap(({ modelServer }) => modelServer.service),
                  ...mlflow.service,
                  mlflowImage.resource,
                  ...s3.service,
                  ...(minioImage === undefined ? [] : [minioImage.resource]),
              ],
              httpPort: config.gatewayHttpPort,
              certificate,
              upstreamAuthorities: storeTls ? authority.certificate : undefined,
              bindAddress,
              memory: config.gatewayMemory,
              cpus: config.gatewayCpus,
              waitSeconds: config.gatewayWaitSeconds,
              labels,
          });

// A failed update records its outputs, too, so that the next one knows which jobs failed: an output that depends on what
// failed is left out instead of failing all of them.
const known = <T>(output: pulumi.Output<T>) => pulumi.recover<T | undefined>(output, () => undefined);

// An address is known when what answers there is healthy, the gateway included.
const open = <T>(address: pulumi.Output<T>) => known(pulumi.all([address, gateway?.started]).apply(([url]) => url));
const clientsNeedAuthority = publicHost === undefined ? storeTls : certificate.kind === "internal";

/** The stack's outputs: those that this configuration has. */
export default {
    trackingUri: open(mlflow.trackingUri),
    minioEndpoint: open(s3.publishedEndpoint),
    ...(s3.consoleUrl === undefined
        ? {}
        : { minioConsoleUrl: open(s3.consoleUrl), minioRootUser: root.id, minioRootPassword: root.secret }),
    ...(clientsNeedAuthority ? { caCertificate: authority.certificate } : {}),
    ...(config.mlflowAuth ? { adminUsername: adminUser.name, adminPassword: adminUser.password } : {}),
    bucketName: known(s3.bucketName),
    pgUri: known(postgres.uri),
    clientEnv: open(
        pulumi.secret(
            pulumi
                .all([mlflow.trackingUri, clientsNeedAuthority ? authority.certificate : undefined])
                .apply(([uri, pem]) =>
                    clientEnvironment({
                        trackingUri: uri,
                        authority: pem,
                        presigned: config.artifactTransfer === "presigned",
                        storeAuthorities: config.minioCaFile,
                    }),
                ),
        ),
    ),
    modelServerUrls: Object.fromEntries(modelServers.map(({ name, modelServer }) => [name, open(modelServer.url)])),
    ...(publicHost === undefined
        ? {}
        : { modelServerTokens: Object.fromEntries(modelServers.map(({ name, token }) => [name, token])) }),
    ...(modelImage === undefined ? {} : { modelImage: known(modelImage) }),
    /** How each job ended; the next update reads it. */
    jobs: recordJobs({ ...s3.jobRecords, ...mlflow.jobRecords }, lastRecords),
    /** Where the data is; the next update refuses to part the stack from it. */
    dataPlaces: recordPlaces(
        config,
        {
            cluster: postgres.data ?? mlflow.migrated,
            database: mlflow.migrated,
            store: s3.data ?? s3.bucketName,
            bucket: s3.bucketName,
        },
        last,
    ),
};
