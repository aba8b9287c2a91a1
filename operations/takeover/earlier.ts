/** The earlier installation as its `.env` describes it. */
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { composeProject, readComposeEnv } from "../stacks/composeEnv.ts";

/** Where its data is and how to read it. */
export interface Earlier {
    readonly postgres: {
        readonly host: string;
        readonly port: number;
        readonly user: string;
        readonly password: string;
        readonly database: string;
    };
    /** Network on the engine on which PG_HOST is what it says: `host` for a name of the host itself; undefined is any. */
    readonly network: "host" | undefined;
    readonly bucket: string;
    /** MINIO_VOLUME_PATH, or what was named instead of it. */
    readonly data: DataPlace;
}

/** A directory on the engine's host, or a volume with the names that it may have on the engine, the likeliest first. */
export type DataPlace =
    | { readonly kind: "directory"; readonly path: string }
    | { readonly kind: "volume"; readonly names: readonly string[] };

/** A source of a mount as Compose reads it: with a slash or a dot in front a path beside the file, else a volume. */
export function placeOf(source: string, file: string, project: string): DataPlace {
    if (source.startsWith("~")) {
        return { kind: "directory", path: join(homedir(), source.slice(1)) };
    }
    if (isAbsolute(source) || source.startsWith(".")) {
        return { kind: "directory", path: resolve(dirname(resolve(file)), source) };
    }
    return { kind: "volume", names: [`${project}_${source}`, source] };
}

/**
 * Reads the text of a `.env` file. What is wrong with it comes as `problems`, all at once. `environment` is the shell's, which
 * counts where a value refers to a variable.
 */
export function earlierInstallation(
    text: string,
    file: string,
    data: string | undefined,
    environment: NodeJS.ProcessEnv,
): { earlier?: Earlier; problems: string[] } {
    const { variables, unresolved, problems: unreadable } = readComposeEnv(text, environment);
    const values = Object.fromEntries(variables);
    // Compose takes an empty one for none in what has a default.
    const optional = (name: string) => (values[name] === "" ? undefined : values[name]);
    const wanted = ["PG_HOST", "PG_USER", "PG_PASSWORD", "PG_DATABASE", "MLFLOW_BUCKET_NAME"];
    const missing = wanted.filter((name) => !values[name]);
    const needed = [...wanted, "PG_PORT", ...(data === undefined ? ["MINIO_VOLUME_PATH"] : [])];
    // Also those that another value only passes on.
    const used = new Set([...needed, ...[...text.matchAll(/\$\{?([A-Za-z_]\w*)/g)].map(([, name]) => name)]);
    // The Compose file's volume, where it names no other place.
    const source = data ?? optional("MINIO_VOLUME_PATH") ?? "minio_data";
    const port = Number(optional("PG_PORT") ?? "5432");
    const problems = [
        ...unreadable.map((problem) => `${file}: ${problem}`),
        ...unresolved
            .filter(({ variable }) => used.has(variable))
            .map(({ variable, missing: name }) => `${variable} in ${file} refers to ${name}, which is not set.`),
        ...(missing.length > 0 ? [`${file} does not set ${missing.join(", ")}.`] : []),
        ...(Number.isInteger(port) && port > 0 && port < 65_536
            ? []
            : [`PG_PORT in ${file} is not a port: ${values.PG_PORT ?? ""}.`]),
    ];
    const { PG_HOST, PG_USER, PG_PASSWORD, PG_DATABASE, MLFLOW_BUCKET_NAME } = values;
    if (problems.length > 0 || !PG_HOST || !PG_USER || !PG_PASSWORD || !PG_DATABASE || !MLFLOW_BUCKET_NAME) {
        return { problems };
    }
    return {
        earlier: {
            postgres: { host: PG_HOST, port, user: PG_USER, password: PG_PASSWORD, database: PG_DATABASE },
            network: /^(localhost|127\.[\d.]*|::1)$/i.test(PG_HOST) ? "host" : undefined,
            bucket: MLFLOW_BUCKET_NAME,
            data: placeOf(source, file, composeProject(dirname(resolve(file)), values.COMPOSE_PROJECT_NAME)),
        },
        problems,
    };
}
