/** The two platforms that many test files share, in one copy of the checkout with one state. */
import { readFileSync, readdirSync } from "node:fs";
import { execa } from "execa";
import type { ProvidedContext } from "vitest";
import type { TestProject } from "vitest/node";
import { buildTag, builds } from "../../../components/image.ts";
import { stacksIn } from "../../../operations/backend.ts";
import { placesOf } from "../../../operations/places.ts";
import { Checkout } from "./checkout.ts";
import { services } from "./engine.ts";
import { type Platform, makeGenerated, makePlanted } from "./platforms.ts";
import { python } from "./python.ts";

declare module "vitest" {
    export interface ProvidedContext {
        /** The copy that the shared platforms are made in; a file may make stacks of its own there. */
        checkout: { directory: string; stateHome: string };
        generated: Platform;
        planted: Platform;
        /** Arguments of every process that was seen while `planted` was made. */
        seenArguments: string[];
    }
}

/** Collects the arguments of all processes on this host until it is stopped. */
function watchArguments(): { stop: () => string[] } {
    const seen = new Set<string>();
    const timer = setInterval(() => {
        for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
            try {
                seen.add(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
            } catch {
                // It ended in between.
            }
        }
    }, 20);
    return {
        stop: () => {
            clearInterval(timer);
            return [...seen];
        },
    };
}

/** Whether the engine has the images of a platform: two first starts at once would build each of them twice. */
async function imagesAreThere(): Promise<boolean> {
    const tags = services.map((name) => buildTag(name, builds[name], process.env.MLFLOW_PLATFORM_BASE_IMAGE).tag);
    return (await execa("docker", ["image", "inspect", ...tags], { reject: false })).exitCode === 0;
}

/** Makes what is wanted and provides it to the files. Returns what takes it down. */
export async function provideShared(
    project: TestProject,
    wanted: ReadonlySet<keyof ProvidedContext>,
): Promise<() => Promise<void>> {
    const checkout = await Checkout.make();
    project.provide("checkout", { directory: checkout.directory, stateHome: checkout.stateHome });
    const teardown = async () => {
        await Promise.all(stacksIn(placesOf(checkout.env).backend).map((stack) => checkout.ok("delete-data", [stack])));
        checkout.remove();
    };
    try {
        const generated = async () => {
            if (wanted.has("generated")) {
                project.provide("generated", await makeGenerated(checkout));
            }
        };
        const planted = async () => {
            if (wanted.has("planted") || wanted.has("seenArguments")) {
                const watch = watchArguments();
                project.provide("planted", await makePlanted(checkout));
                project.provide("seenArguments", watch.stop());
            }
        };
        // The client that nearly every file calls.
        await python();
        if (!(await imagesAreThere())) {
            await generated();
            await planted();
        } else {
            // Both to their end: what is taken down after a failure must not be under way.
            const failed = (await Promise.allSettled([generated(), planted()])).find(
                ({ status }) => status === "rejected",
            );
            if (failed !== undefined) {
                throw (failed as PromiseRejectedResult).reason;
            }
        }
    } catch (error) {
        await teardown();
        throw error;
    }
    return teardown;
}
