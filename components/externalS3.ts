import * as pulumi from "@pulumi/pulumi";
import { type AccessKey, type ArtifactStore, storeEnvironment, storeFiles } from "./artifactStore.ts";
import { gatewayHosts } from "./hardened.ts";
import { Job, type JobRecord } from "./job.ts";
import type { Labels } from "./labels.ts";
import { owner } from "./mlflow.ts";
import { SecretFiles } from "./secretFiles.ts";

/** Arguments of `ExternalS3`. */
export interface ExternalS3Args {
    /** Image built from images/mlflow: it has an S3 client. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network from which the store is reached. */
    networkId: pulumi.Input<string>;
    /** URL of the S3 API, as the stack's containers reach it. */
    endpoint: string;
    /** S3 region name. */
    region: string;
    /** Bucket; made if it is not there and the key may make it. */
    bucketName: string;
    /** Key for the bucket. */
    accessKey: AccessKey;
    /** Authorities in PEM form for an https endpoint. Defaults to the public ones. */
    authorities?: string | undefined;
    /** Seconds that the job waits for the store to answer. */
    waitSeconds: number;
    /** How each job ended in the last update; undefined when there was none. */
    lastRecords: Readonly<Record<string, JobRecord>> | undefined;
    /** Labels of all it makes. */
    labels: Labels;
}

/** An S3 store that somebody else runs, and a job that makes the bucket if need be and tries every right that MLflow needs. */
export class ExternalS3 extends pulumi.ComponentResource {
    /** Its data is not this stack's. */
    public readonly data = undefined;
    /** No gateway stands before it. */
    public readonly upstreams = undefined;
    /** Nor does it run here. */
    public readonly service = [];
    /** Nor is it known whether it has a console. */
    public readonly consoleUrl = undefined;
    /** Where it is, and the key for its bucket. */
    public readonly store: ArtifactStore;
    /** The bucket, once the key can use it. */
    public readonly bucketName: pulumi.Output<string>;
    /** S3 endpoint, the same for clients as for the stack. */
    public readonly publishedEndpoint: pulumi.Output<string>;
    /** How the job ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: ExternalS3Args, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:ExternalS3", name, {}, opts);
        const { image, seedImage, networkId, labels, endpoint, region, bucketName, accessKey, authorities } = args;
        const store = { endpoint, region, bucketName, accessKey, authorities };
        const jobName = `${name}-bucket`;
        const job = new Job(
            jobName,
            {
                lastRecords: args.lastRecords,
                after: [],
                secrets: [accessKey.secret],
                secretFiles: new SecretFiles(
                    `${jobName}-secrets`,
                    { seedImage, owner, labels, files: storeFiles(store) },
                    { parent: this },
                ),
                process: {
                    image,
                    labels,
                    owner,
                    entrypoint: ["/usr/local/bin/bucket"],
                    environment: {
                        ...storeEnvironment(store),
                        BUCKET: bucketName,
                        TIMEOUT: String(args.waitSeconds),
                        TMPDIR: "/tmp",
                    },
                    mounts: [],
                    tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=64m" },
                    network: { id: networkId, aliases: [], hosts: gatewayHosts([new URL(endpoint).hostname]) },
                    memory: 256,
                    cpus: 1,
                },
            },
            { parent: this },
        );
        this.store = { ...store, ready: [job.done] };
        this.bucketName = job.succeeded.apply(() => bucketName);
        this.publishedEndpoint = pulumi.output(endpoint);
        this.jobRecords = { [jobName]: job.record };
        this.registerOutputs({ endpoint, bucketName: this.bucketName });
    }
}
