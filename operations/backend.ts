/** The stacks of a backend as far as they can be known without Pulumi's CLI: names, the passphrase that fits, files left in it. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { closest, distance } from "fastest-levenshtein";
import { projectName } from "./places.ts";
import { UserError } from "./userError.ts";

/** Directory of a `file://` backend; undefined for one that is elsewhere. */
export function directoryOf(backendUrl: string): string | undefined {
    return backendUrl.startsWith("file://") ? backendUrl.slice("file://".length).replace(/^~/, homedir()) : undefined;
}

/** Names of this project's stacks in the directory of a `file://` backend. */
export function stacksIn(directory: string): string[] {
    const stacks = join(directory, ".pulumi/stacks", projectName);
    return existsSync(stacks)
        ? readdirSync(stacks).flatMap((file) => /^(.+)\.json(?:\.gz)?$/.exec(file)?.[1] ?? [])
        : [];
}

/** What a stack's state says of the passphrase that its secrets are encrypted with; undefined where it has none or is elsewhere. */
export function saltOf(directory: string, stackName: string): string | undefined {
    const file = join(directory, ".pulumi/stacks", projectName, `${stackName}.json`);
    if (!existsSync(file)) {
        return undefined;
    }
    let state: unknown;
    try {
        state = JSON.parse(readFileSync(file, "utf8"));
    } catch (error) {
        throw new UserError(
            `The state of stack ${stackName} cannot be read: ${file}: ${(error as Error).message}`,
            `Put the last good copy in its place: ${file}.bak, one of ${join(directory, ".pulumi/backups", projectName, stackName)}, or your backup's.`,
        );
    }
    const { checkpoint } = state as {
        checkpoint?: { latest?: { secrets_providers?: { type?: string; state?: { salt?: string } } } | null };
    };
    const provider = checkpoint?.latest?.secrets_providers;
    return provider?.type === "passphrase" ? provider.state?.salt : undefined;
}

/** The error of a stack that there is not: which there are, and which of them may be meant. */
export function unknownStack(stackName: string, names: readonly string[], backendUrl: string): UserError {
    const near = names.length === 0 ? "" : closest(stackName, [...names]);
    const meant = near !== "" && distance(stackName, near) <= Math.max(2, Math.floor(stackName.length / 3));
    return new UserError(
        `There is no stack ${stackName} in ${backendUrl}.`,
        names.length === 0
            ? "There is none at all: npm start makes one."
            : `${meant ? `Did you mean ${near}? ` : ""}There are: ${names.join(", ")}.`,
    );
}
