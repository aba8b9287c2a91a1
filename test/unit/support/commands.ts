/** Commands of the host, played by scripts in a directory of their own: no engine and no Pulumi is asked. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Places, placesOf } from "../../../operations/places.ts";

export class Commands {
    readonly directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));

    /** The places of a user whose home is that directory. */
    readonly places: Places = {
        ...placesOf({
            XDG_STATE_HOME: join(this.directory, "state"),
            XDG_CACHE_HOME: join(this.directory, "cache"),
        }),
        project: join(this.directory, "project"),
    };

    /** Variables under which the scripts are found. */
    readonly variables: Record<string, string> = {
        PATH: [join(this.directory, "bin"), process.env.PATH ?? ""].join(delimiter),
        DOCKER_HOST: "unix:///there/is/none.sock",
    };

    constructor() {
        mkdirSync(this.places.project);
    }

    /** Installs a command whose answers are by the start of its arguments; another call of it ends with 1. */
    add(file: string, answers: Readonly<Record<string, string>>): void {
        const path = file.startsWith("/") ? file : join(this.directory, "bin", file);
        mkdirSync(join(path, ".."), { recursive: true });
        const cases = Object.entries(answers).map(([start, answer], index) => {
            const output = join(this.directory, `${path.replaceAll("/", "-")}.${index}`);
            writeFileSync(output, answer);
            return `'${start}'*) exec cat '${output}' ;;`;
        });
        writeFileSync(
            path,
            `#!/bin/sh\necho "$*" >> '${join(this.directory, "calls")}'\ncase "$*" in\n${cases.join("\n")}\nesac\n` +
                `echo "unexpected: $*" >&2\nexit 1\n`,
        );
        chmodSync(path, 0o755);
    }

    /** The arguments of every call so far, in order. */
    calls(): string[] {
        const file = join(this.directory, "calls");
        return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
    }

    remove(): void {
        rmSync(this.directory, { recursive: true });
    }
}
