/** An earlier installation, as its Compose file made it: MLflow 2.x, MinIO with its root keys, PostgreSQL outside. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { docker } from "./engine.ts";
import { type MinioClient, minioClient } from "./minioClient.ts";
import { type Outside, gatewayName, outsidePostgres, outsideSql } from "./outside.ts";
import { earlierServerForImage, lastLine, scripts } from "./python.ts";

/** Its bucket, and a database password that formats on the way could trip over. */
export const earlierBucket = "mlflow-artifacts.old";
export const earlierPassword = "p@:/ %#'$\\ password";

/** One that runs. */
export class EarlierInstallation {
    /** Names of the containers that Compose would start and stop. */
    public readonly s3: string;
    public readonly mlflow: string;
    public readonly postgres: Outside;
    /** Its `.env`. */
    public readonly env: string;
    /** The objects: a host directory beside it, or a volume. */
    public readonly data: string;
    private readonly client: MinioClient;

    private constructor(s3: string, mlflow: string, postgres: Outside, client: MinioClient, env: string, data: string) {
        this.s3 = s3;
        this.mlflow = mlflow;
        this.postgres = postgres;
        this.client = client;
        this.env = env;
        this.data = data;
    }

    /** Starts one in a directory; `data` is a volume instead of a directory in there. */
    static async make(
        directory: string,
        images: { readonly postgres: string; readonly minio: string; readonly mlflow: string },
        volume?: string,
    ): Promise<EarlierInstallation> {
        const suffix = randomBytes(3).toString("hex");
        const network = `earlier-${suffix}`;
        const [s3, mlflow] = [`${network}-s3`, `${network}-mlflow`];
        mkdirSync(join(directory, "data"), { recursive: true });
        const data = volume ?? join(directory, "data");
        const postgres = await outsidePostgres(images.postgres);
        await docker("network", "create", network);
        const client = await minioClient(network, { root: "http://oldroot:old-root-password@s3:9000" });
        await outsideSql(postgres, `create role old login password '${earlierPassword.replaceAll("'", "''")}'`);
        await outsideSql(postgres, "create database old_runs owner old");
        const variables = {
            PG_HOST: gatewayName,
            PG_PORT: String(postgres.port),
            PG_USER: "old",
            PG_PASSWORD: `"${earlierPassword.replace("$", "\\$")}"`,
            PG_DATABASE: "old_runs",
            MLFLOW_BUCKET_NAME: earlierBucket,
            MINIO_VOLUME_PATH: volume ?? "./data",
        };
        const env = join(directory, ".env");
        writeFileSync(
            env,
            Object.entries(variables)
                .map((entry) => `${entry.join("=")}\n`)
                .join(""),
        );
        const installation = new EarlierInstallation(s3, mlflow, postgres, client, env, data);
        const run = ["run", "--detach", "--network", network, "--user", "0:0", "--no-healthcheck"];
        const keys = ["MINIO_ROOT_USER=oldroot", "MINIO_ROOT_PASSWORD=old-root-password"];
        await docker(
            ...run,
            ...["--name", s3, "--network-alias", "s3", "--volume", `${data}:/data`],
            ...keys.flatMap((key) => ["--env", key]),
            ...["--entrypoint", "minio", images.minio, "server", "--console-address", ":9001", "/data"],
        );
        await until(() => installation.mc(`mc mb --ignore-existing root/${earlierBucket}`));
        const uri = `postgresql+psycopg2://old:${encodeURIComponent(earlierPassword)}@${gatewayName}:${postgres.port}/old_runs`;
        const environment = {
            PYTHONPATH: "/packages",
            HOME: "/tmp",
            GIT_PYTHON_REFRESH: "quiet",
            AWS_ACCESS_KEY_ID: "oldroot",
            AWS_SECRET_ACCESS_KEY: "old-root-password",
            MLFLOW_S3_ENDPOINT_URL: "http://s3:9000",
            MLFLOW_TRACKING_URI: "http://127.0.0.1:5000",
            PATH: "/packages/bin:/usr/bin:/bin",
        };
        await docker(
            ...run,
            ...["--name", mlflow, "--add-host", `${gatewayName}:host-gateway`],
            ...["--volume", `${await earlierServerForImage()}:/packages:ro`, "--volume", `${scripts}:/scripts:ro`],
            ...Object.entries(environment).flatMap((entry) => ["--env", entry.join("=")]),
            ...[
                "--entrypoint",
                "/usr/bin/python3",
                images.mlflow,
                "-m",
                "mlflow",
                "server",
                "--backend-store-uri",
                uri,
            ],
            ...["--default-artifact-root", `s3://${earlierBucket}/`, "--host", "0.0.0.0", "--workers", "1"],
        );
        await installation.answers();
        return installation;
    }

    /** Waits for the server. */
    async answers(): Promise<void> {
        const ask = "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=5)";
        await until(() => docker("exec", this.mlflow, "/usr/bin/python3", "-c", ask));
    }

    /** Runs one of the tests' scripts with its own client. */
    async python(script: string, ...args: string[]): Promise<string> {
        const { stdout } = await execa("docker", [
            ...["exec", this.mlflow, "/usr/bin/python3", `/scripts/${script}`],
            ...args,
        ]);
        return stdout;
    }

    /** Lines of a shell in which `mc` knows its MinIO as `root`. */
    mc(...lines: string[]): Promise<string> {
        return this.client.exec("bash", "-euc", lines.join("\n"));
    }

    /** What its client reads of it. */
    async content<T>(): Promise<T> {
        return lastLine(await this.python("earlier_read.py", "http://127.0.0.1:5000", "0")) as T;
    }

    /** SQL in its database. */
    sql(statement: string): Promise<string[]> {
        return outsideSql(this.postgres, statement, "old_runs");
    }

    /** A hash of all its objects' files and rows. */
    async fingerprint(image: string): Promise<string> {
        const hash = "cd /old && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum";
        const files = await docker(
            ...["run", "--rm", "--user", "0:0", "--volume", `${this.data}:/old:ro`, "--entrypoint", "sh"],
            ...[image, "-c", hash],
        );
        const rows = await this.postgres.exec(
            ...["sh", "-c", "pg_dump --host=/tmp --username=postgres old_runs | grep -v restrict | sha256sum"],
        );
        return `${files} ${rows}`;
    }

    async stop(): Promise<void> {
        await docker("stop", this.mlflow, this.s3);
    }

    async start(): Promise<void> {
        await docker("start", this.s3, this.mlflow);
        await this.answers();
    }

    async remove(): Promise<void> {
        await docker("rm", "--force", "--volumes", this.mlflow, this.s3);
        await this.client.remove();
        await docker("network", "rm", this.s3.replace(/-s3$/, ""));
        await this.postgres.remove();
    }
}

/** Tries again for two minutes. */
async function until(act: () => Promise<unknown>): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
        try {
            await act();
            return;
        } catch (error) {
            if (attempt === 120) {
                throw error;
            }
            await sleep(1000);
        }
    }
}
