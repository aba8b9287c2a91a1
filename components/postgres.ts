import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type Database, type Login, postgresUri } from "./database.ts";
import { hardenedService } from "./hardened.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/postgres. */
const owner = { uid: 999, gid: 999 };

/** Arguments of `Postgres`. */
export interface PostgresArgs {
    /** Image built from images/postgres, or one that keeps its contract. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network to join. */
    networkId: pulumi.Input<string>;
    /** Volume of the data. */
    dataVolume: pulumi.Input<string>;
    /** TCP port on the network. */
    port: number;
    /** Database that is made. */
    database: string;
    /** The role that owns the tables. */
    ownerLogin: Login;
    /** The role that changes rows and nothing else. */
    serverLogin: Login;
    /** The same for the tables of MLflow's users. */
    authLogin: Login;
    /** Memory limit in MiB; a quarter of it becomes shared_buffers. */
    memory: number;
    /** CPU limit. */
    cpus: number;
    /** Seconds an update waits for it to be healthy. */
    waitSeconds: number;
    /** Labels of all it makes. */
    labels: Labels;
}

/** Server settings that follow the memory limit (MiB), as arguments. */
export function postgresSettings(memory: number): string[] {
    const settings = {
        shared_buffers: `${Math.floor(memory / 4)}MB`,
        effective_cache_size: `${Math.floor(memory / 2)}MB`,
        maintenance_work_mem: `${Math.max(32, Math.floor(memory / 16))}MB`,
    };
    return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** PostgreSQL with MLflow's database and its three roles. Their passwords are set at each start, so a changed one takes effect. */
export class Postgres extends pulumi.ComponentResource {
    /** The volume of its data. */
    public readonly data: pulumi.Output<string>;
    /** Where it is and who may log in. */
    public readonly database: Database;
    /** URI of the server's role, with its password: a secret. */
    public readonly uri: pulumi.Output<string>;

    constructor(name: string, args: PostgresArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Postgres", name, {}, opts);
        const { image, seedImage, labels, port, database, ownerLogin, serverLogin, authLogin } = args;
        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            {
                seedImage,
                owner,
                labels,
                files: {
                    owner_password: ownerLogin.password,
                    server_password: serverLogin.password,
                    auth_password: authLogin.password,
                },
            },
            { parent: this },
        );
        const host = name;
        const { args: containerArgs, options } = hardenedService({
            image,
            labels,
            owner,
            command: postgresSettings(args.memory),
            environment: {
                PGPORT: String(port),
                DATABASE: database,
                OWNER_USER: ownerLogin.user,
                SERVER_USER: serverLogin.user,
                AUTH_USER: authLogin.user,
            },
            mounts: [{ source: args.dataVolume, path: "/var/lib/postgresql" }, secretFiles.mount],
            tmpfs: {
                "/tmp": "rw,noexec,nosuid,nodev,size=64m",
                "/run/postgresql": `rw,noexec,nosuid,nodev,size=8m,uid=${owner.uid},gid=${owner.gid},mode=0775`,
            },
            network: { id: args.networkId, aliases: [host] },
            memory: args.memory,
            cpus: args.cpus,
            // Parallel queries share memory by files in /dev/shm.
            sharedMemory: 128,
            ports: [],
            health: { command: ["/usr/local/bin/healthy"], interval: 3, timeout: 5 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 60,
        });
        const container = new docker.Container(name, containerArgs, {
            ...options,
            ...secretFiles.consumerOptions,
            parent: this,
        });
        this.data = pulumi.output(args.dataVolume);
        this.database = { host, port, database, ownerLogin, serverLogin, authLogin, ready: [container] };
        this.uri = pulumi.secret(
            pulumi
                .all([container.id, serverLogin.password])
                .apply(([, password]) => postgresUri({ host, port, database, user: serverLogin.user, password })),
        );
        this.registerOutputs({ uri: this.uri });
    }
}
