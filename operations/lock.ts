/** The lock that an update holds on its stack in a `file://` backend. Other backends keep their own order. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { projectName } from "./places.ts";
import type { Say } from "./progress.ts";
import { UserError } from "./userError.ts";

/** `held`: an update runs, as far as can be known here. `stale`: its process on this host is gone. */
export type LockState = "none" | "held" | "stale";

/** The state of a stack's lock. */
export function lockState(backendUrl: string, stackName: string): LockState {
    if (!backendUrl.startsWith("file://")) {
        return "none";
    }
    const directory = join(backendUrl.slice("file://".length), ".pulumi/locks/organization", projectName, stackName);
    // Beside each lock the backend may keep a file with its attributes.
    const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith(".json")) : [];
    const locks = files.map(
        (file) => JSON.parse(readFileSync(join(directory, file), "utf8")) as { pid: number; hostname: string },
    );
    if (locks.length === 0) {
        return "none";
    }
    return locks.every((lock) => lock.hostname === hostname() && !isAlive(lock.pid)) ? "stale" : "held";
}

function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
    } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EPERM";
    }
    // A process that was killed stays as a zombie until its parent asks for it, which in a container may be never.
    const status = `/proc/${pid}/status`;
    return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, "utf8"));
}

/** Removes the lock of an update that was killed. Throws a UserError while another update runs. */
export async function settleLock(stack: Stack, variables: Record<string, string>, say: Say): Promise<void> {
    const state = lockState(variables.PULUMI_BACKEND_URL ?? "", stack.name);
    if (state === "held") {
        throw new UserError(
            `Another update of stack ${stack.name} is under way.`,
            "Wait until it has ended. If it ran on a machine that is gone:\n" +
                `  npm run pulumi -- cancel --stack ${stack.name}`,
        );
    }
    if (state === "stale") {
        say("removing the lock of an update that was killed");
        await stack.cancel();
    }
}
