/** The Docker engine: found, or installed and started where that is possible. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { Places } from "./places.ts";
import type { Say } from "./progress.ts";
import { runVariable } from "./testing/runVariable.ts";
import { UserError } from "./userError.ts";

/** What is there, and what would be done about it. */
export interface EnginePlan {
    /** `running`: used as it is. `start`: its program is there. `install`: from the distribution's packages, then start. */
    readonly action: "running" | "start" | "install";
    /** Address, as DOCKER_HOST has it. */
    readonly host: string;
    readonly reason: string;
}

const defaultHost = "unix:///var/run/docker.sock";
const packages = ["docker.io", "containerd", "runc", "iptables"];

async function onPath(program: string): Promise<boolean> {
    return (await execa("sh", ["-c", `command -v ${program}`], { reject: false })).exitCode === 0;
}

/** Asks the engine for its version. Returns the version, or the error's text. */
async function answer(host: string): Promise<{ version: string } | { error: string }> {
    const result = await execa("docker", ["--host", host, "version", "--format", "{{.Server.Version}}"], {
        reject: false,
        timeout: 20_000,
        env: { DOCKER_CONTEXT: undefined },
    });
    return result.exitCode === 0
        ? { version: result.stdout.trim() }
        : { error: result.stderr.trim() || String(result.shortMessage) };
}

/** The engine's address: the stack's own, else DOCKER_HOST, else that of the docker command's context, else the default socket. */
async function engineAddress(env: NodeJS.ProcessEnv, named?: string): Promise<{ host: string; from: string }> {
    if (named !== undefined) {
        return { host: named, from: "docker:host of the stack's configuration" };
    }
    if (env.DOCKER_HOST) {
        return { host: env.DOCKER_HOST, from: "DOCKER_HOST" };
    }
    const context = await execa("docker", ["context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}"], {
        reject: false,
    });
    const [name, host] = context.exitCode === 0 ? context.stdout.trim().split(" ") : [];
    return name === undefined || host === undefined || name === "default"
        ? { host: defaultHost, from: "the default socket" }
        : { host, from: `docker context ${name}` };
}

function distribution(): string | undefined {
    const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
    const id = /^ID=(.*)$/m.exec(release)?.[1]?.replaceAll('"', "");
    return id === "debian" || id === "ubuntu" ? id : undefined;
}

const isRoot = () => process.getuid?.() === 0;

/**
 * Looks without changing anything, at the engine that a stack names for itself if it does. Throws a UserError where no engine can
 * be had.
 */
export async function planEngine(env: NodeJS.ProcessEnv, named?: string): Promise<EnginePlan> {
    const installable = distribution() !== undefined && isRoot();
    const installWith =
        distribution() === undefined
            ? "Install Docker Engine or Docker Desktop (https://docs.docker.com/engine/install/), start it, and run this again."
            : `Run as root: apt-get install --no-install-recommends ${packages.join(" ")}\nor run this again as root, which offers to do it.`;
    if (!(await onPath("docker"))) {
        if (installable) {
            return { action: "install", host: named ?? defaultHost, reason: "there is no docker command" };
        }
        throw new UserError("There is no Docker here: no docker command on the PATH.", installWith);
    }
    const { host, from } = await engineAddress(env, named);
    const state = await answer(host);
    if ("version" in state) {
        return { action: "running", host, reason: `engine ${state.version} answers at ${host} (${from})` };
    }
    if (host.startsWith("unix:") && /permission denied/i.test(state.error)) {
        throw new UserError(
            `The Docker engine's socket ${host} refuses this user.`,
            "Add the user to the docker group and log in again:\n  sudo usermod -aG docker $USER",
        );
    }
    if (host !== defaultHost) {
        throw new UserError(
            `The Docker engine at ${host} (${from}) does not answer: ${state.error}`,
            host.startsWith("ssh:")
                ? "Mend it until this answers: docker --host " +
                      `${host} version\nssh takes keys and known hosts from its agent and from ~/.ssh (docs/remote-engine.md).`
                : "Start it, or point DOCKER_HOST (or docker context use) at one that runs.",
        );
    }
    if (await onPath("dockerd")) {
        if (isRoot()) {
            return { action: "start", host, reason: "dockerd is installed and does not run" };
        }
        throw new UserError("The Docker engine does not run.", "Start it: sudo systemctl start docker");
    }
    if (installable) {
        return { action: "install", host, reason: "there is no Docker engine" };
    }
    throw new UserError(`No Docker engine answers at ${host}.`, installWith);
}

/** Makes the plan true. */
export async function provideEngine(plan: EnginePlan, places: Places, say: Say): Promise<void> {
    if (plan.action === "install") {
        await installEngine(say);
    }
    if (plan.action !== "running" && "error" in (await answer(plan.host))) {
        await startEngine(plan.host, places, say);
    }
}

/** Installs Debian packages. Throws a UserError with apt's last lines. */
export async function installPackages(names: readonly string[], say: Say): Promise<void> {
    const apt = (...args: string[]) =>
        execa("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
            env: { DEBIAN_FRONTEND: "noninteractive" },
            all: true,
            reject: false,
            // A terminal's Ctrl-C must not leave packages half configured.
            detached: true,
        });
    say(`installing ${names.join(", ")} with apt-get`);
    let result = await apt("install", "-y", "--no-install-recommends", ...names);
    if (result.exitCode !== 0) {
        say("refreshing apt's package lists");
        await apt("update");
        say(`installing ${names.join(", ")} with apt-get`);
        result = await apt("install", "-y", "--no-install-recommends", ...names);
    }
    if (result.exitCode !== 0) {
        throw new UserError(
            `apt-get could not install ${names.join(" ")}:\n${result.all.split("\n").slice(-8).join("\n")}`,
            "Mend what it says (apt-get -f install, dpkg --configure -a) and run this again.",
        );
    }
}

async function installEngine(say: Say): Promise<void> {
    await installPackages(packages, say);
}

/** The engine's log, where this project started it. */
function engineLog(places: Places): string {
    return join(places.state, "dockerd.log");
}

/** The engine's process id, where this project started it. */
export function enginePidFile(places: Places): string {
    return join(places.state, "dockerd.pid");
}

/** Starts the engine, by systemd where it runs, and waits until it answers. */
export async function startEngine(host: string, places: Places, say: Say): Promise<void> {
    say("starting the Docker engine");
    if (existsSync("/run/systemd/system")) {
        await execa("systemctl", ["start", "docker"], { reject: false });
    } else {
        mkdirSync(places.state, { recursive: true, mode: 0o700 });
        const log = openSync(engineLog(places), "a");
        // In a session of its own: it outlives this command.
        const engine = spawn("dockerd", [], {
            detached: true,
            stdio: ["ignore", log, log],
            // A test run ends whatever has its mark, and removes its temporary directory; the engine outlives it.
            env:
                process.env[runVariable] === undefined
                    ? process.env
                    : { ...process.env, [runVariable]: undefined, TMPDIR: undefined },
        });
        engine.unref();
        writeFileSync(enginePidFile(places), String(engine.pid));
    }
    let last = "";
    for (let second = 0; second < 60; second += 1) {
        const state = await answer(host);
        if ("version" in state) {
            return;
        }
        last = state.error;
        say(`waiting for the Docker engine, ${second} s so far`);
        await sleep(1000);
    }
    const log = existsSync(engineLog(places))
        ? readFileSync(engineLog(places), "utf8").split("\n").slice(-6).join("\n")
        : "";
    throw new UserError(
        `The Docker engine does not start: ${last}\n${log}`,
        `See ${existsSync("/run/systemd/system") ? "journalctl -u docker" : engineLog(places)}, mend what it says, and run this again.`,
    );
}
