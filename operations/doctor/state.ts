/** This user's state: who may read it, whether its passphrase fits, and what a killed update has left in it. */
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { directoryOf, stacksIn, unknownStack } from "../backend.ts";
import { type Lock, leftOverPlugins, lockInWords, locksOf } from "../lock.ts";
import { type Places, projectName } from "../places.ts";
import type { Problem } from "../stackProblems.ts";
import { UserError } from "../userError.ts";
import { requirePassphrase, requireReadable, stackFile, withFittingSalt } from "../workspace.ts";
import { type Finding, findingsOf } from "./finding.ts";

export interface StateFacts {
    readonly stack: string;
    readonly backendUrl: string;
    /** Where the backend does not have the stack: which it has instead. */
    readonly unknown:
        { readonly message: string; readonly cure: string; readonly others: readonly string[] } | undefined;
    /** What is wrong with passphrase, stack's name or stack's file, as every command says it. */
    readonly refusals: readonly { readonly message: string; readonly cure: string }[];
    /** Directory of the backend that cannot be written. */
    readonly notWritable: string | undefined;
    /** Files and directories that others may read: path → mode (octal). */
    readonly open: Readonly<Record<string, string>>;
    readonly locks: readonly Lock[];
    /** Operations that an interrupted update was at. */
    readonly pending: readonly string[];
    /** Plugins that go on without their CLI. */
    readonly plugins: readonly number[];
}

function refusal(check: () => void): StateFacts["refusals"] {
    try {
        check();
        return [];
    } catch (error) {
        if (error instanceof UserError) {
            return [{ message: error.message, cure: error.cure }];
        }
        throw error;
    }
}

/** The operations that are noted in a stack's state in a directory. */
function pendingIn(directory: string, stackName: string): string[] {
    const file = join(directory, ".pulumi/stacks", projectName, `${stackName}.json`);
    if (!existsSync(file)) {
        return [];
    }
    try {
        const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as {
            checkpoint?: {
                latest?: { pending_operations?: { type: string; resource: { urn: string } }[] | null } | null;
            };
        };
        return (checkpoint?.latest?.pending_operations ?? []).map(
            ({ type, resource: { urn } }) => `${type} ${urn.slice(urn.lastIndexOf("::") + 2)}`,
        );
    } catch {
        // Cut short: said among the refusals.
        return [];
    }
}

/** Where the passphrase comes from, of what the variables name. */
function passphraseFile(variables: Record<string, string>): string[] {
    const { PULUMI_CONFIG_PASSPHRASE: own, PULUMI_CONFIG_PASSPHRASE_FILE: file } = variables;
    return own !== undefined || file === undefined ? [] : [file];
}

export function stateFacts(stackName: string, places: Places, variables: Record<string, string>): StateFacts {
    const backendUrl = variables.PULUMI_BACKEND_URL ?? "";
    const directory = directoryOf(backendUrl);
    const known = directory === undefined ? undefined : stacksIn(directory);
    const file = stackFile(places, stackName);
    const content = existsSync(file) ? readFileSync(file, "utf8") : "";
    const missing =
        known === undefined || known.includes(stackName) ? undefined : unknownStack(stackName, known, backendUrl);
    const refusals = [
        // Before the first start there is none.
        ...(known?.length === 0
            ? []
            : refusal(() => {
                  requirePassphrase(stackName, variables);
              })),
        ...refusal(() => {
            requireReadable(stackName, content);
        }),
    ];
    const passphrases = passphraseFile(variables).filter((path) => existsSync(path));
    return {
        stack: stackName,
        backendUrl,
        unknown: missing && { message: missing.message, cure: missing.cure, others: known ?? [] },
        refusals:
            refusals.length > 0 || passphrases.length === 0
                ? refusals
                : saltRefusal(stackName, content, readFileSync(passphrases[0] ?? "", "utf8").trim()),
        notWritable: directory !== undefined && existsSync(directory) && !isWritable(directory) ? directory : undefined,
        open: Object.fromEntries(
            [places.state, ...passphrases]
                .filter((path) => existsSync(path) && process.platform !== "win32")
                .map((path) => [path, statSync(path).mode & 0o777] as const)
                .filter(([, mode]) => (mode & 0o077) !== 0)
                .map(([path, mode]) => [path, mode.toString(8)]),
        ),
        locks: locksOf(backendUrl, stackName),
        pending: directory === undefined ? [] : pendingIn(directory, stackName),
        plugins: leftOverPlugins(places.pulumiHome),
    };
}

/** A salt in the stack's file that is another passphrase's. */
function saltRefusal(stackName: string, content: string, passphrase: string): StateFacts["refusals"] {
    return refusal(() => {
        if (withFittingSalt(stackName, content, passphrase) !== content) {
            throw new UserError(
                `Pulumi.${stackName}.yaml has the salt of another passphrase; nothing in it is encrypted with that`,
                `npm start -- --stack ${stackName} drops it.`,
            );
        }
    });
}

function isWritable(path: string): boolean {
    try {
        accessSync(path, constants.W_OK | constants.X_OK);
        return true;
    } catch {
        return false;
    }
}

export function judgeState(facts: StateFacts): Finding[] {
    const { stack, backendUrl, refusals, notWritable, open, locks, pending, plugins } = facts;
    const start = `npm start -- --stack ${stack}`;
    const problems: Problem[] = refusals.map(({ message, cure }) => ({ level: "fault", what: message, cure }));
    if (facts.unknown !== undefined) {
        const { message, cure, others } = facts.unknown;
        problems.push({ level: others.length === 0 ? "warn" : "fault", what: message, cure });
    }
    if (notWritable !== undefined) {
        problems.push({
            level: "fault",
            what: `the backend ${notWritable} cannot be written`,
            cure: "Run this as the user whose state it is, or give the directory to this one (chown).",
        });
    }
    for (const [path, mode] of Object.entries(open)) {
        problems.push({
            level: "fault",
            what: `others may read ${path} (mode ${mode})`,
            cure: `chmod go= ${path}`,
        });
    }
    for (const lock of locks) {
        problems.push(
            lock.stale
                ? {
                      level: "fault",
                      what: `an update that was killed has left its lock: ${lockInWords(lock)}`,
                      cure: `${start} (or npm run up, npm stop) removes it; plain Pulumi: npm run pulumi -- cancel --stack ${stack}`,
                  }
                : {
                      level: "warn",
                      what: `an update is under way: ${lockInWords(lock)}`,
                      cure: `Wait until it has ended. If it is gone: npm run pulumi -- cancel --stack ${stack}`,
                  },
        );
    }
    // While an update runs they are its own.
    if (pending.length > 0 && locks.every(({ stale }) => stale)) {
        problems.push({
            level: "fault",
            what: `an update was interrupted while ${pending.join(", ")}`,
            cure: `${start} looks at what became of it, and goes on.`,
        });
    }
    if (plugins.length > 0) {
        problems.push({
            level: "fault",
            what: `plugins of a killed update go on working: processes ${plugins.join(", ")}`,
            cure: `${start} (or npm run up, npm stop) ends them.`,
        });
    }
    return findingsOf("state", problems, `${backendUrl}: the passphrase fits, nothing is left over`);
}
