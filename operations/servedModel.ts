/** What the served models of a stack say of themselves, and the labels that they are told: `npm run labels`. */
import { createReadStream, existsSync } from "node:fs";
import { execa } from "execa";
import type { Configuration } from "../config.ts";
import type { ServedModel } from "../servedModels.ts";
import { type Places, projectName } from "./places.ts";
import { configurationOf } from "./stackCheck.ts";
import { openExisting } from "./stop.ts";
import { UserError } from "./userError.ts";

/** What a model server says (images/mlflow/model_server). */
interface Status {
    readonly state: "starting" | "waiting" | "serving";
    readonly version: string | null;
    readonly reason: string | null;
    readonly candidate: { readonly version: string; readonly state: string; readonly reason: string | null } | null;
}

/** Name of a served model's container. */
function containerOf(stackName: string, model: Pick<ServedModel, "name">): string {
    return `${projectName}-${stackName}-model-${model.name}`;
}

// In the container, because the published port may be behind the gateway, its certificate and its token.
const ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/status', timeout=10).read().decode())";

/** A served model's state in words. */
export function statusInWords({ state, version, reason, candidate }: Status): string {
    const now = {
        starting: "starts",
        waiting: "waits",
        serving: `serves version ${version ?? "?"}`,
    }[state];
    const next =
        candidate === null
            ? ""
            : `; version ${candidate.version}: ${candidate.state}${candidate.reason === null ? "" : ` (${candidate.reason})`}`;
    return `${now}${reason === null ? "" : `: ${reason}`}${next}`;
}

/** What a served model says of itself. */
export interface ServedModelState {
    readonly name: string;
    /** Registered model and alias that it follows. */
    readonly model: string;
    readonly alias: string;
    readonly state: Status["state"] | "silent";
    /** Of what it serves. */
    readonly version: string | null;
    /** All of it in words. */
    readonly words: string;
}

/** The state of each served model of a stack. */
export async function servedModelStates(
    stackName: string,
    { modelServers = [] }: Partial<Configuration>,
    variables: Record<string, string>,
): Promise<ServedModelState[]> {
    return await Promise.all(
        modelServers.map(async ({ name, model, alias }) => {
            const { stdout, stderr, exitCode } = await execa(
                "docker",
                ["exec", containerOf(stackName, { name }), "python", "-c", ask],
                { env: variables, reject: false },
            );
            if (exitCode !== 0) {
                const words = `does not answer: ${stderr.trim().split("\n").at(-1) ?? ""}`;
                return { name, model, alias, state: "silent" as const, version: null, words };
            }
            const status = JSON.parse(stdout) as Status;
            return { name, model, alias, state: status.state, version: status.version, words: statusInWords(status) };
        }),
    );
}

/** A line for each served model of a stack. */
export async function servedModelLines(
    stackName: string,
    configuration: Partial<Configuration>,
    variables: Record<string, string>,
): Promise<string[]> {
    const states = await servedModelStates(stackName, configuration, variables);
    return states.map(({ name, model, alias, words }) => `${`Model ${name}`.padEnd(14)} ${model}@${alias} ${words}`);
}

/** The entry of a served model by its name. */
export function servedModel(name: string, stackName: string, { modelServers = [] }: Configuration): ServedModel {
    const model = modelServers.find((entry) => entry.name === name);
    if (model === undefined) {
        throw new UserError(
            `Stack ${stackName} serves no model "${name}"${modelServers.length === 0 ? "" : `; it serves ${modelServers.map((entry) => entry.name).join(", ")}`}.`,
            `npm run pulumi -- config set --stack ${stackName} --path 'modelServers[0].name' <name>, likewise .port, then npm start.`,
        );
    }
    return model;
}

/** `npm run labels`: what came true, for the monitor, by the ids of predictions. */
export async function labels(
    name: string,
    file: string,
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    if (!existsSync(file)) {
        throw new UserError(`There is no file ${file}.`, "Name a CSV file with the columns prediction_id and label.");
    }
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    const model = servedModel(name, stackName, await configurationOf(stack, variables, exported));
    const { exitCode } = await execa(
        "docker",
        ["exec", "--interactive", containerOf(stackName, model), "python", "-m", "model_server.labels"],
        { env: variables, reject: false, input: createReadStream(file), stdout: "inherit", stderr: "inherit" },
    );
    process.exitCode = exitCode ?? 1;
}
