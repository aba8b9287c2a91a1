/** The Debian image that builds start from: the pinned official one, or one made from Debian packages. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { writeBuildSecrets } from "../components/buildSecrets.ts";
import { buildTag, builds } from "../components/image.ts";
import { docker } from "../dockerCommand.ts";
import { dockerfileBase, shellImage } from "../engineHost.ts";
import { isLocal } from "../hostCheck.ts";
import { installPackages } from "./engine.ts";
import { type Places, projectName } from "./places.ts";
import type { Say } from "./progress.ts";
import { ask } from "./reachability.ts";
import { UserError } from "./userError.ts";

/** Where the base comes from. */
export type BaseSource = "registry" | "packages";

/** What builds start from, and why. */
export interface BasePlan {
    readonly source: BaseSource | "environment";
    /** Reference, where it is not the one that the Dockerfiles pin. */
    readonly reference?: string | undefined;
    readonly ready: boolean;
    readonly reason: string;
}

/** The reference that the Dockerfiles pin. */
export function pinnedBase(places: Places): string {
    return dockerfileBase(join(places.project, "images/postgres/Dockerfile"));
}

/** Tag of the base made from packages: its content follows from the script that makes it. */
export function packagesBase(places: Places): string {
    const script = readFileSync(join(places.project, "images/debian/build"));
    const hash = createHash("sha256").update(script).digest("hex").slice(0, 12);
    return `${projectName}/debian:trixie-${hash}`;
}

/** Registry of a reference: the part before the first slash if it looks like a host, else Docker Hub's. */
function registryOf(reference: string): string {
    const first = reference.split("/")[0] ?? "";
    return reference.includes("/") && /[.:]/.test(first) ? first : "registry-1.docker.io";
}

/** Decides without changing anything. `engine` is undefined while there is none to ask for its images. */
export async function planBase(
    places: Places,
    env: NodeJS.ProcessEnv,
    engine: { host: string } | undefined,
    forced: BaseSource | undefined,
): Promise<BasePlan> {
    const given = env.MLFLOW_PLATFORM_BASE_IMAGE;
    if (given && forced === undefined) {
        return {
            source: "environment",
            reference: given,
            ready: true,
            reason: `MLFLOW_PLATFORM_BASE_IMAGE names ${given}`,
        };
    }
    const there = async (reference: string) =>
        engine !== undefined &&
        (await execa("docker", ["--host", engine.host, "image", "inspect", reference], { reject: false })).exitCode ===
            0;
    const pinned = pinnedBase(places);
    const made = packagesBase(places);
    // BuildKit keeps the base to itself, so what was built from it counts as well: without a network nothing changes.
    const built = buildTag("postgres", builds.postgres).tag;
    if (forced === "registry") {
        return { source: "registry", ready: false, reason: "asked for" };
    }
    for (const known of forced === undefined ? [pinned, built] : []) {
        if (await there(known)) {
            return { source: "registry", ready: true, reason: `the engine has ${known}` };
        }
    }
    if (forced === "packages" || (await there(made))) {
        const reason = forced === undefined ? `the engine has ${made}` : "asked for";
        return { source: "packages", reference: made, ready: await there(made), reason };
    }
    return "status" in (await ask(`https://${registryOf(pinned)}/v2/`))
        ? { source: "registry", ready: false, reason: `${registryOf(pinned)} answers` }
        : {
              source: "packages",
              reference: made,
              ready: false,
              reason: `${registryOf(pinned)} does not answer; it is made from Debian packages (about a minute, 80 MB)`,
          };
}

/**
 * Gives an engine that is elsewhere and has nothing yet the image from which it is looked at (engineHost.ts). Without one, what
 * only its host knows is not looked at.
 */
async function provideLookers(base: string, variables: Record<string, string>, say: Say): Promise<void> {
    const engine = variables.DOCKER_HOST;
    if (isLocal(engine) || (await shellImage(engine, { baseImage: base })) !== undefined) {
        return;
    }
    say(`pulling ${base}, to look at the engine's host with`);
    if ((await docker(engine, "pull", "--quiet", base)) === undefined) {
        say(`the engine cannot pull ${base}: ports, directories and the disk of its host are not looked at beforehand`);
    }
}

/** Makes the plan true. A base from a registry is pulled by the builds themselves. */
export async function provideBase(
    plan: BasePlan,
    places: Places,
    variables: Record<string, string>,
    say: Say,
): Promise<void> {
    if (plan.source !== "packages") {
        await provideLookers(plan.reference ?? pinnedBase(places), variables, say);
    }
    if (plan.source !== "packages" || plan.ready || plan.reference === undefined) {
        return;
    }
    if ((await execa("sh", ["-c", "command -v mmdebstrap"], { reject: false })).exitCode !== 0) {
        if (process.getuid?.() !== 0) {
            throw new UserError(
                "No image registry answers, and the base image cannot be made from Debian packages: mmdebstrap is missing.",
                "Install it (sudo apt-get install mmdebstrap), or name a Debian 13 image that the engine can get by " +
                    "MLFLOW_PLATFORM_BASE_IMAGE.",
            );
        }
        await installPackages(["mmdebstrap"], say);
    }
    const { aptSources } = writeBuildSecrets(places.project, process.env);
    const since = Date.now();
    const report = setInterval(() => {
        say(
            `making the base image from Debian packages, ${Math.round((Date.now() - since) / 1000)} s so far (about 60)`,
        );
    }, 10_000);
    try {
        say("making the base image from Debian packages (about 60 s)");
        const result = await execa("bash", [join(places.project, "images/debian/build"), plan.reference], {
            env: { ...variables, SOURCES_FILE: aptSources },
            all: true,
            reject: false,
        });
        if (result.exitCode !== 0) {
            throw new UserError(
                `The base image could not be made:\n${result.all.split("\n").slice(-10).join("\n")}`,
                "Check that this host reaches a Debian mirror, or name a Debian 13 image by MLFLOW_PLATFORM_BASE_IMAGE.",
            );
        }
    } finally {
        clearInterval(report);
    }
}
