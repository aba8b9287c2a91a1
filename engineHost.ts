/**
 * What the engine's host knows of itself, where that is another machine: asked by containers that live for the question alone,
 * may do nothing and change nothing, and remove themselves. Nothing is known where the engine has no image to run them from.
 */
import { readFileSync } from "node:fs";
import type { Configuration } from "./config.ts";
import { docker, runDocker } from "./dockerCommand.ts";
import type { FoundDirectory, Host } from "./hostCheck.ts";

/** The reference that a Dockerfile starts from where nothing else is asked for. */
export function dockerfileBase(dockerfile: string): string {
    const reference = /^ARG BASE_IMAGE=(\S+)/m.exec(readFileSync(dockerfile, "utf8"))?.[1];
    if (reference === undefined) {
        throw new Error(`${dockerfile} pins no base image`);
    }
    return reference;
}

/** Images of the configuration that have a shell. */
type Images = Partial<Pick<Configuration, "baseImage" | "mlflowImage" | "postgresImage" | "minioImage">>;

/** An image on the engine that has bash and coreutils: one of the platform's, of whatever version, or a base. */
export async function shellImage(engine: string | undefined, configured: Images): Promise<string | undefined> {
    const format = "{{.Repository}}:{{.Tag}}";
    const list = await docker(engine, "image", "ls", "--format", format, "--filter", "reference=mlflow-platform/*");
    const own = (list ?? "")
        .split("\n")
        // The seed has no program, and an image without a tag no name.
        .filter((name) => name !== "" && !name.startsWith("mlflow-platform/seed:") && !name.endsWith(":<none>"));
    if (own[0] !== undefined) {
        return own[0];
    }
    const { baseImage, mlflowImage, postgresImage, minioImage } = configured;
    for (const reference of [
        baseImage,
        mlflowImage,
        postgresImage,
        minioImage,
        dockerfileBase("images/postgres/Dockerfile"),
    ]) {
        if (reference !== undefined && (await docker(engine, "image", "inspect", "--format", "-", reference)) === "-") {
            return reference;
        }
    }
    return undefined;
}

/** `docker run` of a container that may do nothing: no user, no capability, no log, nothing to write to, gone at its end. */
export function looker(image: string, options: readonly string[], command: readonly string[]): string[] {
    const [program = "", ...args] = command;
    return [
        ...["run", "--rm", "--pull", "never", "--read-only", "--user", "65534:65534"],
        ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
        ...["--memory", "64m", "--pids-limit", "32", "--log-driver", "none"],
        ...options,
        ...["--entrypoint", program, image, ...args],
    ];
}

/** The network of the engine's host, whatever user namespace the engine gives to others. */
export const hostNetwork = ["--network", "host", "--userns", "host"];

/** A TCP port that somebody listens on, and the address; undefined is every one. */
export interface Listener {
    readonly address: string | undefined;
    readonly port: number;
}

// Four bytes, the lowest first, as a little-endian machine prints them (proc_net_tcp.rst of the kernel).
function ipv4(hex: string): string | undefined {
    const address = [3, 2, 1, 0].map((index) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16)).join(".");
    return address === "0.0.0.0" ? undefined : address;
}

/** Who listens, from /proc/net/tcp and /proc/net/tcp6. What listens on an IPv6 address alone has no IPv4 port. */
export function listenersIn(text: string): Listener[] {
    const rows = text.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F:]+ 0A /gm);
    return [...rows].flatMap(([, address = "", port = ""]) => {
        const number = Number.parseInt(port, 16);
        if (address.length === 8) {
            return [{ address: ipv4(address), port: number }];
        }
        if (/^0+$/.test(address)) {
            return [{ address: undefined, port: number }];
        }
        const mapped = /^0{16}FFFF0000(.{8})$/.exec(address)?.[1];
        return mapped === undefined ? [] : [{ address: ipv4(mapped), port: number }];
    });
}

/** A host's own IPv4 addresses, from /proc/net/fib_trie. */
export function addressesIn(text: string): string[] {
    return [...new Set([...text.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g)].map(([, address = ""]) => address))];
}

/** Whether an address of the host cannot be listened on, because somebody does. */
export function isListenedOn(listeners: readonly Listener[], port: number, address: string): boolean {
    return listeners.some(
        (listener) =>
            listener.port === port &&
            (address === "0.0.0.0" || listener.address === undefined || listener.address === address),
    );
}

/** What `stat --format "%F|%u|%g|%a"` prints. */
export function directoryIn(text: string): FoundDirectory | undefined {
    const [kind, uid, gid, mode] = text.trim().split("|");
    if (kind === undefined || mode === undefined) {
        return undefined;
    }
    return kind === "directory"
        ? { uid: Number(uid), gid: Number(gid), mode: Number.parseInt(mode, 8) & 0o777 }
        : "not a directory";
}

// The value of --mount is a line of CSV.
const csvField = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The engine's host. */
export function engineHost(engine: string | undefined, configured: Images): Host {
    const once = <T>(ask: () => Promise<T>) => {
        let asked: Promise<T> | undefined;
        return () => (asked ??= ask());
    };
    const kind = once(async () => {
        const text = await docker(engine, "info", "--format", "{{.OperatingSystem}} {{json .SecurityOptions}}");
        return text === undefined
            ? undefined
            : { desktop: text.startsWith("Docker Desktop"), rootless: text.includes("name=rootless") };
    });
    // Docker Desktop's host is a virtual machine, which maps owners by itself and is nobody's network.
    const image = once(async () => ((await kind())?.desktop === false ? shellImage(engine, configured) : undefined));
    const network = once(async () => {
        const from = await image();
        // A rootless engine publishes ports on another network than that of a container on its "host".
        if (from === undefined || (await kind())?.rootless !== false) {
            return undefined;
        }
        // A kernel without IPv6 has no tcp6.
        const files = "cd /proc/net && cat tcp && (cat tcp6 2>/dev/null || true) && cat fib_trie";
        return docker(engine, ...looker(from, hostNetwork, ["bash", "-c", files]));
    });
    return {
        addresses: async () => {
            const text = await network();
            return text === undefined ? undefined : addressesIn(text);
        },
        isTaken: async (port, address) => isListenedOn(listenersIn((await network()) ?? ""), port, address),
        directory: async (path) => {
            const from = await image();
            if (from === undefined) {
                return undefined;
            }
            // Not --volume, which would make the directory.
            const mount = ["type=bind", csvField(`source=${path}`), "target=/looked-at", "readonly"].join(",");
            const command = ["stat", "--dereference", "--format", "%F|%u|%g|%a", "/looked-at"];
            const options = ["--network", "none", "--mount", mount];
            const { ok, stdout, stderr } = await runDocker(engine, looker(from, options, command));
            return ok ? directoryIn(stdout) : stderr.includes("source path does not exist") ? "missing" : undefined;
        },
    };
}

/** GiB that are free where the engine keeps its volumes; undefined where the engine has no image to look with. */
export async function freeOnEngine(engine: string | undefined, configured: Images): Promise<number | undefined> {
    const image = await shellImage(engine, configured);
    if (image === undefined) {
        return undefined;
    }
    // A volume without a name, which goes with its container.
    const options = ["--network", "none", "--mount", "type=volume,target=/looked-at"];
    const text = await docker(
        engine,
        ...looker(image, options, ["stat", "--file-system", "--format", "%a %S", "/looked-at"]),
    );
    const [blocks = Number.NaN, size = Number.NaN] = (text ?? "").split(" ").map(Number);
    const free = (blocks * size) / 2 ** 30;
    return Number.isNaN(free) ? undefined : free;
}
