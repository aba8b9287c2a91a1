/** The last log lines of containers that failed, without the stack's secrets. */
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { accountPurpose, derivedText, tokenPurpose } from "../components/derivedSecret.ts";
import { scrub } from "../components/scrub.ts";
import { labelled, resourcesOf } from "./engineObjects.ts";
import { type Places, projectName } from "./places.ts";
import { runCli } from "./workspace.ts";
import { parseServedModels } from "../servedModels.ts";

/** All secret values of a stack: those in its configuration and the generated ones. */
export async function secretsOf(stack: Stack, places: Places, variables: Record<string, string>): Promise<string[]> {
    const all = await stack.getAllConfig();
    const configured = Object.values(all).flatMap(({ value, secret }) => (secret ? [value] : []));
    const shown = await runCli(places, variables, ["stack", "export", "--show-secrets", "--stack", stack.name]);
    const generated = resourcesOf(JSON.parse(shown) as Deployment)
        .filter(({ type }) => type === "random:index/randomPassword:RandomPassword")
        .map(({ urn = "", outputs }) => {
            const result = outputs?.result;
            // A secret stands in an export as an object with its JSON text.
            const value =
                typeof result === "string"
                    ? result
                    : (JSON.parse((result as { plaintext: string } | undefined)?.plaintext ?? '""') as string);
            return { urn, value };
        });
    const key =
        all[`${projectName}:modelServerKey`]?.value ??
        generated.find(({ urn }) => urn.endsWith("::model-server-key"))?.value;
    const models = parseServedModels(all[`${projectName}:modelServers`]?.value ?? "[]");
    const derived = (key === undefined ? [] : models).flatMap((model) =>
        [accountPurpose(model), tokenPurpose(model)].map((purpose) => derivedText(key ?? "", purpose)),
    );
    return [...configured, ...generated.map(({ value }) => value), ...derived];
}

/** Names of the stack's containers that end again and again, or do not answer. */
async function ailingServices(stackName: string, variables: Record<string, string>): Promise<string[]> {
    const { stdout } = await execa(
        "docker",
        ["ps", "--all", ...labelled(stackName), "--format", "{{.Names}}\t{{.Status}}"],
        { env: variables, reject: false },
    );
    return stdout.split("\n").flatMap((line) => {
        const [name = "", status = ""] = line.split("\t");
        return /^Restarting|\(unhealthy\)/.test(status) ? [name] : [];
    });
}

/**
 * A failure's text and, after it, up to 20 log lines of each container among the named resources, and of each service that is not
 * well.
 */
export async function withLogTails(
    stack: Stack,
    failure: string,
    resources: readonly string[],
    places: Places,
    variables: Record<string, string>,
): Promise<string> {
    const texts = [failure];
    const failed = resources.map((resource) => `${projectName}-${stack.name}-${resource}`);
    // What failed may be a job; the reason is then in the service that it needs.
    for (const container of new Set([...failed, ...(await ailingServices(stack.name, variables))])) {
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
