/** Who uses the earlier installation's data: containers, and the command that stops them. */
import { realpathSync } from "node:fs";
import { execa } from "execa";
import { shellWord } from "../../components/shell.ts";

/** A running container, as far as it is read here. */
export interface Running {
    readonly name: string;
    readonly mounts: readonly { readonly source: string; readonly volume: string | undefined }[];
    readonly addresses: readonly string[];
    /** Its environment, program and arguments; they may hold secrets and are only searched. */
    readonly words: readonly string[];
    /** The project that Compose started it for, with its directory. */
    readonly compose: { readonly directory: string; readonly service: string } | undefined;
}

interface Inspected {
    readonly Name: string;
    readonly Mounts: readonly { readonly Source: string; readonly Name?: string }[];
    readonly Args: readonly string[];
    readonly Config: {
        readonly Labels: Readonly<Record<string, string>> | null;
        readonly Env: readonly string[] | null;
    };
    readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

/** Every container that runs. */
export async function runningContainers(variables: Record<string, string>): Promise<Running[]> {
    const { stdout: ids } = await execa("docker", ["ps", "--quiet"], { env: variables });
    if (ids === "") {
        return [];
    }
    const { stdout } = await execa("docker", ["inspect", ...ids.split("\n")], { env: variables });
    return (JSON.parse(stdout) as Inspected[]).map(({ Name, Mounts, Args, Config, NetworkSettings }) => {
        const labels = Config.Labels ?? {};
        const directory = labels["com.docker.compose.project.working_dir"];
        const service = labels["com.docker.compose.service"];
        return {
            name: Name.replace(/^\//, ""),
            mounts: Mounts.map(({ Source, Name: volume }) => ({ source: Source, volume })),
            addresses: Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress),
            words: [...(Config.Env ?? []), ...Args],
            compose: directory === undefined || service === undefined ? undefined : { directory, service },
        };
    });
}

/** Whether one of two paths is, or is in, the other. */
function overlap(a: string, b: string): boolean {
    const within = (inner: string, outer: string) => `${inner}/`.startsWith(`${outer.replace(/\/+$/, "")}/`);
    return within(a, b) || within(b, a);
}

/** A directory without symbolic links in its path, where it can be seen from here. */
export function realPath(path: string): string {
    try {
        return realpathSync(path);
    } catch {
        return path;
    }
}

/** Those that have a directory or a volume mounted; `real` is a directory's one name. */
export function usersOf(
    containers: readonly Running[],
    source: string,
    real: (path: string) => string = (path) => path,
): Running[] {
    return containers.filter(({ mounts }) =>
        mounts.some((mount) =>
            source.startsWith("/")
                ? mount.source !== "" && overlap(real(mount.source), real(source))
                : mount.volume === source,
        ),
    );
}

/**
 * Those that are connected to a database, by the addresses that it sees; where it sees none of a container (a published port
 * shows it the engine's), those whose settings name its host and the database.
 */
export function connectedTo(
    containers: readonly Running[],
    { host, database }: { readonly host: string; readonly database: string },
    addresses: readonly string[],
): Running[] {
    const seen = containers.filter((container) => container.addresses.some((address) => addresses.includes(address)));
    const named = containers.filter(({ words }) =>
        [host, database].every((name) => words.some((word) => word.includes(name))),
    );
    return seen.length > 0 ? seen : named;
}

/** The commands that stop containers, by Compose where it started them. */
export function stopCommands(containers: readonly Running[]): string[] {
    const services = new Map<string, string[]>();
    for (const { compose } of containers) {
        if (compose !== undefined) {
            services.set(compose.directory, [...(services.get(compose.directory) ?? []), compose.service]);
        }
    }
    const plain = containers.filter(({ compose }) => compose === undefined).map(({ name }) => shellWord(name));
    return [
        ...[...services].map(
            ([directory, names]) =>
                `docker compose --project-directory ${shellWord(directory)} stop ${[...new Set(names)].map(shellWord).join(" ")}`,
        ),
        ...(plain.length > 0 ? [`docker stop ${plain.join(" ")}`] : []),
    ];
}
