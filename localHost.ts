/** What this host knows of itself, where the engine is here: its addresses, ports that are taken, a directory. */
import { type Stats, statSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import type { FoundDirectory, Host } from "./hostCheck.ts";

/** A directory as this user sees it; undefined where he may not look. */
export function localDirectory(path: string): FoundDirectory | undefined {
    let found: Stats | undefined;
    try {
        found = statSync(path, { throwIfNoEntry: false });
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EACCES") {
            return undefined;
        }
    }
    if (found === undefined) {
        return "missing";
    }
    return found.isDirectory() ? { uid: found.uid, gid: found.gid, mode: found.mode & 0o777 } : "not a directory";
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

/** This host. Elsewhere than on Linux the engine is in a virtual machine, which has other addresses and maps owners by itself. */
export function localHost(): Host {
    const linux = process.platform === "linux";
    const addresses = () =>
        Object.values(networkInterfaces())
            .flatMap((entries) => entries ?? [])
            .filter(({ family }) => family === "IPv4")
            .map(({ address }) => address);
    return {
        addresses: () => Promise.resolve(linux ? addresses() : undefined),
        isTaken,
        directory: (path) => Promise.resolve(linux ? localDirectory(path) : undefined),
    };
}
