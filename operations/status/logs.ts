/** `npm run logs`: what a stack's services and jobs have written, in order of time. It only relays. */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { closest } from "fastest-levenshtein";
import { type StackContainer, containersOf } from "../containers.ts";
import { endByInterrupt } from "../interruption.ts";
import type { Places } from "../places.ts";
import { openToRead, readingVariables } from "../reading.ts";
import { UserError } from "../userError.ts";

/** Options of `npm run logs`. */
export interface LogOptions {
    readonly stack: string;
    readonly follow?: boolean | undefined;
    /** As `docker logs --since` takes it. */
    readonly since?: string | undefined;
    /** Lines of each container. */
    readonly tail?: number | undefined;
}

/** One line of a container's log. */
export interface LogLine {
    /** RFC 3339 with nine digits of a second, so that times are ordered as texts. */
    readonly time: string;
    readonly service: string;
    readonly text: string;
}

/** Takes the time off a line of `docker logs --timestamps`; undefined for what is no such line. */
export function parseLine(service: string, line: string): LogLine | undefined {
    const [, time, text] = /^(\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z)(?: (.*))?$/s.exec(line) ?? [];
    return time === undefined ? undefined : { time, service, text: text ?? "" };
}

/** In order of time; lines of one moment stay as they came. */
export function inOrder(lines: readonly LogLine[]): LogLine[] {
    return [...lines].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** The containers that the names mean; all but seeds where there is none. Throws a UserError for a name that there is not. */
export function chosen(names: readonly string[], containers: readonly StackContainer[]): StackContainer[] {
    const speaking = containers.filter(({ kind }) => kind !== "seed");
    const known = speaking.map(({ name }) => name);
    const unknown = names.filter((name) => !known.includes(name));
    if (unknown.length > 0) {
        const [first = ""] = unknown;
        throw new UserError(
            `There is no ${unknown.join(", no ")} in this stack. Did you mean ${closest(first, known)}?`,
            `There are: ${known.join(", ")}.`,
        );
    }
    return names.length === 0 ? speaking : speaking.filter(({ name }) => names.includes(name));
}

/** Runs `docker logs` and hands on each line of both streams. Ends with it. Throws a UserError with what docker says. */
async function relay(
    { name, container }: StackContainer,
    args: readonly string[],
    variables: Record<string, string>,
    take: (line: LogLine) => void,
    signal?: AbortSignal,
): Promise<void> {
    const running = execa("docker", ["logs", "--timestamps", ...args, container], {
        env: variables,
        reject: false,
        buffer: false,
        ...(signal === undefined ? {} : { cancelSignal: signal }),
    });
    let word = "";
    for (const stream of [running.stdout, running.stderr]) {
        createInterface({ input: stream, crlfDelay: Infinity }).on("line", (text) => {
            const line = parseLine(name, text);
            if (line === undefined) {
                word = text;
            } else {
                take(line);
            }
        });
    }
    const { exitCode } = await running;
    if (exitCode !== 0 && signal?.aborted !== true && word !== "") {
        throw new UserError(`The logs of ${name} cannot be had: ${word}`, "npm run status shows what there is.");
    }
}

/**
 * Follows one container after its last line that was shown ("": none was, so `window` decides), across its restarts, until it
 * has ended for good or `signal` is aborted.
 */
async function follow(
    container: StackContainer,
    shown: string,
    window: readonly string[],
    variables: Record<string, string>,
    take: (line: LogLine) => void,
    signal: AbortSignal,
): Promise<void> {
    let last = shown;
    for (;;) {
        await relay(
            container,
            ["--follow", ...(last === "" ? window : ["--since", last])],
            variables,
            (line) => {
                // What was shown already comes again where it is of the same moment.
                if (line.time > last) {
                    last = line.time;
                    take(line);
                }
            },
            signal,
        );
        const inspected = signal.aborted
            ? undefined
            : await execa("docker", ["inspect", "--format", "{{.State.Status}}", container.container], {
                  env: variables,
                  reject: false,
              });
        if (inspected === undefined || !["running", "restarting"].includes(inspected.stdout.trim())) {
            return;
        }
        await sleep(1000, undefined, { signal }).catch(() => undefined);
    }
}

/** Milliseconds that lines which are followed wait for earlier ones of another container. */
const patience = 250;

/** Runs the command. */
export async function logs(
    names: readonly string[],
    options: LogOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    const variables = await readingVariables(options.stack, places, env);
    const containers = await containersOf(options.stack, variables);
    if (containers.length === 0) {
        // Says so where there is no such stack.
        await openToRead(options.stack, places, env);
        throw new UserError(
            `Stack ${options.stack} is not up, so it has no logs.`,
            `npm start -- --stack ${options.stack} brings it up.`,
        );
    }
    const wanted = chosen(names, containers);
    const width = Math.max(...wanted.map(({ name }) => name.length));
    const print = (lines: readonly LogLine[]) => {
        process.stdout.write(
            inOrder(lines)
                .map(({ service, text }) => `${service.padEnd(width)} | ${text}\n`)
                .join(""),
        );
    };
    // A reader such as head that has enough.
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code !== "EPIPE") {
            throw error;
        }
        process.exit(0);
    });

    const past: LogLine[] = [];
    const window = [
        ...(options.since === undefined ? [] : ["--since", options.since]),
        ...(options.tail === undefined ? [] : ["--tail", String(options.tail)]),
    ];
    await Promise.all(wanted.map((container) => relay(container, window, variables, (line) => past.push(line))));
    print(past);
    if (!options.follow) {
        return;
    }

    const controller = new AbortController();
    endByInterrupt(() => {
        controller.abort();
    });
    let fresh: LogLine[] = [];
    const flush = () => {
        print(fresh);
        fresh = [];
    };
    const timer = setInterval(flush, patience);
    const lastOf = (name: string) =>
        past.reduce((last, { service, time }) => (service === name && time > last ? time : last), "");
    try {
        await Promise.all(
            wanted.map((container) =>
                follow(
                    container,
                    lastOf(container.name),
                    window,
                    variables,
                    (line) => fresh.push(line),
                    controller.signal,
                ),
            ),
        );
    } finally {
        clearInterval(timer);
        flush();
    }
}
