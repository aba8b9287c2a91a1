/** The stack that the data moves into: its containers, and commands in them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { backendStoreUri } from "../../components/database.ts";
import { secretsPath } from "../../components/secretFiles.ts";
import { type Configuration, defaultOwner } from "../../config.ts";
import { projectName } from "../places.ts";
import type { Say } from "../progress.ts";
import { UserError } from "../userError.ts";
import { type Job, runJob } from "./job.ts";

/** What is read of a container. */
interface Inspected {
    readonly Image: string;
    readonly Mounts: readonly { readonly Name?: string; readonly Source: string; readonly Destination: string }[];
    readonly State: { readonly Running: boolean; readonly Health?: { readonly Status: string } };
}

/** The services whose data moves. */
export type Service = "mlflow" | "minio" | "postgres";

/** A Python command of images/mlflow (platform_server/takeover), and what it needs. */
export type Command = Omit<Job, "image" | "command" | "network" | "name"> & { readonly network?: string };

/** The stack, up. */
export class Target {
    public readonly stack: Stack;
    public readonly configuration: Configuration;
    public readonly variables: Record<string, string>;
    public readonly images: Readonly<Record<Service, string>>;
    /** Volume, or directory on the engine's host, of its MinIO's data. */
    public readonly data: string;

    private constructor(
        stack: Stack,
        configuration: Configuration,
        variables: Record<string, string>,
        images: Readonly<Record<Service, string>>,
        data: string,
    ) {
        this.stack = stack;
        this.configuration = configuration;
        this.variables = variables;
        this.images = images;
        this.data = data;
    }

    /**
     * Looks at the engine. Throws a UserError where the stack is not up, or its services are somebody else's. A takeover that
     * was interrupted may have stopped its server and MinIO.
     */
    static async find(
        stack: Stack,
        configuration: Configuration,
        variables: Record<string, string>,
        interrupted: boolean,
    ): Promise<Target> {
        const foreign = (["pgHost", "minioHost"] as const).filter((key) => configuration[key] !== undefined);
        if (foreign.length > 0) {
            throw new UserError(
                `Stack ${stack.name} uses services of somebody else (${foreign.join(", ")}): data is taken into a stack that runs its own.`,
                "Name another stack, whose configuration does not set these keys; npm start makes one.",
            );
        }
        const found = await Promise.all(
            (["mlflow", "minio", "postgres"] as const).map(async (service) => {
                const { exitCode, stdout } = await execa("docker", ["inspect", containerName(stack.name, service)], {
                    env: variables,
                    reject: false,
                });
                const [inspected] = exitCode === 0 ? (JSON.parse(stdout) as Inspected[]) : [];
                return [service, inspected] as const;
            }),
        );
        const there = new Map(found.flatMap(([service, inspected]) => (inspected ? [[service, inspected]] : [])));
        const mount = there.get("minio")?.Mounts.find(({ Destination }) => Destination === "/data");
        const image = (service: Service) => there.get(service)?.Image;
        const [mlflow, minio, postgres] = [image("mlflow"), image("minio"), image("postgres")];
        const stopped = [...there].filter(
            ([service, { State }]) => !State.Running && !(interrupted && service !== "postgres"),
        );
        if (
            mlflow === undefined ||
            minio === undefined ||
            postgres === undefined ||
            mount === undefined ||
            stopped.length > 0
        ) {
            throw new UserError(
                `Stack ${stack.name} is not up${stopped.length > 0 ? `: ${stopped.map(([service]) => service).join(", ")} stopped` : ""}.`,
                `npm start -- --stack ${stack.name} brings it up; then run this again.`,
            );
        }
        const images = { mlflow, minio, postgres };
        return new Target(stack, configuration, variables, images, mount.Name ?? mount.Source);
    }

    get name(): string {
        return this.stack.name;
    }

    /** The stack's own network. */
    get network(): string {
        return `${projectName}-${this.name}-backend`;
    }

    /** Name of a service's container. */
    container(service: Service): string {
        return containerName(this.name, service);
    }

    /** Runs one of the commands; the first word names it. Returns what it printed. */
    python(args: readonly string[], command: Command, say: Say): Promise<string> {
        return runJob(
            this.name,
            {
                name: args[0] ?? "",
                image: this.images.mlflow,
                command: ["python", "-m", "platform_server.takeover", ...args],
                ...command,
                network: command.network ?? "none",
            },
            this.variables,
            say,
        );
    }

    /** The same, with what it printed as JSON. */
    async ask<T>(args: readonly string[], command: Command, say: Say): Promise<T> {
        return JSON.parse(await this.python(args, command, say)) as T;
    }

    /** What a command needs to read and write the stack's objects on disk, and to read the earlier ones. */
    withData(oldData?: string): Command {
        return {
            asRoot: true,
            mounts: [
                ...(oldData === undefined ? [] : [{ source: oldData, path: "/old", readOnly: true }]),
                { source: this.data, path: "/data" },
            ],
        };
    }

    /** What a command needs to use one of the databases of the stack's PostgreSQL as their owner. */
    asOwner(database: string): Command {
        const { pgPort, pgDatabase, pgOwnerUser } = this.configuration;
        return {
            network: this.network,
            environment: {
                MLFLOW_BACKEND_STORE_URI: backendStoreUri({
                    host: "postgres",
                    port: pgPort,
                    database: pgDatabase,
                    user: pgOwnerUser ?? defaultOwner,
                }),
                PGPASSFILE: `${secretsPath}/pgpass`,
                TAKEOVER_DATABASE: database,
                TMPDIR: "/tmp",
            },
            mounts: [this.secrets("mlflow-migrate")],
        };
    }

    /** What a command needs to use the stack's MinIO as its root user. */
    asRootUser(): Command {
        const { minioStorageUseHttps, minioRegion } = this.configuration;
        return {
            network: this.network,
            environment: {
                S3_ENDPOINT: `${minioStorageUseHttps ? "https" : "http"}://minio:9000`,
                AWS_DEFAULT_REGION: minioRegion,
            },
            mounts: [this.secrets("minio-provision")],
        };
    }

    private secrets(job: string) {
        return { source: `${projectName}-${this.name}-${job}-secrets`, path: secretsPath, readOnly: true };
    }

    /** Runs SQL as the superuser of the stack's PostgreSQL; returns the rows, columns separated by tabs. */
    async sql(statements: string, database = "postgres"): Promise<string[]> {
        const { stdout } = await this.inPostgres(
            ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"].concat(
                "--set=ON_ERROR_STOP=1",
                "--username=postgres",
            ),
            { database, input: statements },
        );
        return stdout.split("\n").filter((line) => line !== "");
    }

    /** Runs a program in the stack's PostgreSQL container, which is its superuser's. */
    async inPostgres(
        command: readonly string[],
        { database, input, inputFile }: { database: string; input?: string; inputFile?: string },
    ): Promise<{ stdout: string }> {
        const result = await execa(
            "docker",
            ["exec", "--interactive", "--env", `PGDATABASE=${database}`, this.container("postgres"), ...command],
            {
                env: this.variables,
                reject: false,
                ...(inputFile === undefined ? { input: input ?? "" } : { inputFile }),
            },
        );
        if (result.exitCode !== 0) {
            throw new Error(`${command[0] ?? ""} failed: ${result.stderr.trim().split("\n").at(-1) ?? ""}`);
        }
        return { stdout: result.stdout };
    }

    /** Stops or starts services, in this order. */
    async docker(action: "stop" | "start", ...services: readonly Service[]): Promise<void> {
        for (const service of services) {
            await execa("docker", [action, this.container(service)], { env: this.variables });
        }
    }

    /** Waits until a service is healthy. */
    async healthy(service: "mlflow" | "minio", say: Say): Promise<void> {
        const { mlflowWaitSeconds, minioWaitSeconds } = this.configuration;
        const deadline = Date.now() + 1000 * (service === "mlflow" ? mlflowWaitSeconds : minioWaitSeconds);
        const name = this.container(service);
        say(`waiting for ${service}`);
        for (;;) {
            const { stdout } = await execa("docker", ["inspect", "--format", "{{.State.Health.Status}}", name], {
                env: this.variables,
            });
            if (stdout.trim() === "healthy") {
                return;
            }
            if (Date.now() > deadline) {
                throw new Error(`${service} does not become healthy; docker logs --tail 50 ${name} says why`);
            }
            await sleep(1000);
        }
    }
}

function containerName(stackName: string, service: Service): string {
    return `${projectName}-${stackName}-${service}`;
}
