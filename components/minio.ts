import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { AccessKey, ArtifactStore } from "./artifactStore.ts";
import type { KeyPairOutput } from "./certificateAuthority.ts";
import { hardenedService } from "./hardened.ts";
import { Job, type JobRecord } from "./job.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/minio. */
export const owner = { uid: 1000, gid: 1000 };

/** Port of the S3 API on the network. */
const s3Port = 9000;

/** The names that it answers to on the network: beside its own those of the Compose file's service and container. */
export function networkNames(name: string): readonly string[] {
    return [name, "s3", "mlflow_minio"];
}

/** Arguments of `Minio`. */
export interface MinioArgs {
    /** Image built from images/minio, or one that keeps its contract. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network to join. */
    networkId: pulumi.Input<string>;
    /** Volume, or absolute path on the engine's host, of the data. */
    data: pulumi.Input<string>;
    /** Root user and password; only MinIO itself and the provisioning job get them. */
    root: AccessKey;
    /** The key that gets access to the bucket and to nothing else. */
    accessKey: AccessKey;
    /** Bucket that is made. */
    bucketName: string;
    /** S3 region name. */
    region: string;
    /** URLs of S3 and the console for clients outside the network. */
    urls: { s3: string; console: string };
    /** Where they are published; undefined where a gateway does that. */
    published: { address: string; s3: number; console: number } | undefined;
    /** Port of the console on the network. */
    consolePort: number;
    /** Certificate to serve with, and the authority that signed it; undefined is plain HTTP. */
    tls: { certificate: KeyPairOutput; authority: pulumi.Input<string> } | undefined;
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

/** MinIO, and a job that makes the bucket and MLflow's own access key with a policy for that bucket alone. */
export class Minio extends pulumi.ComponentResource {
    /** The volume of its data, or the directory once it has started there. */
    public readonly data: pulumi.Output<string>;
    /** Where it is on the network, and the key for its bucket. */
    public readonly store: ArtifactStore;
    /** The container of MinIO, and what it is replaced with; beside its image. */
    public readonly service: readonly pulumi.Resource[];
    /** URLs of S3 and the console on the network, for a gateway. */
    public readonly upstreams: { readonly s3: string; readonly console: string };
    /** S3 endpoint for clients, once MinIO is healthy. */
    public readonly publishedEndpoint: pulumi.Output<string>;
    /** URL of the console for clients, likewise. */
    public readonly consoleUrl: pulumi.Output<string>;
    /** The bucket, once it is there and the access key can use it. */
    public readonly bucketName: pulumi.Output<string>;
    /** How the provisioning job ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: MinioArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Minio", name, {}, opts);
        const {
            image,
            seedImage,
            labels,
            networkId,
            root,
            accessKey,
            bucketName,
            region,
            consolePort,
            published,
            tls,
        } = args;
        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            {
                seedImage,
                owner,
                labels,
                files: {
                    root_user: root.id,
                    root_password: root.secret,
                    ...(tls === undefined
                        ? {}
                        : {
                              tls_certificate: tls.certificate.certificate,
                              tls_private_key: tls.certificate.privateKey,
                              tls_ca: tls.authority,
                          }),
                },
            },
            { parent: this },
        );
        const service = hardenedService({
            image,
            labels,
            owner,
            environment: { MINIO_CONSOLE_ADDRESS: `:${consolePort}`, MINIO_SITE_REGION: region },
            mounts: [{ source: args.data, path: "/data" }, secretFiles.mount],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=64m" },
            network: { id: networkId, aliases: [...networkNames(name)] },
            memory: args.memory,
            cpus: args.cpus,
            ports:
                published === undefined
                    ? []
                    : [
                          { internal: s3Port, external: published.s3, address: published.address },
                          { internal: consolePort, external: published.console, address: published.address },
                      ],
            health: { command: ["/usr/local/bin/healthy"], interval: 3, timeout: 5 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 30,
        });
        const container = new docker.Container(name, service.args, {
            ...service.options,
            ...secretFiles.consumerOptions,
            parent: this,
        });
        const scheme = tls === undefined ? "http" : "https";
        const endpoint = `${scheme}://${name}:${s3Port}`;

        const jobName = `${name}-provision`;
        const job = new Job(
            jobName,
            {
                lastRecords: args.lastRecords,
                after: [container],
                secrets: [root.secret, accessKey.secret],
                secretFiles: new SecretFiles(
                    `${jobName}-secrets`,
                    {
                        seedImage,
                        owner,
                        labels,
                        files: {
                            root_user: root.id,
                            root_password: root.secret,
                            access_key: accessKey.id,
                            secret_access_key: accessKey.secret,
                            ...(tls === undefined ? {} : { s3_ca: tls.authority }),
                        },
                    },
                    { parent: this },
                ),
                process: {
                    image,
                    labels,
                    owner,
                    entrypoint: ["/usr/local/bin/provision"],
                    environment: { S3_ENDPOINT: endpoint, BUCKET: bucketName, REGION: region },
                    mounts: [],
                    tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=64m" },
                    network: { id: networkId, aliases: [] },
                    memory: 256,
                    cpus: 1,
                },
            },
            { parent: this },
        );
        const { data } = args;
        this.data = typeof data === "string" ? container.id.apply(() => data) : pulumi.output(data);
        this.store = {
            endpoint,
            region,
            bucketName,
            accessKey,
            ...(tls === undefined ? {} : { authorities: tls.authority }),
            ready: [container, job.done],
        };
        this.bucketName = job.succeeded.apply(() => bucketName);
        this.jobRecords = { [jobName]: job.record };
        this.service = [container, ...secretFiles.resources];
        this.upstreams = { s3: endpoint, console: `${scheme}://${name}:${consolePort}` };
        this.publishedEndpoint = container.id.apply(() => args.urls.s3);
        this.consoleUrl = container.id.apply(() => args.urls.console);
        this.registerOutputs({ endpoint, bucketName: this.bucketName });
    }
}
