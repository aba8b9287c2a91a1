/** How a stack is: everything that `npm run status` shows, gathered without changing anything. */
import { execa } from "execa";
import type { Configuration } from "../../config.ts";
import type { JobRecord } from "../../components/job.ts";
import { type StackContainer, containersOf } from "../containers.ts";
import { type Disk, bytesOf, disksOf, volumeSizes } from "./disk.ts";
import { originOf, outputsOf, resourcesOf } from "../engineObjects.ts";
import { type Expiry, expiryOf, gatewayExpiry } from "./expiry.ts";
import { type Lock, locksOf } from "../lock.ts";
import { type ServedModelState, servedModelStates } from "../servedModel.ts";
import { settingsOf } from "../stackCheck.ts";
import type { Problem, StackState } from "../stackProblems.ts";
import type { ReadStack } from "../workspace.ts";

/** A service, and what runs in it. */
export interface ServiceStatus {
    readonly name: string;
    /** As the engine has it: running, exited, restarting, paused, created, dead; `missing` where it should be there and is not. */
    readonly state: string;
    /** What the health check says; `none` where it does not run. */
    readonly health: StackContainer["health"];
    /** ISO 8601: since when it is so. */
    readonly since: string | null;
    /** Restarts by the engine. */
    readonly restarts: number;
    /** Whether it was ended for want of memory. */
    readonly outOfMemory: boolean;
    /** What its last health check printed, where that failed. */
    readonly healthOutput: string | null;
    /** Of the software in it, by its own word, else by its image's. */
    readonly version: string | null;
    readonly image: string | null;
    /** Such as 127.0.0.1:5000. */
    readonly published: readonly string[];
    /** Bytes. */
    readonly memoryUsed: number | null;
    /** Bytes; null is no limit. */
    readonly memoryLimit: number | null;
}

/** A job, and how its last run ended. */
export interface JobStatus {
    readonly name: string;
    readonly state: "succeeded" | "failed" | "running";
    readonly exitCode: number | null;
    /** ISO 8601: its end. null where its container is gone and only the record is left. */
    readonly since: string | null;
}

/** Everything that is known of a stack; this is also what `--json` prints. */
export interface StackStatus {
    readonly stack: string;
    readonly state: StackState;
    readonly problems: readonly Problem[];
    readonly services: readonly ServiceStatus[];
    readonly jobs: readonly JobStatus[];
    readonly models: readonly ServedModelState[];
    /** What answers where, for clients. */
    readonly addresses: readonly { readonly name: string; readonly url: string }[];
    readonly disks: readonly Disk[];
    /** Data volumes; bytes, null where the engine does not say. */
    readonly volumes: readonly { readonly name: string; readonly size: number | null; readonly there: boolean }[];
    readonly certificates: readonly Expiry[];
}

/** What the problems of a stack are told from. */
export interface StackFacts extends Omit<StackStatus, "state" | "problems"> {
    /** Whether the state has any container of it. */
    readonly up: boolean;
    /** Containers under its name that another state made. */
    readonly foreign: readonly string[];
    /** Who holds its lock. */
    readonly locks: readonly Lock[];
    /** What is wrong with its configuration. */
    readonly configurationProblems: readonly string[];
}

/** Services that a configuration asks for. */
export function expectedServices(c: Partial<Configuration>): string[] {
    return [
        ...(c.publicHost === undefined ? [] : ["gateway"]),
        "mlflow",
        ...(c.minioHost === undefined ? ["minio"] : []),
        ...(c.modelServers ?? []).flatMap(({ name, monitorSchedule }) => [
            `model-${name}`,
            ...(monitorSchedule === undefined ? [] : [`model-${name}-monitor`]),
        ]),
        ...(c.pgHost === undefined ? ["postgres"] : []),
    ];
}

/** How each program says its version, and where in its words that is. */
const versionCommands: Readonly<Record<string, { command: readonly string[]; version: RegExp }>> = {
    mlflow: {
        command: ["/opt/mlflow/bin/python", "-c", "import importlib.metadata as m; print(m.version('mlflow'))"],
        version: /^(\S+)$/m,
    },
    postgres: { command: ["postgres", "--version"], version: /\(PostgreSQL\) (\S+)/ },
    minio: { command: ["minio", "--version"], version: /version (\S+)/ },
    gateway: { command: ["caddy", "version"], version: /^v?(\S+)/m },
};

async function versionOf(service: StackContainer, variables: Record<string, string>): Promise<string | null> {
    const asked = service.state === "running" ? versionCommands[service.name] : undefined;
    if (asked === undefined) {
        return service.imageVersion;
    }
    const { exitCode, stdout } = await execa("docker", ["exec", service.container, ...asked.command], {
        env: variables,
        reject: false,
        timeout: 20_000,
    });
    const said = exitCode === 0 ? asked.version.exec(stdout)?.[1] : undefined;
    // Built without its release's stamp MinIO says DEVELOPMENT.…, and its image knows better.
    return said === undefined || said.startsWith("DEVELOPMENT") ? service.imageVersion : said;
}

/** Memory that containers use, in bytes, by id. The engine measures for about two seconds. */
async function memoryUsed(
    containers: readonly StackContainer[],
    variables: Record<string, string>,
): Promise<ReadonlyMap<string, number | null>> {
    if (containers.length === 0) {
        return new Map();
    }
    const { stdout } = await execa(
        "docker",
        ["stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}\t{{.MemUsage}}", ...containers.map(({ id }) => id)],
        { env: variables, reject: false, timeout: 30_000 },
    );
    return new Map(
        stdout.split("\n").map((line) => {
            const [id = "", usage = ""] = line.split("\t");
            return [id, bytesOf(usage.split("/")[0] ?? "")];
        }),
    );
}

function jobsOf(containers: readonly StackContainer[], records: Readonly<Record<string, JobRecord>>): JobStatus[] {
    const made = containers.filter(({ kind }) => kind === "job");
    const names = [...new Set([...made.map(({ name }) => name), ...Object.keys(records)])].sort();
    return names.map((name) => {
        const container = made.find((job) => job.name === name);
        const exitCode = container === undefined ? (records[name]?.exitCode ?? null) : container.exitCode;
        return {
            name,
            state: exitCode === null ? "running" : exitCode === 0 ? "succeeded" : "failed",
            exitCode,
            since: container?.since ?? null,
        };
    });
}

/** What answers where, of a stack's outputs. */
function addressesOf(outputs: Readonly<Record<string, unknown>>): { name: string; url: string }[] {
    const known: [string, unknown][] = [
        ["MLflow", outputs.trackingUri],
        ["S3", outputs.minioEndpoint],
        ["MinIO console", outputs.minioConsoleUrl],
        ...Object.entries((outputs.modelServerUrls ?? {}) as Record<string, string>).map(
            ([name, url]): [string, string] => [`Model ${name}`, url],
        ),
    ];
    return known.flatMap(([name, url]) => (typeof url === "string" ? [{ name, url }] : []));
}

/** Names of the volumes that a stack's state has for data. */
export function dataVolumesOf(resources: ReturnType<typeof resourcesOf>): string[] {
    return resources
        .filter(({ type, urn = "" }) => type === "docker:index/volume:Volume" && urn.includes(":index:Volume$"))
        .flatMap(({ id }) => id ?? [])
        .sort();
}

async function volumesOnEngine(variables: Record<string, string>): Promise<Set<string>> {
    const { stdout } = await execa("docker", ["volume", "ls", "--quiet"], { env: variables });
    return new Set(stdout.split("\n"));
}

/** Gathers everything about a stack. `brief` leaves out what takes time and one line has no room for. */
export async function stackFacts(
    stack: ReadStack,
    variables: Record<string, string>,
    brief = false,
): Promise<StackFacts> {
    const exported = stack.exportStack();
    const [deployment, { value: configuration, problems }, all] = await Promise.all([
        exported,
        settingsOf(stack, variables, exported),
        containersOf(stack.name, variables),
    ]);
    const resources = resourcesOf(deployment);
    const origin = originOf(resources);
    const outputs = outputsOf(resources);
    const own = all.filter((container) => container.origin === origin);
    const running = own.filter(({ kind, state }) => kind === "service" && state === "running");
    const names = dataVolumesOf(resources);
    const [versions, used, models, disks, sizes, there, gateway] = await Promise.all([
        Promise.all(
            own.map(async (container) => [container.id, brief ? null : await versionOf(container, variables)] as const),
        ),
        brief ? new Map<string, number>() : memoryUsed(running, variables),
        brief || running.length === 0 ? [] : servedModelStates(stack.name, configuration, variables),
        brief ? [] : disksOf(own, configuration.minioVolumePath, variables),
        brief ? new Map<string, number>() : volumeSizes(variables),
        volumesOnEngine(variables),
        brief || !running.some(({ name }) => name === "gateway")
            ? undefined
            : gatewayExpiry(configuration, variables.DOCKER_HOST),
    ]);
    const version = new Map(versions);
    const services = own
        .filter(({ kind }) => kind === "service")
        .map((container): ServiceStatus => {
            const { name, state, health, since, restarts, outOfMemory, healthOutput, image, memoryLimit } = container;
            return {
                ...{ name, state, health, since, restarts, outOfMemory, healthOutput },
                version: version.get(container.id) ?? null,
                image,
                published: container.published.map(({ address, port }) => `${address}:${port}`),
                memoryUsed: used.get(container.id) ?? null,
                memoryLimit,
            };
        });
    const up = resources.some(({ type }) => type === "docker:index/container:Container");
    const missing = (up || services.length > 0 ? expectedServices(configuration) : [])
        .filter((name) => !services.some((service) => service.name === name))
        .map((name): ServiceStatus => ({
            ...{ name, state: "missing", health: "none", since: null, restarts: 0, outOfMemory: false },
            ...{ healthOutput: null, version: null, image: null, published: [], memoryUsed: null, memoryLimit: null },
        }));
    const { caCertificate } = outputs;
    const authority =
        typeof caCertificate === "string" ? expiryOf("the stack's authority", "authority", caCertificate) : undefined;
    return {
        stack: stack.name,
        up,
        foreign: all.filter((container) => container.origin !== origin).map(({ container }) => container),
        locks: locksOf(variables.PULUMI_BACKEND_URL ?? "", stack.name),
        configurationProblems: problems,
        services: [...services, ...missing].sort((a, b) => (a.name < b.name ? -1 : 1)),
        jobs: jobsOf(own, (outputs.jobs ?? {}) as Record<string, JobRecord>),
        models,
        addresses: addressesOf(outputs),
        disks,
        volumes: names.map((name) => ({ name, size: sizes.get(name) ?? null, there: there.has(name) })),
        certificates: [gateway, authority].filter((some) => some !== undefined),
    };
}
