/** The engine that a stack names for itself: `docker:host`, the Docker provider's own key in the stack's or the project's file. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Places } from "./places.ts";
import { UserError } from "./userError.ts";
import { requireReadable, stackFile } from "./workspace.ts";

const key = "docker:host";

/**
 * The provider's other ways to an engine, and what says the same to everything that speaks to one. The docker command, by which the
 * engine is looked at, does not know them, so it would ask another engine or none.
 */
const otherWays: Readonly<Record<string, string>> = {
    "docker:context": `set ${key} to that context's address (docker context inspect <name>)`,
    "docker:sshOpts": "say it in ~/.ssh/config, which ssh reads for all of them",
    "docker:certPath": "set the variables DOCKER_CERT_PATH and DOCKER_TLS_VERIFY=1",
    "docker:caMaterial": "put it into a file ca.pem of the directory DOCKER_CERT_PATH, and set DOCKER_TLS_VERIFY=1",
    "docker:certMaterial": "put it into a file cert.pem of the directory DOCKER_CERT_PATH, and set DOCKER_TLS_VERIFY=1",
    "docker:keyMaterial": "put it into a file key.pem of the directory DOCKER_CERT_PATH, and set DOCKER_TLS_VERIFY=1",
};

/** The part of a file's `config` that is the Docker provider's. Pulumi.yaml may wrap a value: `{value: …}`. */
function providerConfiguration(file: string): Record<string, unknown> {
    const { config } =
        (existsSync(file) ? (parse(readFileSync(file, "utf8")) as { config?: unknown } | null) : null) ?? {};
    return Object.fromEntries(
        Object.entries((config ?? {}) as Record<string, unknown>)
            .filter(([name]) => name.startsWith("docker:"))
            .map(([name, value]) => [
                name,
                typeof value === "object" && value !== null && "value" in value ? value.value : value,
            ]),
    );
}

const same = (one: string, other: string) => one.replace(/\/+$/, "") === other.replace(/\/+$/, "");

/** Throws a UserError where a stack names one engine and DOCKER_HOST another. */
export function checkContradiction(stackName: string, named: string | undefined, variable: string | undefined): void {
    if (named !== undefined && variable && !same(named, variable)) {
        throw new UserError(
            `Stack ${stackName} is on the engine ${named} (${key} in its configuration), and DOCKER_HOST says ${variable}.`,
            `Unset DOCKER_HOST, or name the other engine to the stack: npm run pulumi -- config set ${key} ${variable} --stack ${stackName}`,
        );
    }
}

/**
 * The engine's address that a stack's configuration names, undefined where it names none. Throws a UserError where DOCKER_HOST says
 * another, and where the configuration has a way to an engine that only the provider would go.
 */
export function stackEngine(places: Places, stackName: string, env: NodeJS.ProcessEnv): string | undefined {
    const file = stackFile(places, stackName);
    if (existsSync(file)) {
        requireReadable(stackName, readFileSync(file, "utf8"));
    }
    const configured = {
        ...providerConfiguration(join(places.project, "Pulumi.yaml")),
        ...providerConfiguration(file),
    };
    const other = Object.entries(otherWays).find(([name]) => configured[name] !== undefined);
    if (other !== undefined) {
        const [name, instead] = other;
        throw new UserError(
            `Stack ${stackName} sets ${name}, which only Pulumi's Docker provider reads.`,
            `Remove it (npm run pulumi -- config rm ${name} --stack ${stackName}) and ${instead}.`,
        );
    }
    const host = configured[key];
    if (host === undefined) {
        return undefined;
    }
    if (typeof host !== "string") {
        throw new UserError(
            `Stack ${stackName} has ${key} encrypted.`,
            `An address is no secret: npm run pulumi -- config set ${key} ssh://<user>@<host> --stack ${stackName}`,
        );
    }
    checkContradiction(stackName, host, env.DOCKER_HOST);
    return host;
}

/** The same, undefined also where that is refused. */
export function namedEngine(places: Places, stackName: string, env: NodeJS.ProcessEnv): string | undefined {
    try {
        return stackEngine(places, stackName, env);
    } catch (error) {
        if (error instanceof UserError) {
            return undefined;
        }
        throw error;
    }
}
