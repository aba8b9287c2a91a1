/** Real MLflow clients: virtual environments on this host, and what a container of the server's image runs them from. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { placesOf } from "../../../operations/places.ts";
import { ForkServer } from "./forkServer.ts";
import { inTurn } from "./turn.ts";

/** Where the tests' Python scripts are. */
export const scripts = join(import.meta.dirname, "../scripts");

/** Version of the client; the server's. */
export const mlflowVersion = "3.17.2";

/** Clients of earlier versions, without what only a server needs. */
export const earlierVersions = ["2.22.5", "3.10.1"] as const;

const cache = join(placesOf(process.env).cache, "test-client");

/** Makes a directory of the cache, once a machine. */
export async function cached(name: string, make: (directory: string) => Promise<void>): Promise<string> {
    const directory = join(cache, name);
    if (!existsSync(join(directory, "complete"))) {
        await inTurn(name, async () => {
            if (!existsSync(join(directory, "complete"))) {
                rmSync(directory, { recursive: true, force: true });
                mkdirSync(dirname(directory), { recursive: true });
                await make(directory);
                mkdirSync(join(directory, "complete.new"));
                renameSync(join(directory, "complete.new"), join(directory, "complete"));
            }
        });
    }
    return directory;
}

/** The Python of an environment with a client of that version. */
export async function python(version: string = mlflowVersion): Promise<string> {
    const wanted = version === mlflowVersion ? `mlflow==${version}` : `mlflow-skinny==${version}`;
    const directory = await cached(version, (place) => freshEnvironment(place, wanted));
    return join(directory, "bin", "python");
}

/** A directory with that client for the Python of the server's image, to be mounted and named by PYTHONPATH. */
export async function packagesForImage(version: string, more: readonly string[] = []): Promise<string> {
    const { stdout: machine } = await execa("uname", ["-m"]);
    return cached(`${version}-${more.length === 0 ? "image" : "server-image"}`, async (directory) => {
        await execa(await python(version), [
            ...["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--python-version", "3.13"],
            ...["--platform", `manylinux2014_${machine}`, "--platform", `manylinux_2_28_${machine}`],
            ...["--target", directory, `mlflow-skinny==${version}`, ...more],
        ]);
    });
}

/**
 * What a server of MLflow 2.x needs on top of its client, for the Python of the server's image. OpenTelemetry of its time: newer
 * ones do not call its exporter of traces.
 */
const earlierServer = [
    ...["alembic<2", "Flask<4", "graphene<4", "gunicorn<24", "markdown<4", "sqlalchemy<2.1", "numpy<3", "pandas<3"],
    ...["boto3", "psycopg2-binary", "opentelemetry-api==1.33.1", "opentelemetry-sdk==1.33.1"],
];

/** A directory with a server of MLflow 2.x, likewise. */
export function earlierServerForImage(): Promise<string> {
    return packagesForImage(earlierVersions[0], earlierServer);
}

/** Makes a virtual environment and installs MLflow into it, as the README tells a user. */
async function freshEnvironment(directory: string, wanted = `mlflow==${mlflowVersion}`): Promise<void> {
    await execa("python3", ["-m", "venv", directory]);
    await execa(join(directory, "bin", "python"), ["-m", "pip", "install", "--quiet", wanted]);
}

/** The last line that a script printed, from JSON. */
export function lastLine(output: string): unknown {
    return JSON.parse(output.split("\n").at(-1) ?? "");
}

const servers = new Map<string, Promise<ForkServer>>();

/** Runs one of those scripts with a client of that version on this host; returns what it printed as JSON. */
export async function runPython<T>(
    script: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    version: string = mlflowVersion,
): Promise<T> {
    let server = servers.get(version);
    if (server === undefined) {
        const variables = { GIT_PYTHON_REFRESH: "quiet", MLFLOW_DISABLE_TELEMETRY: "true" };
        server = python(version).then((program) => new ForkServer([program], scripts, variables));
        servers.set(version, server);
    }
    return lastLine(await (await server).run(script, args, env)) as T;
}
