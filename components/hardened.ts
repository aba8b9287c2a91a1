/**
 * The one place where a description of what runs becomes a `docker.Container`'s arguments and options: the hardening
 * rules hold here for every container, and the Docker provider's traps are cured here and nowhere else.
 *
 * Pure: nothing is registered, so the rules are tested as a table.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** Numeric user and group. Names would resolve on the host that runs Pulumi, not in the image. */
export interface Owner {
    readonly uid: number;
    readonly gid: number;
}

/** A volume or host directory in a container. */
export interface Mount {
    /** Name of the volume, or absolute path of a directory on the engine's host. */
    readonly source: pulumi.Input<string>;
    /** Where it is in the container. */
    readonly path: string;
    /** Defaults to false. */
    readonly readOnly?: boolean;
}

/** A published TCP port. */
export interface PublishedPort {
    /** Port in the container. */
    readonly internal: number;
    /** Port on the engine's host. */
    readonly external: number;
    /** Address on the engine's host, such as 127.0.0.1. */
    readonly address: string;
}

/** A name and its address, as in /etc/hosts. */
export interface HostEntry {
    readonly host: string;
    readonly ip: string;
}

/** The name by which Docker Desktop calls the engine's host from a container. */
const gateway = "host.docker.internal";

/** What makes that name known on every engine, where one of the hosts is called by it (Docker Engine 20.10 and later). */
export function gatewayHosts(hosts: readonly string[]): HostEntry[] {
    return hosts.some((host) => host.toLowerCase() === gateway) ? [{ host: gateway, ip: "host-gateway" }] : [];
}

/** What every container has. */
export interface ContainerDescription {
    /** Image reference that the engine has. */
    readonly image: pulumi.Input<string>;
    /** Labels that say which project and stack it belongs to. */
    readonly labels: Readonly<Record<string, pulumi.Input<string>>>;
    /** Who owns the process and the files that are uploaded. */
    readonly owner: Owner;
    /** Volumes and host directories. */
    readonly mounts: readonly Mount[];
}

/** What runs: a service or a job. */
export interface ProcessDescription extends ContainerDescription {
    /** The program; defaults to the image's. */
    readonly entrypoint?: readonly string[];
    /** Its arguments; defaults to the image's. Never a credential: arguments are visible to the whole host. */
    readonly command?: readonly pulumi.Input<string>[];
    /** Environment. Never a credential: `docker inspect` shows it. */
    readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
    /** Directory → tmpfs mount options. */
    readonly tmpfs: Readonly<Record<string, string>>;
    /** The network, and the names this container answers to on it. */
    readonly network: {
        readonly id: pulumi.Input<string>;
        readonly aliases: readonly string[];
        /** Names that are resolved without DNS. Defaults to none. */
        readonly hosts?: readonly HostEntry[];
        /** Further networks, and the names on each. Defaults to none. */
        readonly others?: readonly { readonly id: pulumi.Input<string>; readonly aliases: readonly string[] }[];
    };
    /** MiB; there is no swap beside it. */
    readonly memory: number;
    /** CPUs, such as 1.5; below 10. */
    readonly cpus: number;
    /** Capabilities that stay, such as CAP_CHOWN. Defaults to none. */
    readonly capabilities?: readonly string[];
    /** MiB of /dev/shm. Defaults to the engine's 64. */
    readonly sharedMemory?: number;
}

/** A long-running container. */
export interface ServiceDescription extends ProcessDescription {
    readonly ports: readonly PublishedPort[];
    /** Probe in exec form, with seconds. */
    readonly health: { readonly command: readonly string[]; readonly interval: number; readonly timeout: number };
    /** Seconds that an update waits for it to be healthy. */
    readonly waitSeconds: number;
    /** Seconds it has to stop by itself. */
    readonly stopSeconds: number;
}

/** A container of images/seed, which is created and never started; it only carries files into a volume. */
export interface SeedDescription extends ContainerDescription {
    /** Absolute path → content; each is written 0400, owned by `owner`. */
    readonly files: Readonly<Record<string, pulumi.Input<string>>>;
}

/** Arguments and options for `new docker.Container`. */
export interface Hardened {
    readonly args: docker.ContainerArgs;
    readonly options: pulumi.CustomResourceOptions;
}

/** Seconds of failed probes before a service counts as unhealthy: an overloaded one that lives should not. */
const unhealthyAfter = 25;

/** Seconds that an update can be told to wait for a service, at most. */
export const longestWait = 7200;

/** Seconds as Go prints a duration: the engine gives healthcheck times back in this form, and any other is a difference on each update. */
export function goDuration(seconds: number): string {
    const h = Math.floor(seconds / 3600);
    const m = Math.floor((seconds % 3600) / 60);
    const s = seconds % 60;
    return `${h > 0 ? `${h}h` : ""}${h > 0 || m > 0 ? `${m}m` : ""}${s}s`;
}

/** CPUs as the provider reads them back: "1.0", "0.5". */
export function cpuText(cpus: number): string {
    return Number.isInteger(cpus) ? cpus.toFixed(1) : String(cpus);
}

function labelArgs(labels: ContainerDescription["labels"]): docker.types.input.ContainerLabel[] {
    return Object.entries(labels)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([label, value]) => ({ label, value }));
}

function volumeArgs(mounts: readonly Mount[]): docker.types.input.ContainerVolume[] {
    return mounts.map(({ source, path, readOnly }) => ({
        // A host path is known while planning; a volume's name may come from a resource and is then never a path.
        ...(typeof source === "string" && source.startsWith("/") ? { hostPath: source } : { volumeName: source }),
        containerPath: path,
        readOnly: readOnly ?? false,
    }));
}

// Rotated, because the engine's default keeps a container's log without bound.
const logging = { logDriver: "json-file", logOpts: { "max-size": "10m", "max-file": "3" } };

/**
 * Options that every container needs:
 * - the provider accepts changes of `healthcheck`, `tmpfs` and `init` and does nothing (terraform-provider-docker #988);
 * - "#initerror" is the engine's mark of a resource whose creation ended in an error: without it, a container that never
 *   became healthy is taken for good by the next update;
 * - a replacement that the engine decides on creates before it deletes, and the old container still has the name and
 *   the ports (pulumi-docker #1356).
 */
const options: pulumi.CustomResourceOptions = {
    deleteBeforeReplace: true,
    replaceOnChanges: ["healthcheck", "tmpfs", "init", "#initerror"],
};

function processArgs(process: ProcessDescription): docker.ContainerArgs {
    return {
        image: process.image,
        ...(process.entrypoint === undefined ? {} : { entrypoints: [...process.entrypoint] }),
        ...(process.command === undefined ? {} : { command: [...process.command] }),
        envs: Object.entries(process.environment)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, value]) => pulumi.interpolate`${name}=${value}`),
        labels: labelArgs(process.labels),
        user: `${process.owner.uid}:${process.owner.gid}`,
        readOnly: true,
        tmpfs: { ...process.tmpfs },
        // Upper case with the prefix, as newer engines normalise it; any other spelling is a difference on each update.
        capabilities: { drops: ["ALL"], adds: [...(process.capabilities ?? [])] },
        securityOpts: ["no-new-privileges"],
        init: true,
        memory: process.memory,
        // Unset, the engine would allow as much swap again, and the provider would see a difference.
        memorySwap: process.memory,
        cpus: cpuText(process.cpus),
        ...(process.sharedMemory === undefined ? {} : { shmSize: process.sharedMemory }),
        volumes: volumeArgs(process.mounts),
        networksAdvanced: [process.network, ...(process.network.others ?? [])].map(({ id, aliases }) => ({
            name: id,
            aliases: [...aliases],
        })),
        ...(process.network.hosts === undefined || process.network.hosts.length === 0
            ? {}
            : { hosts: [...process.network.hosts] }),
        ...logging,
    };
}

/** A long-running container: every rule, a health check that an update waits for, and a restart policy. */
export function hardenedService(service: ServiceDescription): Hardened {
    return {
        args: {
            ...processArgs(service),
            ports: service.ports
                .map(({ internal, external, address }) => ({ internal, external, ip: address }))
                .sort((a, b) => a.internal - b.internal),
            healthcheck: {
                tests: ["CMD", ...service.health.command],
                interval: goDuration(service.health.interval),
                timeout: goDuration(service.health.timeout),
                // A slow start is not a failure: until its first success a service is only waited for, by waitTimeout. The
                // same for all, because another period would replace the container.
                startPeriod: goDuration(longestWait),
                retries: Math.ceil(unhealthyAfter / service.health.interval),
            },
            wait: true,
            waitTimeout: service.waitSeconds,
            restart: "unless-stopped",
            // Deleting sends a kill at once unless this is set.
            destroyGraceSeconds: service.stopSeconds,
            stopTimeout: service.stopSeconds,
        },
        options,
    };
}

/** A container that runs once: every rule but health check, wait and restart. Its exit code and output become outputs. */
export function hardenedJob(job: ProcessDescription): Hardened {
    return {
        args: {
            ...processArgs(job),
            mustRun: false,
            attach: true,
            logs: true,
            restart: "no",
        },
        options,
    };
}

/** A container that never starts. It stays writable, because the engine refuses uploads into a read-only one. */
export function hardenedSeed(seed: SeedDescription): Hardened {
    const { uid, gid } = seed.owner;
    return {
        args: {
            image: seed.image,
            // The engine wants one; the image has no program, so it cannot be started.
            entrypoints: ["/never-started"],
            labels: labelArgs(seed.labels),
            capabilities: { drops: ["ALL"], adds: [] },
            securityOpts: ["no-new-privileges"],
            networkMode: "none",
            start: false,
            mustRun: false,
            restart: "no",
            volumes: volumeArgs(seed.mounts),
            uploads: Object.entries(seed.files)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .map(([file, content]) => ({
                    file,
                    content,
                    permissions: "0400",
                    owner: String(uid),
                    group: String(gid),
                })),
            ...logging,
        },
        options,
    };
}
