/** The log of an image's build, in BuildKit's plain form, while the build writes it. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

/** What a step is called at most, in characters. */
const longest = 100;

/** A Dockerfile's line without the mounts that it has: `[build 3/5] RUN go install …`. */
function inShort(step: string): string {
    const text = step.replace(/ --mount=\S+/g, "").replace(/\s+/g, " ");
    return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/** Follows a log from where it ends now: what is before that is an earlier build's. */
export class BuildLog {
    /** The step that the build is at, such as `[build 3/5] RUN go install …`; undefined before its first. */
    public step: string | undefined;
    private readonly file: string;
    private position: number;
    private rest = "";
    private readonly steps = new Map<string, string>();

    constructor(file: string) {
        this.file = file;
        this.position = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    }

    /** The lines since the last call. */
    public lines(): string[] {
        const [...lines] = (this.rest + this.added()).split("\n");
        this.rest = lines.pop() ?? "";
        for (const line of lines) {
            this.take(line);
        }
        return lines.filter((line) => line !== "");
    }

    private take(line: string): void {
        const [, id = "", text = ""] = /^(#\d+) (.*)$/.exec(line) ?? [];
        const name = /^\[(?!internal\]).*/.exec(text)?.[0];
        if (name !== undefined) {
            this.steps.set(id, inShort(name));
        }
        // A line of output belongs to its step as well: those of several stages take turns.
        if (this.steps.has(id) && !/^(DONE|CACHED|ERROR|CANCELED)\b/.test(text)) {
            this.step = this.steps.get(id);
        }
    }

    private added(): string {
        let descriptor: number;
        try {
            descriptor = openSync(this.file, "r");
        } catch {
            // The build has not begun to write.
            return "";
        }
        try {
            const { size } = fstatSync(descriptor);
            if (size < this.position) {
                this.position = 0;
            }
            const buffer = Buffer.alloc(size - this.position);
            const count = readSync(descriptor, buffer, 0, buffer.length, this.position);
            this.position += count;
            return buffer.toString("utf8", 0, count);
        } finally {
            closeSync(descriptor);
        }
    }
}
