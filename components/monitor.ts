import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardenedSeed, hardenedService } from "./hardened.ts";
import type { Labels } from "./labels.ts";
import { owner, recordsPath } from "./modelServer.ts";
import { SecretFiles, secretsPath } from "./secretFiles.ts";

/** Where the project is in the container. */
const projectPath = "/project";

/** Arguments of `Monitor`. */
export interface MonitorArgs {
    /** Image built from images/mlflow, target model. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network of the model server. */
    networkId: pulumi.Input<string>;
    /** Volume of recorded predictions; read only. */
    recordsVolume: pulumi.Input<string>;
    /** Directory of the MLflow Project, whose entry point `monitor` runs. */
    project: string;
    /** When it runs, as cron has it, in UTC. */
    schedule: string;
    /** Registered model. */
    model: string;
    /** Alias of the version that is served. */
    alias: string;
    /** Predictions without which it decides nothing. */
    minimumSamples: number;
    /** Who promotes what retraining makes: manual, or auto. */
    promote: string;
    /** URL of the tracking server on that network. */
    trackingUri: string;
    /** User of the tracking server; undefined where there is no login. */
    login: { readonly username: string; readonly password: pulumi.Input<string> } | undefined;
    /** What has to be there before it starts. */
    after: readonly pulumi.Resource[];
    /** Labels of all it makes. */
    labels: Labels;
}

/** The files of a project, path → content, without what tools leave there. */
export function projectFiles(directory: string): Record<string, string> {
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => ({ path, name: relative(directory, path).split(sep).join("/") }))
        .filter(({ name }) => !/(^|\/)(\.[^/]*|__pycache__|mlruns|mlflow\.db)(\/|$)/.test(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    return Object.fromEntries(files.map(({ path, name }) => [name, readFileSync(path, "utf8")]));
}

/** MLflow's file of credentials, an INI file in which a percent sign is written twice (read_mlflow_creds in mlflow/utils/credentials.py). */
export function credentialsFile(username: string, password: string): string {
    const value = (text: string) => text.replaceAll("%", "%%");
    return `[mlflow]\nmlflow_tracking_username = ${value(username)}\nmlflow_tracking_password = ${value(password)}\n`;
}

/** Looks at a served model's predictions at set times, as the project's entry point `monitor` has it, in MLflow runs of its own. */
export class Monitor extends pulumi.ComponentResource {
    constructor(name: string, args: MonitorArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Monitor", name, {}, opts);
        const { login, labels, seedImage } = args;
        const files = projectFiles(args.project);
        const volume = new docker.Volume(
            `${name}-project`,
            {
                labels: [
                    ...Object.entries(labels).map(([label, value]) => ({ label, value })),
                    // As in SecretFiles: a file that is no longer there would stay.
                    { label: "mlflow-platform.files", value: Object.keys(files).join(" ") },
                ],
            },
            { parent: this, deleteBeforeReplace: true },
        );
        const seed = hardenedSeed({
            image: seedImage,
            labels,
            owner,
            mounts: [{ source: volume.name, path: projectPath }],
            // The provider uploads no empty file.
            files: Object.fromEntries(
                Object.entries(files).map(([file, text]) => [`${projectPath}/${file}`, text === "" ? "\n" : text]),
            ),
        });
        const project = new docker.Container(`${name}-project-seed`, seed.args, { ...seed.options, parent: this });
        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            {
                seedImage,
                owner,
                labels,
                files: {
                    // Where MLflow's client looks for it under the home directory.
                    ".mlflow/credentials":
                        login === undefined
                            ? "[mlflow]\n"
                            : pulumi
                                  .output(login.password)
                                  .apply((password) => credentialsFile(login.username, password)),
                },
            },
            { parent: this },
        );
        const { args: containerArgs, options } = hardenedService({
            image: args.image,
            labels,
            owner,
            command: [
                ...["python", "-m", "model_server.schedule", "--cron", args.schedule, "--"],
                ...["mlflow", "run", `${projectPath}/python`, "--env-manager", "local", "--entry-point", "monitor"],
                ...Object.entries({
                    model: args.model,
                    alias: args.alias,
                    records: recordsPath,
                    minimum_samples: String(args.minimumSamples),
                    promote: args.promote,
                }).flatMap(([parameter, value]) => ["--param-list", `${parameter}=${value}`]),
            ],
            environment: {
                MLFLOW_TRACKING_URI: args.trackingUri,
                // `mlflow run` makes a run of its own; its user need not have rights on MLflow's default experiment.
                MLFLOW_EXPERIMENT_NAME: `monitor of ${args.model}`,
                HOME: secretsPath,
                PYTHONDONTWRITEBYTECODE: "1",
            },
            mounts: [
                { source: volume.name, path: projectPath, readOnly: true },
                { source: args.recordsVolume, path: recordsPath, readOnly: true },
                secretFiles.mount,
            ],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=512m" },
            network: { id: args.networkId, aliases: [] },
            memory: 2048,
            cpus: 1,
            ports: [],
            health: { command: ["test", "-f", "/tmp/next-run"], interval: 5, timeout: 5 },
            waitSeconds: 300,
            stopSeconds: 30,
        });
        new docker.Container(name, containerArgs, {
            ...options,
            dependsOn: [...secretFiles.consumerOptions.dependsOn, project, ...args.after],
            replaceWith: [...secretFiles.consumerOptions.replaceWith, project],
            parent: this,
        });
        this.registerOutputs({});
    }
}
