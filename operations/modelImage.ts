/** The model image, for `npm run lifecycle`. A stack makes it only where it serves a model. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { writeBuildSecrets } from "../components/buildSecrets.ts";
import { Image, buildTag, builds } from "../components/image.ts";
import type { Configuration } from "../config.ts";
import { planBase, provideBase } from "./baseImage.ts";
import { ended, stopIfInterrupted } from "./interruption.ts";
import type { Places } from "./places.ts";
import { choicesOf } from "./platform.ts";
import { inProjectCopy, throwAwayVariables } from "./preview/previewWorkspace.ts";
import { type Say, sayOnError } from "./progress.ts";
import { checkDisk } from "./stackCheck.ts";
import { UpdateProgress } from "./updateProgress.ts";
import { UserError } from "./userError.ts";
import { openWorkspace } from "./workspace.ts";

/**
 * Makes the image where the engine does not have it, as an update would: by the same component, in a stack of its own whose state is
 * thrown away. Returns its reference. Throws a UserError where it cannot be made.
 */
export async function provideModelImage(
    configuration: Configuration,
    places: Places,
    variables: Record<string, string>,
    env: NodeJS.ProcessEnv,
    say: Say = sayOnError,
): Promise<string> {
    const { baseImage } = configuration;
    const reference = configuration.modelImage ?? buildTag("model", builds.model, baseImage).tag;
    const there = await execa("docker", ["image", "inspect", reference], { env: variables, reject: false });
    if (there.exitCode === 0) {
        return reference;
    }
    say(`making the model image ${reference}, which the engine does not have`);
    if (configuration.modelImage === undefined) {
        await checkDisk(true, variables, configuration);
        const engine = { host: variables.DOCKER_HOST ?? "" };
        await provideBase(await planBase(places, env, engine, choicesOf(env).base), places, variables, say);
        writeBuildSecrets(places.project, env);
    }
    const progress = new UpdateProgress(say, { period: 15 });
    try {
        await inProjectCopy(places, async (directory) => {
            const own = {
                ...throwAwayVariables(variables, directory),
                ...(variables.DOCKER_HOST === undefined ? {} : { DOCKER_HOST: variables.DOCKER_HOST }),
            };
            mkdirSync(join(directory, ".backend"));
            const stack = await Stack.create("model-image", await openWorkspace(places, own, directory));
            await stack.up({
                program: () => {
                    new Image("model", { build: builds.model, reference: configuration.modelImage, baseImage });
                    return Promise.resolve();
                },
                onEvent: progress.take,
                signal: ended,
                color: "never",
            });
        });
        stopIfInterrupted();
        return reference;
    } catch (error) {
        stopIfInterrupted();
        throw new UserError(
            `The model image could not be made:\n${progress.errors.length > 0 ? progress.errors.join("\n") : String(error)}`,
            "Mend what it says and run this again.",
        );
    } finally {
        progress.stop();
    }
}
