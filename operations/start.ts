/** `npm start`: the whole way from a fresh machine to a running, checked platform. */
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { buildTag, builds } from "../components/image.ts";
import { type Configuration, isLoopback, parseConfiguration, publishedPorts } from "../config.ts";
import { docker } from "../dockerCommand.ts";
import { checkReading, checkRoundTrip } from "./check.ts";
import { explanation } from "./explain.ts";
import { isLocal } from "../hostCheck.ts";
import { interrupted, stopIfInterrupted } from "./interruption.ts";
import type { Places } from "./places.ts";
import { type Choices, type Plan, confirmInstallation, planPlatform, setUpSteps, variablesOf } from "./platform.ts";
import { type Say, announced, runSteps } from "./progress.ts";
import { asTexts, readSettings, stackText } from "./stacks/stackFile.ts";
import { checkDisk, configurationOf, needed, settleObjects } from "./stackCheck.ts";
import { forwardCommand, reach } from "./reach.ts";
import { type Updated, changesInWords, update } from "./update.ts";
import { UserError } from "./userError.ts";
import { servedModelLines } from "./servedModel.ts";
import { openStack, stackFile, valuesOf } from "./workspace.ts";

/** Options of `npm start`. */
export interface StartOptions extends Choices {
    readonly stack: string;
    readonly explain?: boolean | undefined;
    /** Prints everything that Pulumi and the images' builds say. */
    readonly verbose?: boolean | undefined;
}

/** About how long each build takes on two cores the first time, in minutes. */
const buildMinutes = { seed: 0, postgres: 1, minio: 5, mlflow: 2, gateway: 3, model: 2 };

/** The images that a configuration uses and builds: those that the program makes for it. */
export function usedBuilds(configuration: Partial<Configuration>): (keyof typeof builds)[] {
    const { pgHost, minioHost, publicHost, modelServers = [] } = configuration;
    const used: Readonly<Record<keyof typeof builds, boolean>> = {
        seed: true,
        postgres: pgHost === undefined && configuration.postgresImage === undefined,
        minio: minioHost === undefined && configuration.minioImage === undefined,
        gateway: publicHost !== undefined && configuration.gatewayImage === undefined,
        mlflow: configuration.mlflowImage === undefined,
        model: modelServers.length > 0 && configuration.modelImage === undefined,
    };
    return (Object.keys(builds) as (keyof typeof builds)[]).filter((name) => used[name]);
}

/** Those of them that the engine does not have. */
async function missingBuilds(
    host: string | undefined,
    base: string | undefined,
    configuration: Partial<Configuration>,
): Promise<(keyof typeof builds)[]> {
    const format = "{{.Repository}}:{{.Tag}}";
    const there = host === undefined ? undefined : await docker(host, "image", "ls", "--format", format);
    const tags = new Set(there?.split("\n"));
    return usedBuilds(configuration).filter(
        (name) => !tags.has(buildTag(name, builds[name], configuration.baseImage ?? base).tag),
    );
}

/** A stack's configuration as far as its file tells it: nothing is opened for that, and nothing made. */
function configurationInFile(places: Places, stackName: string): Partial<Configuration> {
    const file = stackFile(places, stackName);
    const values = asTexts(readSettings(file, stackText(file) ?? "").plain);
    return parseConfiguration({ values, secrets: new Set() }).value;
}

/** The table at the end. */
export function summary(
    outputs: Readonly<Record<string, unknown>>,
    stackName: string,
    servedModels: readonly string[] = [],
    forward?: string,
): string {
    const uri = String(outputs.trackingUri);
    const rows = [
        ["MLflow", uri],
        // Somebody else's S3 store has a console of its own, if any.
        ...("minioConsoleUrl" in outputs ? [["MinIO console", String(outputs.minioConsoleUrl)]] : []),
        ...(forward === undefined ? [] : [["From here", forward]]),
        ["Credentials", `npm run --silent pulumi -- stack output --show-secrets --stack ${stackName}`],
        ...("adminUsername" in outputs
            ? [
                  ["Administrator", `${String(outputs.adminUsername)}, password in the output adminPassword`],
                  ["People", `npm run user -- add <name> --stack ${stackName}`],
              ]
            : []),
        ["Client", `eval "$(npm run --silent client-env -- --stack ${stackName})"`],
        ["Stop", `npm stop -- --stack ${stackName}`],
    ];
    return [
        ...rows.map(([name = "", value = ""]) => `${name.padEnd(14)} ${value}`),
        ...servedModels,
        "",
        "In a notebook with mlflow installed:",
        "",
        "import mlflow",
        `mlflow.set_tracking_uri("${uri}")`,
    ].join("\n");
}

/** How a client on this host gets to what is published on the loopback address of another one; undefined where that is not so. */
function forwardOf(configuration: Configuration, engine: string | undefined): string | undefined {
    const { bindAddress } = configuration;
    return engine === undefined || isLocal(engine) || !isLoopback(bindAddress)
        ? undefined
        : forwardCommand(engine, bindAddress, Object.values(publishedPorts(configuration)));
}

/** Looks at the platform as a client does. Returns what was seen, in words. */
async function check(
    result: Updated,
    configuration: Configuration,
    variables: Record<string, string>,
    say: Say,
): Promise<string> {
    const outputs = valuesOf(result.outputs);
    const engine = variables.DOCKER_HOST;
    try {
        return await reach(outputs, configuration, engine, async (way, through) => {
            const where = through ? " on the engine's host" : "";
            if (result.changes === 0) {
                await checkReading(way);
                return `it answers${where}`;
            }
            say(`logging a run with an artifact${where}, reading it back, deleting it`);
            await checkRoundTrip(way, configuration.artifactTransfer === "presigned");
            return `a run with an artifact came back${where}`;
        });
    } catch (error) {
        const client = isLocal(engine) ? "a client on this host" : "a client";
        throw new UserError(
            `The platform is up, but ${client} cannot use ${String(outputs.trackingUri)}: ${(error as Error).message}`,
            "See what the server says: docker logs --tail 50 <container of mlflow in docker ps>, and that nothing between " +
                "this host and its loopback address takes the requests.",
        );
    }
}

/** Runs the command. */
export async function start(options: StartOptions, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const plan = await announced("Looking at engine, tools and base image", async () =>
        planPlatform(places, env, options, options.stack),
    );
    const engineHost = plan.engine.action === "running" ? plan.engine.host : undefined;
    if (options.explain) {
        const toBuild = await missingBuilds(
            engineHost,
            plan.base.reference,
            configurationInFile(places, options.stack),
        );
        console.log(explanation(plan, places, variablesOf(plan, places, env), toBuild));
        return;
    }
    await confirmInstallation(plan);
    const found: { plan: Plan } = { plan };
    await runSteps(setUpSteps(plan, places, env, options, found));
    const variables = variablesOf(found.plan, places, env);

    let stack: Stack | undefined;
    let exported: Deployment | undefined;
    let configuration: Configuration | undefined;
    let toBuild: (keyof typeof builds)[] = [];
    await runSteps([
        {
            title: `Stack ${options.stack}`,
            run: async (say) => {
                stack = await openStack(places, options.stack, variables);
                exported = await settleObjects(stack, places, variables, say);
                configuration = await configurationOf(stack, variables, exported);
                toBuild = await missingBuilds(found.plan.engine.host, found.plan.base.reference, configuration);
                await checkDisk(
                    toBuild.some((name) => buildMinutes[name] > 0),
                    variables,
                    configuration,
                );
                stopIfInterrupted();
                return undefined;
            },
        },
    ]);
    if (stack === undefined || configuration === undefined) {
        throw new Error("no stack was opened");
    }
    const opened = stack;
    const configured: Configuration = configuration;
    // They are built side by side.
    const minutes = Math.max(0, ...toBuild.map((name) => buildMinutes[name]));
    if (minutes > 0) {
        console.log(
            `Images to build: ${toBuild.join(", ")}. The first time this takes about ${minutes} min on 2 cores and ${needed.builds} GiB of ` +
                "disk, caches included.",
        );
    }
    let result: Updated | undefined;
    await runSteps(
        [
            {
                title: "pulumi up",
                run: async (say) => {
                    result = await update(opened, places, variables, say, { verbose: options.verbose, exported });
                    return changesInWords(result);
                },
            },
            {
                title: "Check from outside",
                run: async (say) => (result === undefined ? undefined : check(result, configured, variables, say)),
            },
        ],
        options.verbose,
    );
    if (result === undefined || interrupted()) {
        throw new Error("interrupted");
    }
    const lines = await servedModelLines(options.stack, configured, variables);
    const forward = forwardOf(configured, variables.DOCKER_HOST);
    console.log(`\n${summary(valuesOf(result.outputs), options.stack, lines, forward)}`);
}
