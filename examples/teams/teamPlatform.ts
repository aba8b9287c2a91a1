import * as pulumi from "@pulumi/pulumi";
import {
    GeneratedSecret,
    type JobRecord,
    type JobRecords,
    type Labels,
    Minio,
    Mlflow,
    Network,
    Postgres,
    Volume,
    addressesOf,
} from "mlflow-platform";

/** Arguments of `TeamPlatform`. */
export interface TeamPlatformArgs {
    /** First of three published ports on loopback: MLflow, S3, MinIO's console. */
    firstPort: number;
    /** References of the images. */
    images: Readonly<Record<"seed" | "postgres" | "minio" | "mlflow", pulumi.Input<string>>>;
    /** How each job ended in the last update; undefined when there was none. */
    lastRecords: JobRecords | undefined;
    /** Labels of all it makes. */
    labels: Labels;
}

/** MLflow with a login, PostgreSQL and MinIO for one team, on a network of its own. */
export class TeamPlatform extends pulumi.ComponentResource {
    public readonly name: string;
    /** URL for clients, once the server is healthy. */
    public readonly trackingUri: pulumi.Output<string>;
    /** Password of the user admin, a secret. */
    public readonly adminPassword: pulumi.Output<string>;
    /** How each job ended. */
    public readonly jobRecords: Readonly<Record<string, pulumi.Output<JobRecord>>>;

    constructor(name: string, args: TeamPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-teams:index:TeamPlatform", name, {}, opts);
        this.name = name;
        const { firstPort, images, lastRecords, labels } = args;
        const parent = { parent: this };
        const ports = { mlflow: firstPort, s3: firstPort + 1, console: firstPort + 2 };
        const address = "127.0.0.1";
        const urls = addressesOf({
            publicHost: undefined,
            bindAddress: address,
            mlflowPort: ports.mlflow,
            minioPort: ports.s3,
            consolePort: ports.console,
            storeTls: false,
        });
        const secret = (what: string, upperCase = false, length = 32) =>
            new GeneratedSecret(`${name}-${what}`, { upperCase, length }, parent).value;
        const { networkId } = new Network(name, { labels }, parent);
        const common = { seedImage: images.seed, networkId, waitSeconds: 300, labels };

        const postgres = new Postgres(
            `${name}-postgres`,
            {
                ...common,
                image: images.postgres,
                dataVolume: new Volume(`${name}-postgres-data`, { labels }, parent).volumeName,
                port: 5432,
                database: "mlflow",
                ownerLogin: { user: "mlflow_owner", password: secret("owner-password") },
                serverLogin: { user: "mlflow", password: secret("server-password") },
                authLogin: { user: "mlflow_auth", password: secret("auth-password") },
                memory: 512,
                cpus: 1,
            },
            parent,
        );
        const minio = new Minio(
            `${name}-minio`,
            {
                ...common,
                image: images.minio,
                data: new Volume(`${name}-minio-data`, { labels }, parent).volumeName,
                root: { id: secret("root-user", true, 20), secret: secret("root-password") },
                accessKey: { id: secret("access-key", true, 20), secret: secret("secret-access-key") },
                bucketName: "mlflow",
                region: "us-east-1",
                urls,
                published: { address, s3: ports.s3, console: ports.console },
                consolePort: 9001,
                tls: undefined,
                memory: 512,
                cpus: 1,
                lastRecords,
            },
            parent,
        );
        this.adminPassword = secret("admin-password");
        const mlflow = new Mlflow(
            `${name}-mlflow`,
            {
                ...common,
                image: images.mlflow,
                database: postgres.database,
                store: minio.store,
                kekPassphrase: secret("kek-passphrase"),
                login: {
                    adminUsername: "admin",
                    adminPassword: this.adminPassword,
                    defaultPermission: "READ",
                    flaskSecretKey: secret("flask-secret-key"),
                },
                modelServers: [],
                transfer: { kind: "proxied" },
                tempSize: 1024,
                url: urls.tracking,
                hosts: urls.hosts,
                origins: urls.origins,
                published: { address, port: ports.mlflow },
                workers: 2,
                memory: 1536,
                cpus: 1,
                lastRecords,
            },
            parent,
        );
        this.trackingUri = mlflow.trackingUri;
        this.jobRecords = { ...minio.jobRecords, ...mlflow.jobRecords };
        this.registerOutputs({ trackingUri: this.trackingUri });
    }
}
