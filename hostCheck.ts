/** What the host of the Docker engine has to say about a configuration: ports that are taken, directories and volumes. */
import { execFile } from "node:child_process";
import { type Stats, existsSync, readFileSync, statSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import { everyAddress } from "./components/addresses.ts";
import { projectLabel, stackLabel } from "./components/labels.ts";
import { owner as minioOwner } from "./components/minio.ts";
import { shellWord } from "./components/shell.ts";
import { type Configuration, isLoopback, publishedPorts } from "./config.ts";

/** The stack that asks, and the engine it runs on. */
export interface Asker {
    readonly project: string;
    readonly stack: string;
    /** Address as DOCKER_HOST has it; undefined is the default socket. */
    readonly engine: string | undefined;
}

/** Whether this runs in a container; the file alone also stands where a disk was made from an image. */
function inContainer(): boolean {
    return (
        existsSync("/.dockerenv") &&
        /^\d+ \d+ \S+ \S+ \/ .* - overlay /m.test(readFileSync("/proc/self/mountinfo", "utf8"))
    );
}

/** Whether the engine is on this host, so that its ports and directories can be looked at from here. */
export function isLocal(engine: string | undefined): boolean {
    // A container that was given the engine's socket sees other ports and directories than the engine does.
    return (engine === undefined || engine === "" || engine.startsWith("unix:")) && !inContainer();
}

/** Runs a docker command; undefined where there is no docker command, no engine, or not what it asks for. */
async function docker(engine: string | undefined, ...args: string[]): Promise<string | undefined> {
    try {
        const { stdout } = await promisify(execFile)("docker", [
            // The provider does not go by the docker command's current context.
            ...(engine ? ["--host", engine] : ["--context", "default"]),
            ...args,
        ]);
        return stdout.trim();
    } catch {
        return undefined;
    }
}

/** A port that a running container publishes. */
interface Publication {
    readonly address: string;
    readonly port: number;
    readonly container: string;
    /** Whether the container is the asker's own. */
    readonly own: boolean;
}

async function publications({ project, stack, engine }: Asker): Promise<Publication[] | undefined> {
    const ids = await docker(engine, "ps", "--quiet");
    if (ids === "") {
        return [];
    }
    const text = ids === undefined ? undefined : await docker(engine, "inspect", ...ids.split("\n"));
    if (text === undefined) {
        return undefined;
    }
    const containers = JSON.parse(text) as {
        Name: string;
        Config: { Labels: Record<string, string> | null };
        HostConfig: { PortBindings: Record<string, { HostIp: string; HostPort: string }[] | null> | null };
    }[];
    return containers.flatMap(({ Name, Config, HostConfig }) =>
        Object.values(HostConfig.PortBindings ?? {})
            .flatMap((bindings) => bindings ?? [])
            .map(({ HostIp, HostPort }) => ({
                address: HostIp,
                port: Number(HostPort),
                container: Name.replace(/^\//, ""),
                own: Config.Labels?.[projectLabel] === project && Config.Labels[stackLabel] === stack,
            })),
    );
}

/** Whether somebody listens on a port of this host. */
export async function isTaken(port: number, host: string): Promise<boolean> {
    const server: Server = createServer();
    return new Promise((resolve) => {
        server.once("error", (error: NodeJS.ErrnoException) => {
            resolve(error.code === "EADDRINUSE");
        });
        server.listen({ port, host, exclusive: true }, () => {
            server.close(() => {
                resolve(false);
            });
        });
    });
}

async function portProblems(c: Partial<Configuration>, otherStore: boolean, asker: Asker): Promise<string[]> {
    const published = await publications(asker);
    const { bindAddress } = c;
    // Without the engine's word nobody can tell a stranger's port from the stack's own.
    if (published === undefined || bindAddress === undefined) {
        return [];
    }
    const problems: string[] = [];
    for (const [key, port] of Object.entries(publishedPorts(c, otherStore))) {
        const ofModel = key.startsWith("modelServers");
        // As index.ts publishes them: a model server without a gateway on loopback alone.
        const address = ofModel && c.publicHost === undefined ? "127.0.0.1" : bindAddress;
        const holder = published.find(
            (publication) =>
                publication.port === port &&
                (address === everyAddress || [address, "", everyAddress].includes(publication.address)),
        );
        if (holder === undefined ? await isTaken(port, address) : !holder.own) {
            const by = holder === undefined ? "another program" : `container ${holder.container}`;
            const another = `${key === "minioConsoleAddress" ? ":" : ""}<port>`;
            problems.push(
                `${key}: port ${port} on ${address} is in use by ${by}: end it, or pulumi config set ${ofModel ? `--path '${key}'` : key} ${another}`,
            );
        }
    }
    return problems;
}

/** The defect of an address that this host does not have, where nothing could be published on it. */
function addressDefect(address: string): string | undefined {
    const own = Object.values(networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .filter(({ family }) => family === "IPv4")
        .map(({ address: found }) => found);
    return isLoopback(address) || address === everyAddress || own.includes(address)
        ? undefined
        : `this host has no address ${address}: set one of ${[...new Set(own)].join(", ")}, or ${everyAddress} for every one`;
}

function mayWrite({ uid, gid }: { uid: number; gid: number }, directory: Stats): boolean {
    const shift = directory.uid === uid ? 6 : directory.gid === gid ? 3 : 0;
    return ((directory.mode >> shift) & 0o7) === 0o7;
}

/** The defect of MinIO's directory, or undefined; what this user may not look at is left to MinIO itself. */
export function directoryDefect(path: string): string | undefined {
    const { uid, gid } = minioOwner;
    const word = shellWord(path);
    let found: Stats | undefined;
    try {
        found = statSync(path, { throwIfNoEntry: false });
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EACCES") {
            return undefined;
        }
    }
    if (found === undefined) {
        return `"${path}" is not there: sudo install -d -o ${uid} -g ${gid} -m 0700 ${word}`;
    }
    if (!found.isDirectory()) {
        return `"${path}" is not a directory: set one, such as /srv/minio`;
    }
    return mayWrite(minioOwner, found)
        ? undefined
        : `"${path}" cannot be written by uid ${uid}, as which MinIO runs; it belongs to uid ${found.uid}: ` +
              `sudo chown -R ${uid}:${gid} ${word} && sudo chmod u+rwx ${word}`;
}

async function volumeProblems(name: string, { project, stack, engine }: Asker): Promise<string[]> {
    const labels = await docker(engine, "volume", "inspect", "--format", "{{json .Labels}}", name);
    const { [projectLabel]: ofProject, [stackLabel]: owner } = (JSON.parse(labels ?? "null") ?? {}) as Record<
        string,
        string
    >;
    return ofProject === project && owner !== undefined && owner !== stack
        ? [`minioVolumeName: volume ${name} holds the data of stack ${owner}: set another volume's name`]
        : [];
}

/** Problems that only the engine's host knows. None where the engine is elsewhere or does not answer. */
export async function hostProblems(
    c: Partial<Configuration>,
    asker: Asker,
    otherStore = c.minioHost !== undefined,
): Promise<string[]> {
    const { bindAddress, minioVolumePath: path, minioVolumeName: volume } = c;
    const volumes = volume === undefined ? [] : await volumeProblems(volume, asker);
    if (!isLocal(asker.engine)) {
        return volumes;
    }
    const missing = bindAddress === undefined || process.platform !== "linux" ? undefined : addressDefect(bindAddress);
    // Docker Desktop maps owners by itself.
    const defect = path === undefined || process.platform !== "linux" ? undefined : directoryDefect(path);
    return [
        ...(missing === undefined ? await portProblems(c, otherStore, asker) : [`bindAddress: ${missing}`]),
        ...(defect === undefined ? [] : [`minioVolumePath: ${defect}`]),
        ...volumes,
    ];
}
