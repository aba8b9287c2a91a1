/** The last log lines of containers that failed, without the stack's secrets. */
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { resourcesOf } from "./engineObjects.ts";
import { type Places, projectName } from "./places.ts";
import { runCli } from "./workspace.ts";

/** Replaces every secret in a text, also where it is base64 or URL-encoded. */
export function scrub(text: string, secrets: readonly string[]): string {
    // A value of two or three characters stands in half the words of a log.
    const forms = secrets
        .filter((secret) => secret.length >= 4)
        .flatMap((secret) => [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")]);
    return [...new Set(forms)]
        .sort((a, b) => b.length - a.length)
        .reduce((scrubbed, form) => scrubbed.replaceAll(form, "[secret]"), text);
}

/** All secret values of a stack: those in its configuration and the generated ones. */
export async function secretsOf(stack: Stack, places: Places, variables: Record<string, string>): Promise<string[]> {
    const configured = Object.values(await stack.getAllConfig()).flatMap(({ value, secret }) =>
        secret ? [value] : [],
    );
    const shown = await runCli(places, variables, ["stack", "export", "--show-secrets", "--stack", stack.name]);
    const generated = resourcesOf(JSON.parse(shown) as Deployment)
        .filter(({ type }) => type === "random:index/randomPassword:RandomPassword")
        .map(({ outputs }) => {
            const result = outputs?.result;
            // A secret stands in an export as an object with its JSON text.
            return typeof result === "string"
                ? result
                : (JSON.parse((result as { plaintext: string } | undefined)?.plaintext ?? '""') as string);
        });
    return [...configured, ...generated];
}

/** A failure's text and, after it, up to 20 log lines of each of the named resources that is a container on the engine. */
export async function withLogTails(
    stack: Stack,
    failure: string,
    resources: readonly string[],
    places: Places,
    variables: Record<string, string>,
): Promise<string> {
    const texts = [failure];
    for (const resource of resources) {
        const container = `${projectName}-${stack.name}-${resource}`;
        const logs = await execa("docker", ["logs", "--tail", "20", container], {
            env: variables,
            all: true,
            reject: false,
        });
        if (logs.exitCode === 0 && logs.all.trim() !== "") {
            texts.push(`The last log lines of ${container}:\n${logs.all.replace(/^/gm, "  ")}`);
        }
    }
    return scrub(texts.join("\n"), await secretsOf(stack, places, variables));
}
