/** The docker command, on the engine that the provider goes by. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** How a docker command ended. */
export interface DockerAnswer {
    readonly ok: boolean;
    readonly stdout: string;
    readonly stderr: string;
}

/** Arguments that name an engine; without one it is the default socket, because the provider does not go by docker's current context. */
export function engineArguments(engine: string | undefined): string[] {
    return engine ? ["--host", engine] : ["--context", "default"];
}

/** Bytes; what `docker inspect` says of hundreds of containers is more than execFile takes by itself. */
const maxBuffer = 64 * 2 ** 20;

/** Runs a docker command on an engine, to its end. `ok` is false where there is no docker command or no engine, too. */
export async function runDocker(engine: string | undefined, args: readonly string[]): Promise<DockerAnswer> {
    try {
        return {
            ok: true,
            ...(await promisify(execFile)("docker", [...engineArguments(engine), ...args], { maxBuffer })),
        };
    } catch (error) {
        const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
        return { ok: false, stdout, stderr };
    }
}

/** What a docker command prints; undefined where there is no docker command, no engine, or not what it asks for. */
export async function docker(engine: string | undefined, ...args: string[]): Promise<string | undefined> {
    const { ok, stdout } = await runDocker(engine, args);
    return ok ? stdout.trim() : undefined;
}
