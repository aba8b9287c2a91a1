/** Containers of the stack's images that do one thing to the data and are gone. */
import { execa } from "execa";
import { projectName } from "../places.ts";
import type { Say } from "../progress.ts";
import { UserError } from "../userError.ts";

/** A program in a container. */
export interface Job {
    /** What it is called on the engine, behind the stack's name. */
    readonly name: string;
    readonly image: string;
    readonly command: readonly string[];
    /** Name of the network; none where it needs none. */
    readonly network: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly mounts?: readonly { readonly source: string; readonly path: string; readonly readOnly?: boolean }[];
    /** It reads and writes files of others. Defaults to the image's user without capabilities. */
    readonly asRoot?: boolean;
    /** Standard input: where secrets come in. */
    readonly input?: string;
    readonly inputFile?: string;
    /** A file for standard output; it has to be there. */
    readonly outputFile?: string;
}

/** How a job is named on the engine. */
export function jobContainer(stackName: string, name: string): string {
    return `${projectName}-${stackName}-takeover-${name}`;
}

/** Arguments of `docker`. No secret is among them. */
export function jobArguments(stackName: string, job: Job): string[] {
    const [program = "", ...args] = job.command;
    return [
        ...["run", "--rm", "--interactive", "--init", "--name", jobContainer(stackName, job.name)],
        ...["--network", job.network, "--read-only", "--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=64m,mode=1777"],
        ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "2048m", "--memory-swap", "2048m"],
        // Those that let root read, write and give away what belongs to others.
        ...(job.asRoot ? ["--user", "0:0", "--cap-add", "DAC_OVERRIDE", "--cap-add", "CHOWN"] : []),
        // Known on every engine by this name only where it is given (Docker Engine 20.10 and later).
        ...(["none", "host"].includes(job.network) ? [] : ["--add-host", "host.docker.internal:host-gateway"]),
        ...Object.entries(job.environment ?? {}).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
        // Not --volume, which makes a directory that is not there.
        ...(job.mounts ?? []).flatMap(({ source, path, readOnly }) => [
            "--mount",
            [
                source.startsWith("/") ? "type=bind" : "type=volume",
                `"source=${source.replaceAll('"', '""')}"`,
                `target=${path}`,
                ...(readOnly ? ["readonly"] : []),
            ].join(","),
        ]),
        ...["--no-healthcheck", "--entrypoint", program, job.image, ...args],
    ];
}

/** Runs a job; what it says on standard error is its progress. Returns standard output. Throws a UserError with its last line. */
export async function runJob(
    stackName: string,
    job: Job,
    variables: Record<string, string>,
    say: Say,
): Promise<string> {
    const docker = { env: variables, reject: false } as const;
    // One that was interrupted together with its command.
    await execa("docker", ["rm", "--force", jobContainer(stackName, job.name)], docker);
    let last = "";
    const { exitCode, stdout, shortMessage } = await execa("docker", jobArguments(stackName, job), {
        env: variables,
        reject: false,
        ...(job.inputFile === undefined ? { input: job.input ?? "" } : { inputFile: job.inputFile }),
        stdout: job.outputFile === undefined ? "pipe" : { file: job.outputFile },
        stderr: function* (line: unknown) {
            last = String(line);
            say(last);
            yield line;
        },
    });
    if (exitCode !== 0) {
        throw new UserError(
            `${job.name} failed: ${last === "" ? shortMessage : last}`,
            "Mend what it says and run the takeover again. Nothing of the earlier installation was changed.",
        );
    }
    return typeof stdout === "string" ? stdout : "";
}
