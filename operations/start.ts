/** `npm start`: the whole way from a fresh machine to a running, checked platform. */
import { execa } from "execa";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { buildTag, builds } from "../components/image.ts";
import { type Configuration, isLoopback, publishedPorts } from "../config.ts";
import { checkReading, checkRoundTrip } from "./check.ts";
import { explanation } from "./explain.ts";
import { isLocal } from "../hostCheck.ts";
import { interrupted, stopIfInterrupted } from "./interruption.ts";
import type { Places } from "./places.ts";
import { type Choices, type Plan, confirmInstallation, planPlatform, setUpSteps, variablesOf } from "./platform.ts";
import { runSteps, type Say } from "./progress.ts";
import { checkDisk, configurationOf, needed, settleObjects } from "./stackCheck.ts";
import { forwardCommand, reach } from "./reach.ts";
import { type Updated, changesInWords, update } from "./update.ts";
import { UserError } from "./userError.ts";
import { servedModelLines } from "./servedModel.ts";
import { openStack, valuesOf } from "./workspace.ts";

/** Options of `npm start`. */
export interface StartOptions extends Choices {
    readonly stack: string;
    readonly explain?: boolean | undefined;
}

/** About how long each build takes on two cores the first time, in minutes. */
const buildMinutes: Readonly<Record<string, number>> = { postgres: 1, minio: 5, mlflow: 2, gateway: 3, model: 2 };

/** The builds whose result the engine does not have. */
async function missingBuilds(
    host: string | undefined,
    base: string | undefined,
    configuration: Partial<Configuration>,
): Promise<string[]> {
    const replaced: Readonly<Record<string, string | undefined>> = {
        postgres: configuration.postgresImage,
        minio: configuration.minioImage,
        mlflow: configuration.mlflowImage,
        gateway: configuration.gatewayImage,
        model: configuration.modelImage,
    };
    const missing: string[] = [];
    const wanted = Object.entries(builds).filter(
        ([name]) => name !== "gateway" || configuration.publicHost !== undefined,
    );
    for (const [name, build] of wanted) {
        const { tag } = buildTag(name, build, configuration.baseImage ?? base);
        const there =
            replaced[name] !== undefined ||
            (host !== undefined &&
                (await execa("docker", ["--host", host, "image", "inspect", tag], { reject: false })).exitCode === 0);
        if (!there) {
            missing.push(name);
        }
    }
    return missing;
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
    const plan = await planPlatform(places, env, options, options.stack);
    const engineHost = plan.engine.action === "running" ? plan.engine.host : undefined;
    if (options.explain) {
        const toBuild = await missingBuilds(engineHost, plan.base.reference, {});
        console.log(explanation(plan, places, variablesOf(plan, places, env), toBuild));
        return;
    }
    await confirmInstallation(plan);
    const found: { plan: Plan } = { plan };
    await runSteps(setUpSteps(plan, places, env, options, found));
    const variables = variablesOf(found.plan, places, env);

    let stack: Stack | undefined;
    let configuration: Configuration | undefined;
    let toBuild: string[] = [];
    await runSteps([
        {
            title: `Stack ${options.stack}`,
            run: async (say) => {
                stack = await openStack(places, options.stack, variables);
                await settleObjects(stack, places, variables, say);
                configuration = await configurationOf(stack, variables);
                toBuild = await missingBuilds(found.plan.engine.host, found.plan.base.reference, configuration);
                await checkDisk(
                    toBuild.some((name) => name in buildMinutes),
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
    const minutes = Math.max(0, ...toBuild.map((name) => buildMinutes[name] ?? 0));
    if (minutes > 0) {
        console.log(
            `Images to build: ${toBuild.join(", ")}. The first time this takes about ${minutes} min on 2 cores and ${needed.builds} GiB of ` +
                "disk, caches included.",
        );
    }
    let result: Updated | undefined;
    await runSteps([
        {
            title: "pulumi up",
            run: async (say) => {
                result = await update(opened, places, variables, say);
                return changesInWords(result);
            },
        },
        {
            title: "Check from outside",
            run: async (say) => (result === undefined ? undefined : check(result, configured, variables, say)),
        },
    ]);
    if (result === undefined || interrupted()) {
        throw new Error("interrupted");
    }
    const lines = await servedModelLines(options.stack, configured, variables);
    const forward = forwardOf(configured, variables.DOCKER_HOST);
    console.log(`\n${summary(valuesOf(result.outputs), options.stack, lines, forward)}`);
}
