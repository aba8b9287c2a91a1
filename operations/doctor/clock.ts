/** Clocks: the engine's against this host's, and this host's against what the platform answers. S3's signatures are of a time. */
import { execa } from "execa";
import { fetch } from "undici";
import type { Problem } from "../stackProblems.ts";
import { type Finding, findingsOf } from "./finding.ts";

/** Who is asked for the time. */
export interface TimeSource {
    /** Milliseconds since 1970. */
    readonly now: () => number;
    /** RFC 3339; undefined where it does not say. Containers have the same clock. */
    readonly engine: () => Promise<string | undefined>;
    /** Of an HTTP answer, whole seconds; undefined where nothing answers. */
    readonly answer: () => Promise<string | undefined>;
}

/** Milliseconds that another clock is ahead of this host's; what the question itself took is uncertain. */
export interface Drift {
    readonly engine: number | undefined;
    readonly answer: number | undefined;
}

/** The sources of a stack: its engine, and MLflow or the gateway at an address. */
export function sourcesOf(trackingUri: string | undefined, variables: Record<string, string>): TimeSource {
    return {
        now: Date.now,
        engine: async () => {
            const { exitCode, stdout } = await execa("docker", ["info", "--format", "{{.SystemTime}}"], {
                env: variables,
                reject: false,
            });
            return exitCode === 0 ? stdout.trim() : undefined;
        },
        answer: async () => {
            if (trackingUri?.startsWith("http:") !== true) {
                return undefined;
            }
            try {
                const { headers } = await fetch(trackingUri, { method: "HEAD", signal: AbortSignal.timeout(5000) });
                return headers.get("date") ?? undefined;
            } catch {
                return undefined;
            }
        },
    };
}

/** The drift of one clock: zero while its time lies between question and answer. */
async function driftOf(now: () => number, ask: () => Promise<string | undefined>, grain: number) {
    const before = now();
    const text = await ask();
    const after = now();
    const time = text === undefined ? Number.NaN : new Date(text).getTime();
    if (Number.isNaN(time)) {
        return undefined;
    }
    return time + grain < before ? time + grain - before : time > after ? time - after : 0;
}

export async function clockFacts({ now, engine, answer }: TimeSource): Promise<Drift> {
    return { engine: await driftOf(now, engine, 0), answer: await driftOf(now, answer, 1000) };
}

/** Seconds from which on it is told, and from which on things fail: S3 refuses what is 15 minutes off, TLS what is not yet valid. */
const limits = { warn: 5, fault: 120 };

export function judgeClock(drift: Drift): Finding[] {
    const words = { engine: "the engine's clock", answer: "the clock of what answers for MLflow" };
    const problems = (["engine", "answer"] as const).flatMap((which): Problem[] => {
        const seconds = (drift[which] ?? 0) / 1000;
        return Math.abs(seconds) < limits.warn
            ? []
            : [
                  {
                      level: Math.abs(seconds) >= limits.fault ? "fault" : "warn",
                      what: `${words[which]} is ${Math.round(Math.abs(seconds))} s ${seconds > 0 ? "ahead of" : "behind"} this host's`,
                      cure: "Let a time service run on both hosts (timedatectl set-ntp true, or chrony); of a virtual machine, start it anew.",
                  },
              ];
    });
    return findingsOf("clock", problems, "the clocks agree");
}
