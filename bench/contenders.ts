/** Those that `npm run bench -- start` compares: this project, Compose files with the same services, and an empty program. */
import { randomBytes } from "node:crypto";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { buildTag, builds } from "../components/image.ts";
import { keys } from "../config.ts";
import { isTaken } from "../localHost.ts";
import { projectName } from "../operations/places.ts";
import { proposePorts } from "../operations/stacks/stackWishes.ts";
import { UserError } from "../operations/userError.ts";
import { run } from "./command.ts";
import type { ComposeCommand } from "./composeCommand.ts";
import type { ProjectCopy } from "./projectCopy.ts";
import type { Contender } from "./rounds.ts";

/** What is measured. */
export const coldStart = "cold start";
export const update = "update";
export const preview = "preview";
export const start = "npm start";
export const status = "status";
export const help = "help";

const address = "127.0.0.1";

/** Settings of a stack like dev, on ports that nobody has. Throws a UserError where there are none. */
async function settings() {
    // Far from what is usual, and below those that a system gives to outgoing connections.
    const first = { mlflowPort: "15500", minioPort: "15501", minioConsoleAddress: ":15502" };
    const ports = await proposePorts(first, new Set(), async (port) => !(await isTaken(port, address)));
    if (ports === undefined) {
        throw new UserError(`No three ports are free on ${address}.`, "End something that listens there.");
    }
    const [mlflowPort, minioPort, console] = ports;
    return {
        ...{ bindAddress: address, mlflowAuth: "false" },
        ...{ mlflowPort, minioPort, minioConsoleAddress: `:${console}` },
    };
}

const updating = ["up", "--yes", "--skip-preview"];

/** This project: a stack like dev, new in each round. */
export function platform(copy: ProjectCopy, stack: string): Contender {
    const named = ["--stack", stack];
    const inWords = (...args: string[]) => ["pulumi", ...args].join(" ");
    return {
        name: projectName,
        prepare: async () => copy.makeStack(stack, await settings()),
        measurements: [
            { what: coldStart, command: inWords(...updating), run: () => copy.pulumi(...updating, ...named) },
            {
                what: preview,
                command: inWords("preview"),
                settled: true,
                run: () => copy.pulumi("preview", "--expect-no-changes", ...named),
            },
            {
                what: update,
                command: inWords(...updating),
                run: () => copy.pulumi(...updating, "--expect-no-changes", ...named),
            },
            { what: start, command: "npm start", run: () => copy.npm("start", "--", ...named) },
            { what: status, command: "npm run status", run: () => copy.npm("run", "status", "--", ...named) },
            {
                what: help,
                command: "npm run status -- --help",
                run: () => copy.npm("run", "status", "--", "--help"),
            },
        ],
        remove: () => copy.removeStack(stack),
    };
}

/** The same SDK, CLI, language host and loader with nothing to manage: the floor of every preview and update. */
export function emptyProgram(copy: ProjectCopy, stack: string): Contender {
    const named = ["--stack", stack];
    return {
        name: "empty program",
        prepare: async () => {
            cpSync(join(import.meta.dirname, "emptyProgram.ts"), join(copy.places.project, "index.ts"));
            await copy.makeStack(stack, {});
            await copy.pulumi(...updating, ...named);
        },
        measurements: [
            {
                what: preview,
                command: "pulumi preview",
                run: () => copy.pulumi("preview", "--expect-no-changes", ...named),
            },
            {
                what: update,
                command: `pulumi ${updating.join(" ")}`,
                run: () => copy.pulumi(...updating, "--expect-no-changes", ...named),
            },
        ],
        remove: () => copy.removeStack(stack),
    };
}

/** Compose files of bench/compose/, with images that this project built from `baseImage`. */
export function composePeer(opts: {
    readonly name: string;
    readonly files: readonly string[];
    /** Name of the Compose project: lower-case letters, digits and hyphens. */
    readonly project: string;
    readonly compose: ComposeCommand;
    readonly baseImage: string | undefined;
    readonly env: NodeJS.ProcessEnv;
}): Contender {
    const cwd = join(import.meta.dirname, "compose");
    const [program, ...first] = opts.compose;
    const files = opts.files.flatMap((file) => ["--file", file]);
    const tag = (image: "postgres" | "minio" | "mlflow") => buildTag(image, builds[image], opts.baseImage).tag;
    const images = { POSTGRES_IMAGE: tag("postgres"), MINIO_IMAGE: tag("minio"), MLFLOW_IMAGE: tag("mlflow") };
    const password = randomBytes(16).toString("hex");
    const variables: Record<string, string> = {
        ...images,
        PASSWORD: password,
        WORKERS: keys.mlflowWorkers.default,
    };
    const compose = (args: readonly string[], clearsUp = false) =>
        run(program, [...first, "--project-name", opts.project, ...files, ...args], {
            cwd,
            env: { ...opts.env, ...variables },
            clearsUp,
        });
    const up = () => compose(["up", "--detach", "--wait"]);
    const command = "docker compose up -d --wait";
    return {
        name: opts.name,
        prepare: async () => {
            const { mlflowPort, minioPort, minioConsoleAddress } = await settings();
            variables.MLFLOW_PORT = mlflowPort;
            variables.MINIO_PORT = minioPort;
            variables.CONSOLE_PORT = minioConsoleAddress.slice(1);
        },
        measurements: [
            { what: coldStart, command, run: up },
            { what: update, command, settled: true, run: up },
        ],
        remove: () => compose(["down", "--volumes", "--timeout", "0"], true),
    };
}
