/** Disks that a stack's data is on, seen from the engine's side: by this host where the engine is here, else by a running container. */
import { statfsSync } from "node:fs";
import { execa } from "execa";
import { isLocal } from "../../hostCheck.ts";
import type { StackContainer } from "../containers.ts";

/** A disk (file system). */
export interface Disk {
    /** What is on it. */
    readonly what: string;
    /** A directory on it, on the engine's host. */
    readonly path: string;
    /** Bytes. */
    readonly size: number;
    /** Bytes that can be written. */
    readonly free: number;
    /** As df has it, rounded up: of what is used and what can be written; what is kept for root counts for neither. */
    readonly usedPercent: number;
    /** Of files that it can hold (inodes); null where it has no such limit. */
    readonly usedInodesPercent: number | null;
}

/** From here on a disk is a warning. */
export const fullPercent = 80;

/** Percent that is used of what can be, rounded up. */
function percent(used: number, free: number): number {
    return used + free === 0 ? 100 : Math.ceil((100 * used) / (used + free));
}

function disk(
    what: string,
    path: string,
    bytes: { size: number; used: number; free: number },
    inodes: { all: number; free: number },
): Disk {
    return {
        what,
        path,
        size: bytes.size,
        free: bytes.free,
        usedPercent: percent(bytes.used, bytes.free),
        usedInodesPercent: inodes.all === 0 ? null : percent(inodes.all - inodes.free, inodes.free),
    };
}

/** The disk of a directory of this host. */
export function hostDisk(what: string, path: string): Disk | undefined {
    try {
        const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
        const bytes = { size: blocks * bsize, used: (blocks - bfree) * bsize, free: bavail * bsize };
        return disk(what, path, bytes, { all: files, free: ffree });
    } catch {
        // The engine's directory, in a virtual machine or not for this user to see.
        return undefined;
    }
}

/** What `df --block-size=1 --output=size,used,avail,itotal,iavail` says of one path; `-` is no limit. */
export function parseDf(what: string, path: string, output: string): Disk | undefined {
    const words = output.trim().split("\n").at(-1)?.trim().split(/\s+/) ?? [];
    const numbers = words.map((text) => (text === "-" ? 0 : Number(text)));
    const [size = NaN, used = NaN, free = NaN, all = NaN, freeInodes = NaN] = numbers;
    return [size, used, free, all, freeInodes].some(Number.isNaN)
        ? undefined
        : disk(what, path, { size, used, free }, { all, free: freeInodes });
}

async function byContainer(
    what: string,
    path: string,
    { container }: StackContainer,
    inside: string,
    variables: Record<string, string>,
): Promise<Disk | undefined> {
    const df = ["df", "--block-size=1", "--output=size,used,avail,itotal,iavail", inside];
    const { exitCode, stdout } = await execa("docker", ["exec", container, ...df], {
        env: variables,
        reject: false,
        timeout: 20_000,
    });
    return exitCode === 0 ? parseDf(what, path, stdout) : undefined;
}

/**
 * The engine's disk, and that of `minioVolumePath` where it is set. What cannot be seen is left out: of an engine elsewhere
 * while nothing of the stack runs.
 */
export async function disksOf(
    containers: readonly StackContainer[],
    minioVolumePath: string | undefined,
    variables: Record<string, string>,
): Promise<Disk[]> {
    const running = containers.filter(({ state }) => state === "running");
    const mounted = (wanted: (mount: StackContainer["mounts"][number]) => boolean) =>
        running.flatMap((container) => container.mounts.filter(wanted).map((mount) => ({ container, mount })))[0];
    const local = isLocal(variables.DOCKER_HOST);
    const look = async (what: string, path: string, found: ReturnType<typeof mounted>) =>
        (local ? hostDisk(what, path) : undefined) ??
        (found === undefined ? undefined : await byContainer(what, path, found.container, found.mount.path, variables));
    const { stdout } = await execa("docker", ["info", "--format", "{{.DockerRootDir}}"], { env: variables });
    const disks = await Promise.all([
        look(
            "engine",
            stdout.trim(),
            mounted(({ kind }) => kind === "volume"),
        ),
        minioVolumePath === undefined
            ? undefined
            : look(
                  "minioVolumePath",
                  minioVolumePath,
                  mounted(({ source }) => source === minioVolumePath),
              ),
    ]);
    return disks.filter((found) => found !== undefined);
}

/** Bytes of a size as the docker command writes it, such as 48.63MB (powers of 1000) or 1.2GiB (of 1024); null for N/A. */
export function bytesOf(text: string): number | null {
    const [, number = "", letter = "", binary = ""] = /^([\d.]+)\s*([kKMGTP]?)(i?)B$/.exec(text.trim()) ?? [];
    if (number === "") {
        return null;
    }
    const power = ["", "K", "M", "G", "T", "P"].indexOf(letter.toUpperCase());
    return Math.round(Number(number) * (binary === "" ? 1000 : 1024) ** power);
}

/** Bytes in words, such as 1.2 GiB. */
export function sizeInWords(bytes: number): string {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
    const number = bytes / 1024 ** power;
    return `${power === 0 || number >= 100 ? Math.round(number) : number.toFixed(1)} ${units[power] ?? ""}`;
}

/**
 * Sizes of volumes in bytes, by name. The engine walks through them for it; where that takes longer than a minute, or it is
 * doing so for somebody else, nothing is known.
 */
export async function volumeSizes(variables: Record<string, string>): Promise<ReadonlyMap<string, number>> {
    const format = "{{range .Volumes}}{{.Name}}\t{{.Size}}\n{{end}}";
    const { exitCode, stdout } = await execa("docker", ["system", "df", "--verbose", "--format", format], {
        env: variables,
        reject: false,
        timeout: 60_000,
    });
    if (exitCode !== 0) {
        return new Map();
    }
    return new Map(
        stdout.split("\n").flatMap((line) => {
            const [name = "", size = ""] = line.split("\t");
            const bytes = bytesOf(size);
            return bytes === null ? [] : [[name, bytes] as const];
        }),
    );
}
