/** A stack's containers as the engine shows them, in the words of this project: services, jobs, and what carries files. */
import { execa } from "execa";
import { originLabel } from "../components/labels.ts";
import { labelled } from "./engineObjects.ts";
import { projectName } from "./places.ts";

/** A published port of a container. */
export interface PublishedAddress {
    readonly address: string;
    readonly port: number;
}

/** Something that is mounted into a container. */
export interface ContainerMount {
    /** Name of the volume, or directory on the engine's host. */
    readonly source: string;
    readonly kind: "volume" | "directory";
    /** Where it is in the container. */
    readonly path: string;
}

/** One container of a stack. */
export interface StackContainer {
    /** Name without project and stack, such as `mlflow`. */
    readonly name: string;
    /** Name on the engine. */
    readonly container: string;
    readonly id: string;
    /** Which state made it: value of the label. */
    readonly origin: string;
    /** `service`: runs for good. `job`: has run once, or runs. `seed`: never started, it carried files. */
    readonly kind: "service" | "job" | "seed";
    /** As the engine has it: running, exited, restarting, paused, created, dead. */
    readonly state: string;
    /** What the health check says; `none` where it has not run or does not any more. */
    readonly health: "healthy" | "unhealthy" | "starting" | "none";
    /**
     * ISO 8601. Since when it is so: of a service that is unhealthy about when the first failed check began, of what has ended
     * its end, else its start. null: never started.
     */
    readonly since: string | null;
    /** How often the engine has started it again since it was made. */
    readonly restarts: number;
    /** Of what has ended. */
    readonly exitCode: number | null;
    /** Whether it (or its last run) was ended because it wanted more memory than its limit. */
    readonly outOfMemory: boolean;
    /** Reference of its image. */
    readonly image: string;
    /** What the image says it is. */
    readonly imageVersion: string | null;
    /** What the last health check printed, where it failed. */
    readonly healthOutput: string | null;
    readonly published: readonly PublishedAddress[];
    /** Bytes; null is no limit. */
    readonly memoryLimit: number | null;
    readonly mounts: readonly ContainerMount[];
}

/** What `docker inspect` says of a container, as far as it is read here. */
export interface Inspected {
    readonly Id: string;
    readonly Name: string;
    readonly RestartCount: number;
    readonly State: {
        readonly Status: string;
        readonly OOMKilled: boolean;
        readonly ExitCode: number;
        readonly StartedAt: string;
        readonly FinishedAt: string;
        readonly Health?: {
            readonly Status: string;
            readonly FailingStreak: number;
            readonly Log: readonly { Start: string; ExitCode: number; Output: string }[] | null;
        };
    };
    readonly Config: {
        readonly Image: string;
        readonly Labels: Readonly<Record<string, string>> | null;
        /** Nanoseconds. */
        readonly Healthcheck?: { readonly Interval?: number };
    };
    readonly HostConfig: {
        readonly Memory: number;
        readonly RestartPolicy: { readonly Name: string };
        readonly PortBindings: Readonly<Record<string, { HostIp: string; HostPort: string }[] | null>> | null;
    };
    readonly Mounts: readonly { Type: string; Name?: string; Source: string; Destination: string }[];
}

/** Go's zero time. */
const never = "0001-01-01T00:00:00Z";

/** About when the first of the failed health checks in a row began; the engine keeps the last five. */
function failingSince({ FailingStreak: streak, Log }: NonNullable<Inspected["State"]["Health"]>, interval: number) {
    const log = Log ?? [];
    const kept = log.slice(-streak);
    const first = kept[0];
    if (first === undefined) {
        return undefined;
    }
    return new Date(new Date(first.Start).getTime() - (streak - kept.length) * interval).toISOString();
}

/** What the engine says of a container of this stack, in this project's words. */
export function containerOf(stackName: string, inspected: Inspected): StackContainer {
    const { Id, Name, State, Config, HostConfig, Mounts } = inspected;
    const container = Name.replace(/^\//, "");
    const ran = State.StartedAt !== never;
    const kind = HostConfig.RestartPolicy.Name === "unless-stopped" ? "service" : ran ? "job" : "seed";
    const runs = ["running", "paused"].includes(State.Status);
    const health = runs ? State.Health : undefined;
    const unhealthy = health?.Status === "unhealthy" ? health : undefined;
    const last = State.Health?.Log?.at(-1);
    const interval = (Config.Healthcheck?.Interval ?? 0) / 1e6;
    const plain = runs || State.FinishedAt === never ? State.StartedAt : State.FinishedAt;
    return {
        name: container.replace(`${projectName}-${stackName}-`, ""),
        container,
        id: Id,
        origin: Config.Labels?.[originLabel] ?? "",
        kind,
        state: State.Status,
        health: (health?.Status ?? "none") as StackContainer["health"],
        since: (unhealthy && failingSince(unhealthy, interval)) ?? (ran ? plain : null),
        restarts: inspected.RestartCount,
        exitCode: runs || !ran ? null : State.ExitCode,
        outOfMemory: State.OOMKilled,
        image: Config.Image,
        imageVersion: Config.Labels?.["org.opencontainers.image.version"] ?? null,
        healthOutput:
            kind === "service" && last !== undefined && last.ExitCode !== 0 ? last.Output.trim().slice(0, 500) : null,
        published: Object.values(HostConfig.PortBindings ?? {})
            .flatMap((bindings) => bindings ?? [])
            .map(({ HostIp, HostPort }) => ({ address: HostIp, port: Number(HostPort) }))
            .sort((a, b) => a.port - b.port),
        memoryLimit: HostConfig.Memory === 0 ? null : HostConfig.Memory,
        mounts: Mounts.map(({ Type, Name: volume, Source, Destination }) => ({
            source: Type === "volume" ? (volume ?? Source) : Source,
            kind: Type === "volume" ? "volume" : "directory",
            path: Destination,
        })),
    };
}

/** Every container of a stack, by name. */
export async function containersOf(stackName: string, variables: Record<string, string>): Promise<StackContainer[]> {
    const env = { env: variables };
    const { stdout: ids } = await execa("docker", ["ps", "--all", "--quiet", ...labelled(stackName)], env);
    if (ids.trim() === "") {
        return [];
    }
    // One that goes in between is left out.
    const { stdout } = await execa("docker", ["inspect", "--type", "container", ...ids.split("\n")], {
        ...env,
        reject: false,
    });
    return (JSON.parse(stdout === "" ? "[]" : stdout) as Inspected[])
        .map((inspected) => containerOf(stackName, inspected))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
}
