/** What the tests ask the Docker engine. */
import { execa } from "execa";
import { runVariable } from "../../../operations/testing/runVariable.ts";
import { runLabel } from "../../../operations/testing/runs.ts";

/** Runs a docker command; returns its standard output. What it makes carries the label of this test run. */
export async function docker(...args: string[]): Promise<string> {
    const run = process.env[runVariable];
    const words = /^(?:run|create|(?:network|volume) create)(?= |$)/.exec(args.join(" "))?.[0].split(" ").length ?? 0;
    const label = run === undefined || words === 0 ? [] : ["--label", `${runLabel}=${run}`];
    return (await execa("docker", [...args.slice(0, words), ...label, ...args.slice(words)])).stdout;
}

/** Lines of a docker command's output. */
export async function dockerLines(...args: string[]): Promise<string[]> {
    return (await docker(...args)).split("\n").filter((line) => line !== "");
}

/** Address of the engine's host on the default bridge. At its very first start an engine says only of which network it is the first. */
export async function bridgeGateway(): Promise<string> {
    const format = "{{with index .IPAM.Config 0}}{{.Gateway}} {{.Subnet}}{{end}}";
    const [gateway = "", subnet = ""] = (await docker("network", "inspect", "bridge", "--format", format)).split(" ");
    return gateway === "" ? subnet.replace(/\.0\/\d+$/, ".1") : gateway;
}

/** What `docker inspect` says of a container, as far as it is read here. */
export interface Inspected {
    readonly Id: string;
    readonly Name: string;
    readonly Created: string;
    readonly Image: string;
    readonly State: { readonly Status: string; readonly Pid: number; readonly Health?: { readonly Status: string } };
    readonly Config: {
        readonly Image: string;
        readonly User: string;
        readonly Env: string[] | null;
        readonly Healthcheck?: { Test: string[]; Retries: number };
    };
    readonly Mounts: readonly { Type: string; Source: string; Destination: string }[];
    readonly HostConfig: {
        readonly ReadonlyRootfs: boolean;
        readonly CapAdd: string[] | null;
        readonly CapDrop: string[] | null;
        readonly SecurityOpt: string[] | null;
        readonly Privileged: boolean;
        readonly Memory: number;
        readonly MemorySwap: number;
        readonly NanoCpus: number;
        readonly Init: boolean | null;
        readonly Tmpfs: Record<string, string> | null;
        readonly NetworkMode: string;
        readonly RestartPolicy: { readonly Name: string };
        readonly LogConfig: { readonly Type: string; readonly Config: Record<string, string> };
        readonly PortBindings: Record<string, { HostIp: string; HostPort: string }[] | null> | null;
    };
}

/** Every container of a stack, running or not. */
export async function containersOf(stack: string): Promise<Inspected[]> {
    const ids = await dockerLines("ps", "--all", "--quiet", "--filter", `label=mlflow-platform.stack=${stack}`);
    return ids.length === 0 ? [] : (JSON.parse(await docker("inspect", ...ids)) as Inspected[]);
}

/** What tells one container from another that took its place. */
export async function identities(stack: string): Promise<string[]> {
    return (await containersOf(stack)).map(({ Name, Id }) => `${Name} ${Id}`).sort();
}

/** One container of a stack by its resource's name. */
export async function container(stack: string, name: string): Promise<Inspected> {
    const [found] = JSON.parse(await docker("inspect", `mlflow-platform-${stack}-${name}`)) as Inspected[];
    if (found === undefined) {
        throw new Error(`no container ${name}`);
    }
    return found;
}

/** The processes of a stack's tracking server, by the host's numbers: the one that supervises, and those that serve. */
export async function serverProcesses(stack: string): Promise<{ supervisor: number; workers: number[] }> {
    const lines = await dockerLines("top", `mlflow-platform-${stack}-mlflow`, "-eo", "pid,ppid,args");
    const parents = new Map(
        lines
            .map((line) => /^\s*(\d+)\s+(\d+)\s.*python -m platform_server$/.exec(line))
            .filter((match) => match !== null)
            .map(([, pid, parent]) => [Number(pid), Number(parent)]),
    );
    const workers = [...parents].filter(([, parent]) => parents.has(parent)).map(([pid]) => pid);
    const [supervisor, ...more] = [...parents.keys()].filter((pid) => !workers.includes(pid));
    if (supervisor === undefined || more.length > 0) {
        throw new Error(`not one server: ${lines.join("\n")}`);
    }
    return { supervisor, workers };
}

/** A file of the tracking server's credentials. */
export function serverFile(stack: string, file: string): Promise<string> {
    return docker("exec", `mlflow-platform-${stack}-mlflow`, "cat", `/run/secrets/platform/${file}`);
}

/** The key that a stack's tracking server has for its bucket. */
export async function bucketKey(stack: string): Promise<{ id: string; secret: string }> {
    const [id = "", secret = ""] = [...(await serverFile(stack, "aws_credentials")).matchAll(/= (.*)$/gm)].map(
        (match) => match[1] ?? "",
    );
    return { id, secret };
}

/** What tells a stack's data volumes from others that took their place. */
export async function dataVolumes(stack: string, ...more: string[]): Promise<string[]> {
    const labelled = ["--filter", `label=mlflow-platform.stack=${stack}`];
    const names = (await dockerLines("volume", "ls", "--quiet", ...labelled)).filter((name) => name.endsWith("_data"));
    // Without minioVolumePath there are three.
    if (names.length < 2) {
        throw new Error(`stack ${stack} has no other data volumes than these: ${names.join(", ")}`);
    }
    const further = more.map((name) => `mlflow-platform-${stack}-${name}`);
    return dockerLines("volume", "inspect", "--format", "{{.Name}} {{.CreatedAt}}", ...names, ...further);
}

/** The long-running containers of every stack without a gateway. */
export const services = ["mlflow", "minio", "postgres"] as const;

/** Waits until all services of a stack are healthy. */
export async function healthy(stack: string, seconds = 180): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
        const states = await Promise.all(services.map(async (name) => (await container(stack, name)).State));
        if (states.every((state) => state.Health?.Status === "healthy" && state.Status === "running")) {
            return;
        }
        if (Date.now() > deadline) {
            throw new Error(`not healthy: ${JSON.stringify(states)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
    }
}

/** Runs SQL as the superuser inside a stack's PostgreSQL; returns the rows, columns separated by `|`. */
export async function sql(stack: string, statement: string, database = "mlflow"): Promise<string[]> {
    return dockerLines(
        "exec",
        `mlflow-platform-${stack}-postgres`,
        "psql",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--username=postgres",
        `--dbname=${database}`,
        "--command",
        statement,
    );
}
