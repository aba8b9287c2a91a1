/** Room for the copies: several may go to one disk. */
import { statSync, statfsSync } from "node:fs";
import { isLocal } from "../../hostCheck.ts";
import { type Problem, size } from "./findings.ts";
import type { Target } from "./target.ts";

/** Where something is kept. */
export interface Disk {
    /** The same for what is on one file system. */
    readonly device: string;
    /** Bytes. */
    readonly free: number;
}

/** A copy that is to be made. */
export interface Copy extends Disk {
    readonly what: string;
    /** What it takes at most. */
    readonly bytes: number;
}

/** Bytes that stay free beside what is copied. */
const reserve = 2 ** 30;

/** What there is no room for: a problem for each disk. */
export function roomProblems(copies: readonly Copy[]): Problem[] {
    return [...new Set(copies.map(({ device }) => device))].flatMap((device) => {
        const here = copies.filter((copy) => copy.device === device);
        const free = Math.min(...here.map((copy) => copy.free));
        const bytes = here.reduce((sum, copy) => sum + copy.bytes, 0);
        const parts = here.map(({ what, bytes: part }) => `${what} ${size(part)}`).join(", ");
        return free >= bytes + reserve
            ? []
            : [
                  {
                      what: `The disk has ${size(free)} free, and the copies take up to ${size(bytes)} (${parts}), with 1 GiB to spare.`,
                      cure: `Make room on the disk of the stack's ${here.map(({ what }) => what).join(" and ")}.`,
                  },
              ];
    });
}

/** A file system of the engine's host, by its number there. */
export function engineDisk(device: number, free: number): Disk {
    return { device: `engine ${device}`, free };
}

/** The disk of the stack's PostgreSQL. */
export async function postgresDisk(target: Target): Promise<Disk> {
    const { stdout } = await target.inPostgres(
        [
            ...["bash", "-euc", 'stat --format=%d "$1"; df --output=avail --block-size=1 "$1"', "disk"],
            "/var/lib/postgresql",
        ],
        { database: "postgres" },
    );
    const lines = stdout.trim().split("\n");
    return engineDisk(Number(lines[0]), Number(lines.at(-1)));
}

/** The disk of a directory here, which on Linux may be one of the engine's. */
export function disk(directory: string, engine: string | undefined): Disk {
    const { bavail, bsize } = statfsSync(directory);
    const { dev } = statSync(directory);
    const free = bavail * bsize;
    return isLocal(engine) && process.platform === "linux" ? engineDisk(dev, free) : { device: "this host", free };
}
