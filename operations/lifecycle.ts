/** `npm run lifecycle`: an entry point of an MLflow Project, in a container of the model image on the stack's network. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { credentialsFile } from "../components/monitor.ts";
import { recordsPath } from "../components/modelServer.ts";
import { provideModelImage } from "./modelImage.ts";
import { type Places, projectName } from "./places.ts";
import { servedModel } from "./servedModel.ts";
import { configurationOf } from "./stackCheck.ts";
import { openExisting } from "./stop.ts";
import { UserError } from "./userError.ts";
import { valuesOf } from "./workspace.ts";

/** Options of the command. */
export interface LifecycleOptions {
    readonly stack: string;
    /** Parameters of the entry point, each `name=value`. */
    readonly param: readonly string[];
    /** Directory of the project. */
    readonly project: string;
    /** Name of the served model whose records are there to be read. Defaults to the first. */
    readonly served?: string | undefined;
    /** MiB. */
    readonly memory: string;
}

/** Experiment of the steps where no parameter names another one. Else `mlflow run` would put its runs into MLflow's default one. */
const defaultExperiment = "lifecycle";

/** Where the tracking server is on the stack's network. */
const trackingUri = "http://mlflow:5000";

/**
 * The program in the container: credentials come by its input, so that no inspection shows them, and the exit code is that of the
 * step where it left one, because `mlflow run` makes 1 of every failure.
 */
const program = `umask 077
mkdir -p "$HOME/.mlflow"
cat >"$HOME/.mlflow/credentials"
mlflow run /project/python --env-manager local "$@" && exit 0
exit "$(cat "$LIFECYCLE_EXIT_FILE" 2>/dev/null || echo 1)"`;

/** Runs the command. Ends with the exit code of the step: 3 is a refusal, such as that of a model that is not good enough. */
export async function lifecycle(
    entryPoint: string,
    options: LifecycleOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    if (!existsSync(join(options.project, "python", "MLproject"))) {
        throw new UserError(
            `There is no ${join(options.project, "python", "MLproject")}.`,
            "--project names the directory of an MLflow Project whose directory python has the MLproject file.",
        );
    }
    const { stack, variables, exported } = await openExisting(options.stack, places, env);
    const configuration = await configurationOf(stack, variables, exported);
    const outputs = valuesOf(await stack.outputs());
    if (outputs.trackingUri === undefined) {
        throw new UserError(`Stack ${options.stack} is not up.`, `npm start -- --stack ${options.stack} brings it up.`);
    }
    const login = {
        username: env.MLFLOW_TRACKING_USERNAME ?? String(outputs.adminUsername),
        password: env.MLFLOW_TRACKING_PASSWORD ?? String(outputs.adminPassword),
    };
    const image = await provideModelImage(configuration, places, variables, env);
    const publicUri = outputs.trackingUri as string;
    // Its predictions are what the monitor looks at.
    const served =
        options.served === undefined
            ? configuration.modelServers?.[0]
            : servedModel(options.served, options.stack, configuration);
    const prefix = `${projectName}-${options.stack}`;
    const container = `${prefix}-lifecycle-${randomBytes(4).toString("hex")}`;
    const docker = { env: variables };
    const experiment = options.param.find((text) => text.startsWith("experiment="))?.slice("experiment=".length);
    const records = served === undefined ? [] : [`${prefix}-model-${served.name}-records:${recordsPath}:ro`];
    await execa(
        "docker",
        [
            ...["create", "--interactive", "--init", "--name", container, "--network", `${prefix}-backend`],
            ...["--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
            ...["--memory", `${options.memory}m`, "--memory-swap", `${options.memory}m`],
            ...["--env", `MLFLOW_TRACKING_URI=${trackingUri}`, "--env", "HOME=/tmp/home"],
            ...["--env", `MLFLOW_EXPERIMENT_NAME=${experiment ?? defaultExperiment}`],
            ...["--env", "LIFECYCLE_EXIT_FILE=/tmp/exit-code", "--env", "PYTHONDONTWRITEBYTECODE=1"],
            ...records.flatMap((volume) => ["--volume", volume]),
            image,
            ...["sh", "-c", program, "lifecycle", "--entry-point", entryPoint],
            ...options.param.flatMap((parameter) => ["--param-list", parameter]),
        ],
        docker,
    );
    try {
        // Copied, not mounted: the engine may be on another host.
        await execa("docker", ["cp", `${options.project}/.`, `${container}:/project`], docker);
        const run = execa("docker", ["start", "--attach", "--interactive", container], {
            ...docker,
            reject: false,
            input: configuration.mlflowAuth ? credentialsFile(login.username, login.password) : "",
            all: true,
            buffer: false,
        });
        for await (const line of run.iterable({ from: "all" })) {
            // For a browser on this host.
            console.log(line.replaceAll(trackingUri, publicUri));
        }
        process.exitCode = (await run).exitCode ?? 1;
    } finally {
        await execa("docker", ["rm", "--force", container], { ...docker, reject: false });
    }
}
