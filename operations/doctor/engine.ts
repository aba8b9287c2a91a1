/** The Docker engine: does it answer, is it new enough, can it limit a container, is its storage fit for this. */
import { execa } from "execa";
import { planEngine } from "../engine.ts";
import type { Places } from "../places.ts";
import { stackEngine } from "../stackEngine.ts";
import type { Problem } from "../stackProblems.ts";
import { UserError } from "../userError.ts";
import { type Finding, findingsOf } from "./finding.ts";

/** What is known of an engine that answers. */
export interface EngineFacts {
    /** Address, as DOCKER_HOST has it. */
    readonly host: string;
    readonly version: string;
    /** Of the docker command. */
    readonly clientVersion: string;
    readonly storageDriver: string;
    /** Whether the kernel lets it limit these. */
    readonly limits: Readonly<Record<"memory" | "swap" | "cpu" | "processes", boolean>>;
}

/** An engine, or why there is none. */
export type FoundEngine = EngineFacts | { readonly silent: { readonly what: string; readonly cure: string } };

/** Oldest engine and docker command that this project runs on: README.md, "Start". */
const oldest = [20, 10] as const;

/** Whether a version such as 20.10.24+dfsg1 is at least the oldest. */
export function isSupported(version: string): boolean {
    const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
    return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

export async function engineFacts(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<FoundEngine> {
    try {
        const plan = await planEngine(env, stackEngine(places, stackName, env));
        if (plan.action !== "running") {
            return {
                silent: { what: `no engine answers: ${plan.reason}`, cure: "npm start sets it up and starts it." },
            };
        }
        const docker = async (...args: string[]) =>
            (
                await execa("docker", ["--host", plan.host, ...args], { env: { DOCKER_CONTEXT: undefined } })
            ).stdout.trim();
        const [versions, info] = await Promise.all([
            docker("version", "--format", "{{.Server.Version}} {{.Client.Version}}"),
            docker("info", "--format", "{{json .}}"),
        ]);
        const [version = "", clientVersion = ""] = versions.split(" ");
        const { Driver, MemoryLimit, SwapLimit, CpuCfsQuota, PidsLimit } = JSON.parse(info) as Record<
            string,
            boolean | string
        >;
        return {
            host: plan.host,
            version,
            clientVersion,
            storageDriver: String(Driver),
            limits: {
                memory: MemoryLimit === true,
                swap: SwapLimit === true,
                cpu: CpuCfsQuota === true,
                processes: PidsLimit === true,
            },
        };
    } catch (error) {
        if (error instanceof UserError) {
            return { silent: { what: error.message, cure: error.cure } };
        }
        throw error;
    }
}

export function judgeEngine(facts: FoundEngine): Finding[] {
    if ("silent" in facts) {
        return [{ check: "engine", level: "fault", ...facts.silent }];
    }
    const { host, version, clientVersion, storageDriver, limits } = facts;
    const problems: Problem[] = [];
    const update = "Install a newer one: https://docs.docker.com/engine/install/";
    if (!isSupported(version)) {
        problems.push({ level: "fault", what: `engine ${version} is older than ${oldest.join(".")}`, cure: update });
    }
    if (!isSupported(clientVersion)) {
        const what = `the docker command ${clientVersion} is older than ${oldest.join(".")}`;
        problems.push({ level: "fault", what, cure: update });
    }
    if (!limits.memory || !limits.cpu) {
        const names = [...(limits.memory ? [] : ["memory"]), ...(limits.cpu ? [] : ["CPU"])].join(" and ");
        problems.push({
            level: "fault",
            what: `the engine cannot limit ${names}: a container may take all of the host's`,
            cure: "Give the kernel its cgroup controllers: boot it with cgroup_enable=memory, or run the engine with systemd's delegation.",
        });
    }
    if (!limits.swap || !limits.processes) {
        const names = [...(limits.swap ? [] : ["swap"]), ...(limits.processes ? [] : ["the number of processes"])];
        problems.push({
            level: "warn",
            what: `the engine cannot limit ${names.join(" and ")}`,
            cure: "Boot the kernel with swapaccount=1, or with a cgroup v2 hierarchy.",
        });
    }
    if (["vfs", "devicemapper", "aufs"].includes(storageDriver)) {
        problems.push({
            level: "warn",
            what: `the storage driver is ${storageDriver}: slow, and each container takes room of its own`,
            cure: 'Set "storage-driver": "overlay2" in /etc/docker/daemon.json; the engine then starts without its images and containers.',
        });
    }
    const well = `engine ${version} at ${host}, docker ${clientVersion}, ${storageDriver}, limits work`;
    return findingsOf("engine", problems, well);
}
