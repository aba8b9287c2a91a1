/** What the served models of a stack say of themselves, and the labels that they are told: `npm run status`, `npm run labels`. */
import { createReadStream, existsSync } from "node:fs";
import { execa } from "execa";
import type { Configuration } from "../config.ts";
import type { ServedModel } from "../servedModels.ts";
import { labelled } from "./engineObjects.ts";
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

/** A line for each served model of a stack. */
export async function servedModelLines(
    stackName: string,
    { modelServers = [] }: Configuration,
    variables: Record<string, string>,
): Promise<string[]> {
    return await Promise.all(
        modelServers.map(async (model) => {
            const { stdout, stderr, exitCode } = await execa(
                "docker",
                ["exec", containerOf(stackName, model), "python", "-c", ask],
                { env: variables, reject: false },
            );
            const words =
                exitCode === 0
                    ? statusInWords(JSON.parse(stdout) as Status)
                    : `does not answer: ${stderr.trim().split("\n").at(-1) ?? ""}`;
            return `${`Model ${model.name}`.padEnd(14)} ${model.model}@${model.alias} ${words}`;
        }),
    );
}

/** `npm run status`: how the containers of a stack are, and what its model servers serve. */
export async function status(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack, variables } = await openExisting(stackName, places, env);
    const configuration = await configurationOf(stack, variables);
    const { stdout } = await execa(
        "docker",
        ["ps", "--all", ...labelled(stackName), "--format", "{{.Names}}\t{{.Status}}"],
        { env: variables },
    );
    const prefix = `${projectName}-${stackName}-`;
    const rows = stdout
        .split("\n")
        .map((line) => line.split("\t"))
        // What carries files is never started, and a job has ended.
        .filter(([, state = ""]) => state !== "" && state !== "Created" && !state.startsWith("Exited (0)"))
        .map(([name = "", state = ""]) => `${name.replace(prefix, "").padEnd(14)} ${state}`)
        .sort();
    if (rows.length === 0) {
        throw new UserError(`Stack ${stackName} is not up.`, `npm start -- --stack ${stackName} brings it up.`);
    }
    console.log([...rows, ...(await servedModelLines(stackName, configuration, variables))].join("\n"));
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
    const { stack, variables } = await openExisting(stackName, places, env);
    const model = servedModel(name, stackName, await configurationOf(stack, variables));
    const { exitCode } = await execa(
        "docker",
        ["exec", "--interactive", containerOf(stackName, model), "python", "-m", "model_server.labels"],
        { env: variables, reject: false, input: createReadStream(file), stdout: "inherit", stderr: "inherit" },
    );
    process.exitCode = exitCode ?? 1;
}
