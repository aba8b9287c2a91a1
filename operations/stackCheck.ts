/** What can be known to be wrong before an update changes anything. */
import { statfsSync } from "node:fs";
import { type Server, createServer } from "node:net";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { projectLabel, stackLabel } from "../components/labels.ts";
import { type Configuration, parseConfiguration, problemText, publishedPorts } from "../config.ts";
import { type EngineObject, objectsOf, removeObjects, resourcesOf, sortObjects } from "./engineObjects.ts";
import { settleLock } from "./lock.ts";
import { projectName } from "./places.ts";
import type { Say } from "./progress.ts";
import { UserError } from "./userError.ts";

/** The stack's configuration. Throws a UserError that lists every problem. */
export async function configurationOf(stack: Stack, variables: Record<string, string>): Promise<Configuration> {
    const prefix = `${projectName}:`;
    const all = Object.entries(await stack.getAllConfig()).filter(([name]) => name.startsWith(prefix));
    const { value, problems } = parseConfiguration({
        values: Object.fromEntries(all.map(([name, { value: text }]) => [name.slice(prefix.length), text])),
        secrets: new Set(all.filter(([, entry]) => entry.secret).map(([name]) => name.slice(prefix.length))),
        baseImage: variables.MLFLOW_PLATFORM_BASE_IMAGE,
    });
    if (problems.length > 0) {
        throw new UserError(
            problemText(stack.name, problems),
            `Set what it says with npm run pulumi -- config set --stack ${stack.name} <key> <value>, and run this again.`,
        );
    }
    return value;
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
 * Stops before another state's objects are touched, and clears what an interrupted update of this state left. With
 * `ownOnly` the objects of others are left alone without a word.
 */
export async function settleObjects(
    stack: Stack,
    variables: Record<string, string>,
    say: Say,
    ownOnly = false,
): Promise<void> {
    // In this order: what an update makes from now on is not listed, and what one made before is in the state or it holds
    // the lock.
    const objects = await objectsOf(stack.name, variables);
    await settleLock(stack, variables, say);
    const { foreign, orphans } = sortObjects(objects, resourcesOf(await stack.exportStack()));
    if (foreign.length > 0 && !ownOnly) {
        throw foreignObjects(stack.name, foreign);
    }
    if (orphans.length > 0) {
        say(`removing what an interrupted update left: ${orphans.map(({ name }) => name).join(", ")}`);
        await removeObjects(orphans, variables);
    }
}

/** Throws a UserError if the volume that `minioVolumeName` names is another stack's. */
export async function checkVolume(
    stackName: string,
    { minioVolumeName }: Configuration,
    variables: Record<string, string>,
): Promise<void> {
    if (minioVolumeName === undefined) {
        return;
    }
    const inspected = await execa("docker", ["volume", "inspect", minioVolumeName], { env: variables, reject: false });
    const [volume] =
        inspected.exitCode === 0 ? (JSON.parse(inspected.stdout) as { Labels: Record<string, string> | null }[]) : [];
    const owner = volume?.Labels?.[stackLabel];
    if (volume?.Labels?.[projectLabel] === projectName && owner !== undefined && owner !== stackName) {
        throw new UserError(
            `minioVolumeName: volume ${minioVolumeName} holds the data of stack ${owner}.`,
            `Set another volume's name: npm run pulumi -- config set --stack ${stackName} minioVolumeName <name>`,
        );
    }
}

/** Whether the engine is on this host, so that its ports and disk can be looked at from here. */
export function isLocal(variables: Record<string, string>): boolean {
    return (variables.DOCKER_HOST ?? "unix:").startsWith("unix:");
}

/** A port that a running container publishes. */
interface Publication {
    readonly address: string;
    readonly port: number;
    readonly container: string;
    /** Whether the container is the stack's own. */
    readonly own: boolean;
}

async function publications(stackName: string, variables: Record<string, string>): Promise<Publication[]> {
    const { stdout: ids } = await execa("docker", ["ps", "--quiet"], { env: variables });
    if (ids === "") {
        return [];
    }
    const { stdout } = await execa("docker", ["inspect", ...ids.split("\n")], { env: variables });
    const containers = JSON.parse(stdout) as {
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
                own: Config.Labels?.[projectLabel] === projectName && Config.Labels[stackLabel] === stackName,
            })),
    );
}

async function listenError(port: number, host: string): Promise<string | undefined> {
    const server: Server = createServer();
    return new Promise((resolve) => {
        server.once("error", (error: NodeJS.ErrnoException) => {
            resolve(error.code ?? error.message);
        });
        server.listen({ port, host, exclusive: true }, () => {
            server.close(() => {
                resolve(undefined);
            });
        });
    });
}

/** Throws a UserError for a published port that something else than this stack has. */
export async function checkPorts(
    stackName: string,
    configuration: Configuration,
    variables: Record<string, string>,
): Promise<void> {
    if (!isLocal(variables)) {
        return;
    }
    const { bindAddress } = configuration;
    const published = await publications(stackName, variables);
    const taken: string[] = [];
    for (const [key, port] of Object.entries(publishedPorts(configuration))) {
        const holder = published.find(
            (publication) => publication.port === port && [bindAddress, "", "0.0.0.0"].includes(publication.address),
        );
        if (holder === undefined ? (await listenError(port, bindAddress)) === "EADDRINUSE" : !holder.own) {
            const by = holder === undefined ? "another program" : `container ${holder.container}`;
            taken.push(`  ${key}: port ${port} on ${bindAddress} is in use by ${by}`);
        }
    }
    if (taken.length > 0) {
        const set = `npm run pulumi -- config set --stack ${stackName}`;
        throw new UserError(
            `Ports are taken:\n${taken.join("\n")}`,
            "End what has them, or set others:\n" +
                `  ${set} mlflowPort 5001\n  ${set} minioPort 9010\n  ${set} minioConsoleAddress :9011`,
        );
    }
}

/** GiB that the first builds take on the engine's disk, with their caches; and what a finished platform wants to have free. */
export const needed = { builds: 7, running: 1 };

/** Throws a UserError where the engine's disk is too full. */
export async function checkDisk(builds: boolean, variables: Record<string, string>): Promise<void> {
    if (!isLocal(variables)) {
        return;
    }
    const { stdout } = await execa("docker", ["info", "--format", "{{.DockerRootDir}}"], { env: variables });
    let free: number;
    try {
        const { bavail, bsize } = statfsSync(stdout.trim());
        free = (bavail * bsize) / 2 ** 30;
    } catch {
        // The directory is the engine's: in a virtual machine, or not for this user to see.
        return;
    }
    const need = builds ? needed.builds : needed.running;
    if (free < need) {
        throw new UserError(
            `The disk of the Docker engine (${stdout.trim()}) has ${free.toFixed(1)} GiB free, and ${need} GiB are needed.`,
            "Make room: docker system df shows what Docker has, docker builder prune and docker image prune free some of it.",
        );
    }
}
