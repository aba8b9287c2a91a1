/** Rules about what others can reach or read: published ports, and credentials in sight. */
import { containerKind } from "./container.ts";
import { type Resource, type Rule, isRecord, isSecret, isUnknown, records, texts } from "./resource.ts";

/** Whether it is the container of the gateway, which publishes by TLS alone. */
function isGateway({ urn }: Resource): boolean {
    return urn.includes("mlflow-platform:index:Gateway$docker:index/container:Container::");
}

/** Whether MLflow asks for a login: its container says so in its environment (images/mlflow). */
function hasLogin(stack: readonly Resource[]): boolean {
    return stack.some(
        ({ urn, inputs }) =>
            urn.includes("mlflow-platform:index:Mlflow$docker:index/container:Container::") &&
            texts(inputs.envs).includes("LOGIN=true"),
    );
}

const loopback: Rule = {
    id: "loopback-or-protected",
    title: "Ports are published on loopback; on another address by the gateway alone (TLS), with MLflow's login.",
    reason: "Whoever reaches an open MLflow or S3 may read, change and delete everything.",
    cure: "Set bindAddress 127.0.0.1, or publicHost (the gateway, with TLS) and mlflowAuth true. allowInsecureExposure does not silence this rule.",
    needsStack: true,
    found: (resource, stack) => {
        if (containerKind(resource) === undefined) {
            return [];
        }
        const { ports, publishAllPorts } = resource.inputs;
        const open = records(ports).filter(
            // Without an address the engine publishes on every one.
            ({ ip }) => !isUnknown(ip) && !(typeof ip === "string" && ip.startsWith("127.")),
        );
        const lacks = [
            ...(isGateway(resource) ? [] : ["without TLS: it is not the gateway"]),
            ...(hasLogin(stack) ? [] : ["without a login at MLflow"]),
        ];
        return [
            ...(publishAllPorts === true ? ["`publishAllPorts` is true"] : []),
            ...(lacks.length === 0
                ? []
                : open.map(
                      ({ internal, external, ip }) =>
                          `port ${String(external ?? internal)} is published on ${typeof ip === "string" && ip !== "" ? ip : "every address"}, ${lacks.join(" and ")}`,
                  )),
        ];
    },
};

/** Words in the name of a variable or option that holds a credential. */
const credentialName = /pass(word|wd|phrase)|secret|token|credential|(private|access|api)[_-]?key/i;

/** A URI with a password, or a private key. */
const credentialValue = /[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----/i;

/** A value that is a credential by its name: no path of a file with one, no switch and no number. */
function holdsCredential(name: string, value: string): boolean {
    const isPlace = value.startsWith("/") || /_?FILE$/i.test(name);
    return credentialName.test(name) && value !== "" && !isPlace && !/^(true|false|\d+)$/i.test(value);
}

/** Name and value of `NAME=value`; no name where there is no such sign. */
function assignment(text: string): [name: string, value: string] {
    const at = text.indexOf("=");
    return at < 0 ? ["", text] : [text.slice(0, at), text.slice(at + 1)];
}

function inEnvironment(envs: unknown): string[] {
    if (isSecret(envs)) {
        return ["`envs` holds a secret"];
    }
    return texts(envs)
        .map(assignment)
        .filter(([name, value]) => holdsCredential(name, value) || credentialValue.test(value))
        .map(([name]) => `\`envs\` has a credential in ${name}`);
}

function inArguments(property: string, value: unknown): string[] {
    if (isSecret(value)) {
        return [`\`${property}\` holds a secret`];
    }
    const args = texts(value);
    return args
        .filter((arg, index) => {
            const [name, assigned] = assignment(arg);
            const option = args[index - 1] ?? "";
            return (
                credentialValue.test(arg) ||
                (name !== "" && holdsCredential(name, assigned)) ||
                (/^--?[\w-]+$/.test(option) && !arg.startsWith("-") && holdsCredential(option, arg))
            );
        })
        .map(() => `\`${property}\` has a credential in an argument`);
}

function inLabels(labels: unknown): string[] {
    return records(labels)
        .filter(
            ({ label, value }) =>
                isSecret(value) ||
                (typeof value === "string" && (holdsCredential(String(label), value) || credentialValue.test(value))),
        )
        .map(({ label }) => `label ${String(label)} has a credential`);
}

const noSecretInSight: Rule = {
    id: "no-secret-in-sight",
    title: "No credential is in a container's environment, arguments or labels.",
    reason: "`docker inspect` shows them, every child process inherits the environment, and the process list shows arguments.",
    cure: "Give it as a file: SecretFiles (components/secretFiles.ts).",
    found: (resource) => {
        if (containerKind(resource) === undefined) {
            return [];
        }
        const { envs, command, entrypoints, labels, healthcheck } = resource.inputs;
        return [
            ...inEnvironment(envs),
            ...inArguments("command", command),
            ...inArguments("entrypoints", entrypoints),
            ...inArguments("healthcheck.tests", isRecord(healthcheck) ? healthcheck.tests : undefined),
            ...inLabels(labels),
        ];
    },
};

export const exposureRules: readonly Rule[] = [loopback, noSecretInSight];
