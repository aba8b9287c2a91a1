/** An update's engine events as progress lines and, when it fails, as the list of what went wrong. */
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
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

/** Follows one update. */
export class UpdateProgress {
    /** Error messages, in order, without repetition. */
    public readonly errors: string[] = [];
    /** The program's warnings, likewise. */
    public readonly warnings: string[] = [];
    /** Names of the resources that failed. */
    public readonly failed: string[] = [];
    private readonly running = new Map<string, { what: string; during: string; after: string; since: number }>();
    /** A replacement is several steps of one resource. */
    private readonly done = new Set<string>();
    private readonly timer: NodeJS.Timeout;
    private readonly say: Say;
    private readonly now: () => number;

    /** `period`: seconds between lines about what takes long. */
    constructor(say: Say, period: number, now: () => number = Date.now) {
        this.say = say;
        this.now = now;
        this.timer = setInterval(() => {
            this.report();
        }, period * 1000);
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
            this.running.set(started.urn, { what, during, after, since: this.now() });
        }
        const ended = event.resOutputsEvent?.metadata;
        const step = ended === undefined ? undefined : this.running.get(ended.urn);
        if (ended !== undefined && step !== undefined) {
            this.running.delete(ended.urn);
            this.done.add(ended.urn);
            if (this.seconds(step.since) >= worthALine) {
                this.say(`${step.after} ${step.what} (${this.seconds(step.since)} s)`);
            }
        }
        const failure = event.resOpFailedEvent?.metadata;
        if (failure !== undefined) {
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

    private report(): void {
        if (this.running.size > 0) {
            const current = [...this.running.values()].map(
                ({ during, what, since }) => `${during} ${what} (${this.seconds(since)} s)`,
            );
            this.say(`${this.done.size} done; ${current.join(", ")}`);
        }
    }
}

function isComponent(type: string): boolean {
    return !/^(docker|random):/.test(type);
}
