/** Where things are kept: the checkout, this user's state, and caches that every checkout of this user shares. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory, xdgDirectory } from "../toolchain/node/cache.mjs";

/** Name of the project in Pulumi.yaml, of its directories and of its objects on the engine. */
export const projectName = "mlflow-platform";

/** Places of one user. */
export interface Places {
    /** The checkout. */
    readonly project: string;
    /** State and passphrase: not to be lost. */
    readonly state: string;
    /** What can be fetched or built again. */
    readonly cache: string;
    /** Directory of Pulumi's `file://` backend. */
    readonly backend: string;
    /** File of the passphrase that encrypts secrets. */
    readonly passphrase: string;
    /** Pulumi's home: CLI and plugins. */
    readonly pulumiHome: string;
}

/** The places, by the XDG Base Directory Specification. */
export function placesOf(env: NodeJS.ProcessEnv): Places {
    const state = join(xdgDirectory(env.XDG_STATE_HOME, ".local", "state"), projectName);
    const cache = cacheDirectory(env);
    return {
        project: dirname(dirname(fileURLToPath(import.meta.url))),
        state,
        cache,
        backend: join(state, "backend"),
        passphrase: join(state, "passphrase"),
        pulumiHome: env.PULUMI_HOME ?? join(cache, "pulumi"),
    };
}

/**
 * Makes the state directory (0700) and, once, the passphrase (0600). Where there are stacks already it makes none: it would
 * not be theirs, and hide that theirs is lost.
 */
export function makeState(places: Places): void {
    mkdirSync(places.backend, { recursive: true });
    chmodSync(places.state, 0o700);
    const stacks = join(places.backend, ".pulumi/stacks", projectName);
    if (!existsSync(places.passphrase) && !(existsSync(stacks) && readdirSync(stacks).length > 0)) {
        // Linked into place, which never overwrites: of two first starts at once, one passphrase wins for both.
        const temporary = `${places.passphrase}.${process.pid}`;
        writeFileSync(temporary, randomBytes(32).toString("base64url"), { mode: 0o600 });
        try {
            linkSync(temporary, places.passphrase);
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
                throw error;
            }
        } finally {
            rmSync(temporary);
        }
    }
}
