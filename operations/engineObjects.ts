/** What is on the engine under a stack's labels, and whether it belongs to this user's state of the stack. */
import type { Deployment } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { originLabel, projectLabel, stackLabel } from "../components/labels.ts";
import { projectName } from "./places.ts";

/** A container, volume or network. */
export interface EngineObject {
    readonly kind: "container" | "volume" | "network";
    /** Id of a container or network; a volume has its name only. */
    readonly id: string;
    readonly name: string;
    /** Value of the origin label. */
    readonly origin: string;
}

/** A resource in a stack's exported state, as far as it is read here. */
interface StateResource {
    readonly urn?: string;
    readonly type: string;
    readonly id?: string;
    readonly protect?: boolean;
    /** Why its creation ended in an error, where it was made all the same. */
    readonly initErrors?: readonly string[] | null;
    readonly outputs?: Readonly<Record<string, unknown>>;
    /** URNs with each of which it is replaced. */
    readonly replaceWith?: readonly string[];
    readonly dependencies?: readonly string[];
}

/** The resources of a stack's exported state. */
export function resourcesOf(deployment: Deployment): readonly StateResource[] {
    return (deployment.deployment as { resources?: StateResource[] } | undefined)?.resources ?? [];
}

/** The stack's outputs in its exported state; secret ones are ciphertext. */
export function outputsOf(resources: readonly StateResource[]): Readonly<Record<string, unknown>> {
    return resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

/** What an exported state has beside its resources, as far as it is read here. */
interface Pending {
    pending_operations?: { type: string; resource: { urn: string } }[] | null;
}

/** URNs of what was made, but not to the end: a service that did not become healthy, a seed without its files. */
export function incomplete(resources: readonly StateResource[]): string[] {
    return resources.flatMap(({ urn, initErrors, protect }) =>
        urn !== undefined && initErrors?.length && !protect ? [urn] : [],
    );
}

/** The operations that an interrupted update was at, in words such as "creating minio". */
export function pendingOf(deployment: Deployment): string[] {
    const { pending_operations: operations } = (deployment.deployment ?? {}) as Pending;
    return (operations ?? []).map(({ type, resource: { urn } }) => `${type} ${urn.slice(urn.lastIndexOf("::") + 2)}`);
}

/** The same state without them. */
export function withoutPending(deployment: Deployment): Deployment {
    const state = deployment.deployment as Pending;
    return { ...deployment, deployment: { ...state, pending_operations: [] } };
}

/** The origin of a state, as its labels have it; undefined before the first update. */
export function originOf(resources: readonly StateResource[]): string | undefined {
    return resources.find(({ type, urn }) => type === "random:index/randomId:RandomId" && urn?.endsWith("::origin"))
        ?.outputs?.hex as string | undefined;
}

/**
 * Sorts what is on the engine: `foreign` comes from another state; `orphans` come from this one, which lost sight of them
 * when an update was interrupted.
 */
export function sortObjects(
    objects: readonly EngineObject[],
    resources: readonly StateResource[],
): { foreign: EngineObject[]; orphans: EngineObject[] } {
    const ids = new Set(resources.flatMap(({ id }) => (id === undefined ? [] : [id])));
    const unknown = objects.filter(({ id }) => !ids.has(id));
    const origin = originOf(resources);
    return {
        foreign: unknown.filter((object) => object.origin !== origin),
        // A volume is taken over by name with its content, so it is no orphan.
        orphans: unknown.filter((object) => object.origin === origin && object.kind !== "volume"),
    };
}

/** Volumes that this state has and another one made: a plain update takes a volume over by its name. */
export function adoptedVolumes(
    objects: readonly EngineObject[],
    resources: readonly StateResource[],
): readonly EngineObject[] {
    const ids = new Set(resources.map(({ id }) => id));
    const origin = originOf(resources);
    return objects.filter((object) => object.kind === "volume" && ids.has(object.id) && object.origin !== origin);
}

/** Arguments by which docker lists only what carries a stack's labels. */
export function labelled(stackName: string): string[] {
    return [`label=${projectLabel}=${projectName}`, `label=${stackLabel}=${stackName}`].flatMap((filter) => [
        "--filter",
        filter,
    ]);
}

/** Everything on the engine that carries the stack's labels. `variables` hold DOCKER_HOST. */
export async function objectsOf(stackName: string, variables: Record<string, string>): Promise<EngineObject[]> {
    const filters = labelled(stackName);
    const list = async (kind: EngineObject["kind"], args: string[], format: string): Promise<EngineObject[]> => {
        const { stdout } = await execa("docker", [...args, ...filters, "--format", format], { env: variables });
        return stdout
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => {
                const [id = "", name = "", origin = ""] = line.split("\t");
                return { kind, id, name, origin };
            });
    };
    const label = `{{.Label "${originLabel}"}}`;
    return [
        ...(await list("container", ["ps", "--all", "--no-trunc"], `{{.ID}}\t{{.Names}}\t${label}`)),
        ...(await list("network", ["network", "ls", "--no-trunc"], `{{.ID}}\t{{.Name}}\t${label}`)),
        ...(await list("volume", ["volume", "ls"], `{{.Name}}\t{{.Name}}\t${label}`)),
    ];
}

/** Removes containers, then networks. */
export async function removeObjects(
    objects: readonly EngineObject[],
    variables: Record<string, string>,
): Promise<void> {
    const ids = (kind: EngineObject["kind"]) => objects.filter((object) => object.kind === kind).map(({ id }) => id);
    if (ids("container").length > 0) {
        await execa("docker", ["rm", "--force", ...ids("container")], { env: variables });
    }
    for (const network of ids("network")) {
        // Containers that the state knows may still be in it, where a refresh lost sight of the network alone: they get another.
        const names = "{{range .Containers}}{{.Name}} {{end}}";
        const { stdout } = await execa("docker", ["network", "inspect", "--format", names, network], {
            env: variables,
        });
        for (const name of stdout.split(" ").filter((word) => word.trim() !== "")) {
            await execa("docker", ["network", "disconnect", "--force", network, name], { env: variables });
        }
        await execa("docker", ["network", "rm", network], { env: variables });
    }
}
