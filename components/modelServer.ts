import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardenedService } from "./hardened.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/mlflow, target model. */
export const owner = { uid: 1000, gid: 1000 };

/** Where predictions are recorded. */
export const recordsPath = "/var/lib/records";

/** Port of the front on its network. */
const frontPort = 8080;

/** Arguments of `ModelServer`. */
export interface ModelServerArgs {
    /** Image built from images/mlflow, target model, or one that keeps its contract. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network of its own, which the tracking server and the gateway join. */
    networkId: pulumi.Input<string>;
    /** Volume of versions and what they need. */
    stateVolume: pulumi.Input<string>;
    /** Volume of recorded predictions. */
    recordsVolume: pulumi.Input<string>;
    /** URL of the tracking server on that network. */
    trackingUri: string;
    /** Account at the tracking server, with the right to read this model alone; undefined where there is no login. */
    account: { readonly username: string; readonly password: pulumi.Input<string> } | undefined;
    /** How the package index is reached: lines of a shell that export variables, and authorities in PEM form beside the public ones. */
    packages: { readonly environment: string; readonly authorities: string | undefined };
    /** Registered model. */
    model: string;
    /** Alias of the version that is served. */
    alias: string;
    /** Seconds between two looks at the alias. */
    aliasPollSeconds: number;
    /** MiB of a request, at most. */
    requestSize: number;
    /** Seconds for a request, at most. */
    requestSeconds: number;
    /** Requests that are answered at a time. */
    requestConcurrency: number;
    /** Share of the predictions that are recorded, 0 to 1. */
    recordSampleRate: number;
    /** MiB of all records. */
    recordSize: number;
    /** Days that records are kept. */
    recordDays: number;
    /** Port on the loopback address of the engine's host; undefined where a gateway publishes it. */
    publishedPort: number | undefined;
    /** URL for its callers. */
    url: string;
    /** Memory limit in MiB, for two versions at a time. */
    memory: number;
    /** CPU limit. */
    cpus: number;
    /** Seconds an update waits for the first version. */
    waitSeconds: number;
    /** What has to be there before it starts: the tracking server. */
    after: readonly pulumi.Resource[];
    /** Labels of all it makes. */
    labels: Labels;
}

/**
 * Serves one registered model: whichever version has the alias, from a container on a network of its own. A version is
 * promoted by moving the alias, without an update of the stack.
 *
 * Models are code. What this container can reach is what a hostile model can reach: the tracking server, as an account that
 * reads this model alone, and what the network lets out, for the package index.
 */
export class ModelServer extends pulumi.ComponentResource {
    /** URL on its network. */
    public readonly upstream: string;
    /** URL for callers, once the server is there: it serves, or waits for a version that can be served. */
    public readonly url: pulumi.Output<string>;
    /** The container, and what it is replaced with. */
    public readonly service: readonly pulumi.Resource[];

    constructor(name: string, args: ModelServerArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:ModelServer", name, {}, opts);
        const { account, packages, labels } = args;
        if (account === undefined) {
            void pulumi.log.warn(
                `${name}: without login (mlflowAuth) the code of a served model can read and write everything in MLflow`,
                this,
            );
        }
        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            {
                seedImage: args.seedImage,
                owner,
                labels,
                files: {
                    // The provider uploads no empty file.
                    ...(packages.environment === "" ? {} : { "packages.env": packages.environment }),
                    ...(packages.authorities === undefined ? {} : { package_ca: packages.authorities }),
                    ...(account === undefined ? {} : { mlflow_password: account.password }),
                },
            },
            { parent: this },
        );
        const { args: containerArgs, options } = hardenedService({
            image: args.image,
            labels,
            owner,
            command: ["python", "-m", "model_server"],
            environment: {
                MODEL_NAME: args.model,
                MODEL_ALIAS: args.alias,
                ALIAS_POLL_SECONDS: String(args.aliasPollSeconds),
                MLFLOW_TRACKING_URI: args.trackingUri,
                ...(account === undefined ? {} : { MLFLOW_TRACKING_USERNAME: account.username }),
                REQUEST_SIZE: String(args.requestSize),
                REQUEST_SECONDS: String(args.requestSeconds),
                REQUEST_CONCURRENCY: String(args.requestConcurrency),
                RECORD_SAMPLE_RATE: String(args.recordSampleRate),
                RECORD_SIZE: String(args.recordSize),
                RECORD_DAYS: String(args.recordDays),
            },
            mounts: [
                { source: args.stateVolume, path: "/var/lib/model-server" },
                { source: args.recordsVolume, path: recordsPath },
                secretFiles.mount,
            ],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=256m" },
            network: { id: args.networkId, aliases: [name] },
            memory: args.memory,
            cpus: args.cpus,
            ports:
                args.publishedPort === undefined
                    ? []
                    : [{ internal: frontPort, external: args.publishedPort, address: "127.0.0.1" }],
            health: { command: ["/usr/local/bin/model-server-healthy"], interval: 5, timeout: 5 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 30,
        });
        const container = new docker.Container(name, containerArgs, {
            ...options,
            ...secretFiles.consumerOptions,
            dependsOn: [...secretFiles.consumerOptions.dependsOn, ...args.after],
            parent: this,
        });
        this.upstream = `http://${name}:${frontPort}`;
        this.service = [container, ...secretFiles.resources];
        this.url = container.id.apply(() => args.url);
        this.registerOutputs({ url: this.url });
    }
}
