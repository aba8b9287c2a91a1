/** An update's engine events as progress lines and, when it fails, as the list of what went wrong. */
import type { EngineEvent, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import { BuildLog } from "./buildLog.ts";
import type { Say } from "./progress.ts";

const quiet = new Set(["same", "read", "refresh", "read-discard", "remove-pending-replace", "discard"]);
const verbs: Readonly<Record<string, readonly [during: string, after: string]>> = {
    create: ["creating", "created"],
    "create-replacement": ["creating", "created"],
    replace: ["replacing", "replaced"],
    update: ["updating", "updated"],
    delete: ["deleting", "deleted"],
    "delete-replaced": ["deleting", "deleted"],
};

/** Kinds of resources in words. */
const kinds: Readonly<Record<string, string>> = {
    RemoteImage: "image",
    Container: "container",
    Volume: "volume",
    Network: "network",
};

/** What took at least this long gets a line of its own when it is done, in seconds. */
const worthALine = 5;

/** Name of a resource in its URN. */
function nameOf(urn: string): string {
    return urn.slice(urn.lastIndexOf("::") + 2);
}

/** Colour and layout marks of the engine's messages, such as `<{%fg 1%}>`. */
export function plain(text: string): string {
    return text.replace(/<\{%.*?%\}>/g, "").trim();
}

/** Something that an update is at. */
interface Running {
    readonly what: string;
    readonly during: string;
    readonly after: string;
    readonly since: number;
    /** Of an image's build. */
    readonly log: BuildLog | undefined;
}

/** The log that an image's build writes, where it writes one. */
function logOf({ new: made }: StepEventMetadata): BuildLog | undefined {
    const { buildLogFile } = (made?.inputs.build ?? {}) as { buildLogFile?: string };
    return buildLogFile === undefined ? undefined : new BuildLog(buildLogFile);
}

/** How an update's progress is shown. */
export interface Shown {
    /** Seconds between lines about what takes long. */
    readonly period: number;
    /** Takes every line of the images' builds. */
    readonly details?: Say | undefined;
}

/** Follows one update. */
export class UpdateProgress {
    /** Error messages, in order, without repetition. */
    public readonly errors: string[] = [];
    /** The program's warnings, likewise. */
    public readonly warnings: string[] = [];
    /** Names of the resources that failed. */
    public readonly failed: string[] = [];
    private readonly running = new Map<string, Running>();
    /** A replacement is several steps of one resource. */
    private readonly done = new Set<string>();
    private readonly timer: NodeJS.Timeout;
    private readonly say: Say;
    private readonly shown: Shown;
    private readonly now: () => number;
    private readonly since: number;

    constructor(say: Say, shown: Shown, now: () => number = Date.now) {
        this.say = say;
        this.shown = shown;
        this.now = now;
        this.since = now();
        this.timer = setInterval(() => {
            this.report();
        }, shown.period * 1000);
        this.timer.unref();
    }

    /** How many resources were changed. */
    public get changes(): number {
        return this.done.size;
    }

    /** Takes one event. */
    public readonly take = (event: EngineEvent): void => {
        const started = event.resourcePreEvent?.metadata;
        if (started !== undefined && !quiet.has(started.op) && !isComponent(started.type)) {
            const [during, after] = verbs[started.op] ?? [started.op, started.op];
            const kind = kinds[started.type.slice(started.type.lastIndexOf(":") + 1)] ?? "";
            const what = `${kind} ${nameOf(started.urn)}`.trim();
            this.running.set(started.urn, { what, during, after, since: this.now(), log: logOf(started) });
        }
        const ended = event.resOutputsEvent?.metadata;
        const step = ended === undefined ? undefined : this.running.get(ended.urn);
        if (ended !== undefined && step !== undefined) {
            this.look(step);
            this.running.delete(ended.urn);
            this.done.add(ended.urn);
            if (this.seconds(step.since) >= worthALine) {
                this.say(`${step.after} ${step.what} (${this.seconds(step.since)} s)`);
            }
        }
        const failure = event.resOpFailedEvent?.metadata;
        if (failure !== undefined) {
            const broken = this.running.get(failure.urn);
            if (broken !== undefined) {
                this.look(broken);
            }
            this.running.delete(failure.urn);
            this.failed.push(nameOf(failure.urn));
        }
        const message = event.diagnosticEvent;
        const texts = { error: this.errors, warning: this.warnings }[message?.severity as string];
        if (message !== undefined && texts !== undefined) {
            const text = plain(message.message);
            if (text !== "" && text !== "update failed" && !texts.includes(text)) {
                texts.push(text);
            }
        }
    };

    /** Ends the lines. */
    public stop(): void {
        clearInterval(this.timer);
    }

    private seconds(since: number): number {
        return Math.round((this.now() - since) / 1000);
    }

    /** Takes what a build has written. Returns the step that it is at. */
    private look({ what, log }: Running): string | undefined {
        for (const line of log?.lines() ?? []) {
            this.shown.details?.(`${what} | ${line}`);
        }
        return log?.step;
    }

    private report(): void {
        const current = [...this.running.values()].map((running) => {
            const step = this.look(running);
            return `${running.during} ${running.what} (${this.seconds(running.since)} s)${step === undefined ? "" : `: ${step}`}`;
        });
        this.say(`${this.done.size} done; ${current.join(", ") || `${this.seconds(this.since)} s so far`}`);
    }
}

function isComponent(type: string): boolean {
    return !/^(docker|random):/.test(type);
}
