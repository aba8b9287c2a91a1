import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { AccessKey, ArtifactStore } from "./artifactStore.ts";
import { hardenedService } from "./hardened.ts";
import { Job, type JobRecord } from "./job.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/minio. */
export const owner = { uid: 1000, gid: 1000 };

/** Port of the S3 API on the network. */
const s3Port = 9000;

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
    /** Address on which the ports are published. */
    bindAddress: string;
    /** Published port of the S3 API. */
    port: number;
    /** Port of the console: on the network, and published. */
    consolePort: number;
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
    /** S3 endpoint as published. */
    public readonly publishedEndpoint: pulumi.Output<string>;
    /** The console's URL. */
    public readonly consoleUrl: pulumi.Output<string>;
    /** The bucket, once it is there and the access key can use it. */
    public readonly bucketName: pulumi.Output<string>;
    /** How the provisioning job ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: MinioArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Minio", name, {}, opts);
        const { image, seedImage, labels, networkId, bindAddress, root, accessKey, bucketName, region, consolePort } =
            args;
        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            { seedImage, owner, labels, files: { root_user: root.id, root_password: root.secret } },
            { parent: this },
        );
        const service = hardenedService({
            image,
            labels,
            owner,
            environment: { MINIO_CONSOLE_ADDRESS: `:${consolePort}`, MINIO_SITE_REGION: region },
            mounts: [{ source: args.data, path: "/data" }, secretFiles.mount],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=64m" },
            // Beside its own name those of the Compose file: its service and its container.
            network: { id: networkId, aliases: [name, "s3", "mlflow_minio"] },
            memory: args.memory,
            cpus: args.cpus,
            ports: [
                { internal: s3Port, external: args.port, address: bindAddress },
                { internal: consolePort, external: consolePort, address: bindAddress },
            ],
            health: { command: ["/usr/local/bin/healthy"], interval: 5, timeout: 5 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 30,
        });
        const container = new docker.Container(name, service.args, {
            ...service.options,
            ...secretFiles.consumerOptions,
            parent: this,
        });
        const endpoint = `http://${name}:${s3Port}`;

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
        this.store = { endpoint, region, bucketName, accessKey, ready: [container, job.done] };
        this.bucketName = job.succeeded.apply(() => bucketName);
        this.jobRecords = { [jobName]: job.record };
        this.publishedEndpoint = container.id.apply(() => `http://${bindAddress}:${args.port}`);
        this.consoleUrl = container.id.apply(() => `http://${bindAddress}:${consolePort}`);
        this.registerOutputs({ endpoint, bucketName: this.bucketName });
    }
}
