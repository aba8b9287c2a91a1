/** What kinds of containers there are; the rules differ by them (components/hardened.ts makes them). */
import type { Resource } from "./resource.ts";

/** `service`: runs on. `job`: runs once. `seed`: never starts, and only carries files into a volume. */
export type ContainerKind = "service" | "job" | "seed";

/** The kind of a container; undefined for what is none, and for one that is going. */
export function containerKind({ type, inputs, op }: Resource): ContainerKind | undefined {
    if (type !== "docker:index/container:Container" || op === "delete") {
        return undefined;
    }
    if (inputs.start === false) {
        return "seed";
    }
    return inputs.mustRun === false ? "job" : "service";
}

/** Whether it is a container with a process. */
export function hasProcess(resource: Resource): boolean {
    return ["service", "job"].includes(containerKind(resource) ?? "");
}
