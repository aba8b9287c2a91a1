/** The whole program, run against the mock monitor in a directory of its own, so that it writes nothing into the project. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { keys } from "../../../config.ts";
import { Commands } from "./commands.ts";
import { type Circumstances, type Recording, project, record } from "./recording.ts";

export type Program = (typeof import("../../../index.ts"))["default"];

/** An engine elsewhere that does not answer, so that neither ports nor directories of this host are looked at. */
export const engineElsewhere = "tcp://127.0.0.1:1";

/** Call once in a test file that runs the platform. */
export function inDirectoryOfItsOwn(): void {
    const home = process.cwd();
    let directory: string;
    let commands: Commands;
    beforeAll(() => {
        directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
        symlinkSync(join(import.meta.dirname, "../../../images"), join(directory, "images"));
        process.chdir(directory);
        // What the engine's set-up may have left in the environment of `npm test`.
        vi.stubEnv("MLFLOW_PLATFORM_BASE_IMAGE", undefined);
        vi.stubEnv("DOCKER_HOST", engineElsewhere);
        // How this host reaches a package index is nothing to these tests.
        for (const name of Object.keys(process.env).filter((each) => /^(PIP|UV|GO)[A-Z_]*$|_proxy$/i.test(each))) {
            vi.stubEnv(name, undefined);
        }
        writeFileSync("public.pem", rootCertificates.slice(0, 1).join("\n"));
        vi.stubEnv("SSL_CERT_FILE", join(directory, "public.pem"));
        // The one command that the program may run, and it runs nothing.
        commands = new Commands();
        commands.add("docker", {});
        vi.stubEnv("PATH", commands.variables.PATH);
    });
    afterAll(() => {
        const questions = ["volume inspect ", "info ", "ps --quiet"].map(
            (command) => `--host ${engineElsewhere} ${command}`,
        );
        const others = commands.calls().filter((call) => !questions.some((question) => call.startsWith(question)));
        process.chdir(home);
        rmSync(directory, { recursive: true });
        commands.remove();
        vi.unstubAllEnvs();
        expect(others).toEqual([]);
    });
}

let runs = 0;

/** Runs the program with this configuration; keys that must be secret are. */
export function platform(
    configuration: Readonly<Record<string, string>> = {},
    circumstances: Circumstances = {},
): Promise<Recording<Program>> {
    const full = Object.fromEntries(
        Object.entries(configuration).map(([name, value]) => [`${project}:${name}`, value]),
    );
    const secrets = Object.entries<{ secret?: true }>(keys).flatMap(([name, { secret }]) =>
        secret ? [`${project}:${name}`] : [],
    );
    pulumi.runtime.setAllConfig(full, secrets);
    // Another query is another module: the program runs anew, on the same components.
    runs += 1;
    const program = `../../../index.ts?run=${runs}`;
    return record(async () => {
        const { default: outputs } = (await import(/* @vite-ignore */ program)) as { default: Program };
        return outputs;
    }, circumstances);
}
