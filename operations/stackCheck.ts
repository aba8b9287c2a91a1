/** What can be known to be wrong before an update changes anything. */
import { statfsSync } from "node:fs";
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { type Configuration, configurationProblems, problemText } from "../config.ts";
import { freeOnEngine } from "../engineHost.ts";
import { isLocal } from "../hostCheck.ts";
import {
    type EngineObject,
    objectsOf,
    outputsOf,
    pendingOf,
    removeObjects,
    resourcesOf,
    sortObjects,
    withoutPending,
} from "./engineObjects.ts";
import { endLeftOverPlugins, settleLock } from "./lock.ts";
import { type Places, projectName } from "./places.ts";
import type { Say } from "./progress.ts";
import { checkContradiction } from "./stackEngine.ts";
import { UserError } from "./userError.ts";
import type { ReadStack } from "./workspace.ts";

/** A stack's configuration as far as it can be read, and everything that is wrong with it. `exported` is the state, where it is known. */
export async function settingsOf(
    stack: ReadStack,
    variables: Record<string, string>,
    exported?: Deployment | Promise<Deployment>,
): Promise<{ value: Partial<Configuration>; problems: string[] }> {
    const prefix = `${projectName}:`;
    const [everything, deployment] = await Promise.all([stack.getAllConfig(), exported ?? stack.exportStack()]);
    const all = Object.entries(everything).filter(([name]) => name.startsWith(prefix));
    const named = everything["docker:host"]?.value;
    checkContradiction(stack.name, named, variables.DOCKER_HOST);
    return await configurationProblems(
        {
            values: Object.fromEntries(all.map(([name, { value: text }]) => [name.slice(prefix.length), text])),
            secrets: new Set(all.filter(([, entry]) => entry.secret).map(([name]) => name.slice(prefix.length))),
            baseImage: variables.MLFLOW_PLATFORM_BASE_IMAGE,
        },
        outputsOf(resourcesOf(deployment)),
        { project: projectName, stack: stack.name, engine: named ?? variables.DOCKER_HOST },
    );
}

/** The stack's configuration. Throws a UserError that lists every problem, just as the program itself would. */
export async function configurationOf(
    stack: ReadStack,
    variables: Record<string, string>,
    exported?: Deployment,
): Promise<Configuration> {
    const { value, problems } = await settingsOf(stack, variables, exported);
    if (problems.length > 0) {
        throw new UserError(
            problemText(stack.name, problems),
            `Set what it says, with npm run pulumi -- config … --stack ${stack.name}, and run this again.`,
        );
    }
    return value as Configuration;
}

/** The error of objects that another state made. */
export function foreignObjects(stackName: string, foreign: readonly EngineObject[]): UserError {
    const containers = foreign.filter(({ kind }) => kind === "container").map(({ name }) => name);
    const networks = foreign.filter(({ kind }) => kind === "network").map(({ name }) => name);
    const volumes = foreign.filter(({ kind }) => kind === "volume").map(({ name }) => name);
    const command = (words: string, names: string[]) => (names.length === 0 ? [] : [`  ${words} ${names.join(" ")}`]);
    return new UserError(
        `The engine has objects of stack "${stackName}" that this state did not make (label origin):\n${foreign
            .map(({ kind, name, origin }) => `  ${kind} ${name}  from ${origin === "" ? "an unknown origin" : origin}`)
            .join("\n")}`,
        [
            "Go on with the state they come from (its user, its XDG_STATE_HOME or PULUMI_BACKEND_URL), or use another name:",
            "  npm start -- --stack <name>",
            "Or remove them; with the volumes their data is gone for good:",
            ...command("docker rm --force", containers),
            ...command("docker network rm", networks),
            ...command("docker volume rm", volumes),
        ].join("\n"),
    );
}

/**
 * Clears what an interrupted update left: plugins that go on without their CLI, its lock, containers and networks that the state
 * does not know, and the state's notes of what was under way. Stops before another state's objects are touched; with
 * `ownOnly` those are left alone without a word. Returns the state.
 */
export async function settleObjects(
    stack: Stack,
    places: Places,
    variables: Record<string, string>,
    say: Say,
    ownOnly = false,
): Promise<Deployment> {
    // In this order: when the plugins have ended nothing more is made; what an update makes from now on is not listed, and
    // what one made before is in the state or it holds the lock.
    await endLeftOverPlugins(places, say);
    const objects = await objectsOf(stack.name, variables);
    await settleLock(stack, variables, say);
    const deployment = await stack.exportStack();
    const { foreign, orphans } = sortObjects(objects, resourcesOf(deployment));
    if (foreign.length > 0 && !ownOnly) {
        throw foreignObjects(stack.name, foreign);
    }
    if (orphans.length > 0) {
        say(`removing what an interrupted update left: ${orphans.map(({ name }) => name).join(", ")}`);
        await removeObjects(orphans, variables);
    }
    const pending = pendingOf(deployment);
    if (pending.length === 0) {
        return deployment;
    }
    // What was being made is gone or will be found by its name; what was being changed the refresh looks at.
    say(`clearing what was interrupted from the state: ${pending.join(", ")}`);
    const cleared = withoutPending(deployment);
    await stack.importStack(cleared);
    return cleared;
}

/** GiB that the first builds take on the engine's disk, with their caches; and what a finished platform wants to have free. */
export const needed = { builds: 7, running: 1 };

/** GiB that are free in a directory of this host; undefined where it is the engine's alone: in a virtual machine, or not for this user. */
function freeHere(directory: string): number | undefined {
    try {
        const { bavail, bsize } = statfsSync(directory);
        return (bavail * bsize) / 2 ** 30;
    } catch {
        return undefined;
    }
}

/** Throws a UserError where the engine's disk is too full. An engine elsewhere is asked by an image that it has. */
export async function checkDisk(
    builds: boolean,
    variables: Record<string, string>,
    configuration: Partial<Configuration> = {},
): Promise<void> {
    const { stdout } = await execa("docker", ["info", "--format", "{{.DockerRootDir}}"], { env: variables });
    const free = isLocal(variables.DOCKER_HOST)
        ? freeHere(stdout.trim())
        : await freeOnEngine(variables.DOCKER_HOST, configuration);
    const need = builds ? needed.builds : needed.running;
    if (free !== undefined && free < need) {
        throw new UserError(
            `The disk of the Docker engine (${stdout.trim()}) has ${free.toFixed(1)} GiB free, and ${need} GiB are needed.`,
            "Make room: docker system df shows what Docker has, docker builder prune and docker image prune free some of it.",
        );
    }
}
