/**
 * What the host of the Docker engine has to say about a configuration: ports that are taken, directories and volumes. The judgement
 * is here; what is so is asked of this host (localHost.ts) or, where the engine is elsewhere, of that one (engineHost.ts).
 */
import { existsSync, readFileSync } from "node:fs";
import { everyAddress } from "./components/addresses.ts";
import { projectLabel, stackLabel } from "./components/labels.ts";
import { owner as minioOwner } from "./components/minio.ts";
import { shellWord } from "./components/shell.ts";
import { type Configuration, isLoopback, publishedPorts } from "./config.ts";
import { docker } from "./dockerCommand.ts";
import { engineHost } from "./engineHost.ts";
import { localHost } from "./localHost.ts";

/** The stack that asks, and the engine it runs on. */
export interface Asker {
    readonly project: string;
    readonly stack: string;
    /** Address as DOCKER_HOST has it; undefined is the default socket. */
    readonly engine: string | undefined;
}

/** A directory's owner and its permission bits, or why it is none. */
export type FoundDirectory =
    { readonly uid: number; readonly gid: number; readonly mode: number } | "missing" | "not a directory";

/** What a host tells of itself. Undefined is what it does not tell. */
export interface Host {
    /** Its IPv4 addresses. */
    readonly addresses: () => Promise<readonly string[] | undefined>;
    /** Whether somebody listens on a port of an address, or of any where that is 0.0.0.0. */
    readonly isTaken: (port: number, address: string) => Promise<boolean>;
    readonly directory: (path: string) => Promise<FoundDirectory | undefined>;
}

/** Whether this runs in a container; the file alone also stands where a disk was made from an image. */
function inContainer(): boolean {
    return (
        existsSync("/.dockerenv") &&
        /^\d+ \d+ \S+ \S+ \/ .* - overlay /m.test(readFileSync("/proc/self/mountinfo", "utf8"))
    );
}

/** Whether the engine is on this host, so that its ports and directories are those of this one. */
export function isLocal(engine: string | undefined): boolean {
    // A container that was given the engine's socket sees other ports and directories than the engine does.
    return (engine === undefined || engine === "" || engine.startsWith("unix:")) && !inContainer();
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

async function portProblems(
    c: Partial<Configuration>,
    otherStore: boolean,
    asker: Asker,
    host: Host,
): Promise<string[]> {
    const { bindAddress } = c;
    const published = bindAddress === undefined ? undefined : await publications(asker);
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
        if (holder === undefined ? await host.isTaken(port, address) : !holder.own) {
            const by = holder === undefined ? "another program" : `container ${holder.container}`;
            const another = `${key === "minioConsoleAddress" ? ":" : ""}<port>`;
            problems.push(
                `${key}: port ${port} on ${address} is in use by ${by}: end it, or pulumi config set ${ofModel ? `--path '${key}'` : key} ${another}`,
            );
        }
    }
    return problems;
}

/** The defect of an address that is not among the host's, where nothing could be published on it. */
export function addressDefect(address: string, own: readonly string[]): string | undefined {
    return isLoopback(address) || address === everyAddress || own.includes(address)
        ? undefined
        : `the engine's host has no address ${address}: set one of ${[...new Set(own)].join(", ")}, or ${everyAddress} for every one`;
}

function mayWrite({ uid, gid }: { uid: number; gid: number }, directory: { uid: number; gid: number; mode: number }) {
    const shift = directory.uid === uid ? 6 : directory.gid === gid ? 3 : 0;
    return ((directory.mode >> shift) & 0o7) === 0o7;
}

/** The defect of MinIO's directory as it was found, or undefined; what nobody may look at is left to MinIO itself. */
export function directoryDefect(path: string, found: FoundDirectory | undefined): string | undefined {
    const { uid, gid } = minioOwner;
    const word = shellWord(path);
    if (found === undefined) {
        return undefined;
    }
    if (found === "missing") {
        return `"${path}" is not there: sudo install -d -o ${uid} -g ${gid} -m 0700 ${word}`;
    }
    if (found === "not a directory") {
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

/** Problems that only the engine's host knows, wherever that is. None where the engine does not answer. */
export async function hostProblems(
    c: Partial<Configuration>,
    asker: Asker,
    otherStore = c.minioHost !== undefined,
): Promise<string[]> {
    const { bindAddress, minioVolumePath: path, minioVolumeName: volume } = c;
    const volumes = volume === undefined ? [] : await volumeProblems(volume, asker);
    const host = isLocal(asker.engine) ? localHost() : engineHost(asker.engine, c);
    const addresses = bindAddress === undefined ? undefined : await host.addresses();
    const missing =
        bindAddress === undefined || addresses === undefined ? undefined : addressDefect(bindAddress, addresses);
    const defect = path === undefined ? undefined : directoryDefect(path, await host.directory(path));
    return [
        ...(missing === undefined ? await portProblems(c, otherStore, asker, host) : [`bindAddress: ${missing}`]),
        ...(defect === undefined ? [] : [`minioVolumePath: ${defect}`]),
        ...volumes,
    ];
}
