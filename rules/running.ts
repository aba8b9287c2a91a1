/** Rules about how a container runs: what it may take of the host, how its failure is seen and mended, how much it logs. */
import { containerKind, hasProcess } from "./container.ts";
import { type Rule, isRecord, isUnknown, texts } from "./resource.ts";

const memoryLimit: Rule = {
    id: "memory-limit",
    title: "A container's memory is limited, without swap beside it.",
    reason: "One service that grows would take the others and the host along; unset, the engine gives as much swap again.",
    cure: "Set `memory`, and `memorySwap` to the same number (MiB): keys such as mlflowMemory.",
    found: (resource) => {
        const { memory, memorySwap } = resource.inputs;
        if (!hasProcess(resource) || isUnknown(memory) || isUnknown(memorySwap)) {
            return [];
        }
        if (typeof memory !== "number" || memory <= 0) {
            return ["`memory` is not set"];
        }
        return memorySwap === memory
            ? []
            : [
                  `\`memorySwap\` is ${typeof memorySwap === "number" ? memorySwap : "not set"}, and \`memory\` ${memory}`,
              ];
    },
};

const cpuLimit: Rule = {
    id: "cpu-limit",
    title: "A container's CPU time is limited.",
    reason: "One that is busy must not starve the others.",
    cure: "Set `cpus`: keys such as mlflowCpus.",
    found: (resource) =>
        !hasProcess(resource) || Number(resource.inputs.cpus) > 0 || isUnknown(resource.inputs.cpus)
            ? []
            : ["`cpus` is not set"],
};

const healthCheck: Rule = {
    id: "health-check",
    title: "A container that runs on has a health check, and an update waits for it.",
    reason: "Running is not working: an update is green only when what it made answers.",
    cure: "Set `healthcheck.tests` to a probe, and `wait` true.",
    found: (resource) => {
        const { healthcheck, wait } = resource.inputs;
        if (containerKind(resource) !== "service" || isUnknown(healthcheck)) {
            return [];
        }
        const tests = texts(isRecord(healthcheck) ? healthcheck.tests : undefined);
        if (tests.length === 0 || tests[0] === "NONE") {
            return ["`healthcheck` has no test"];
        }
        return wait === true ? [] : ["`wait` is not true: no update waits for the health check"];
    },
};

const restartPolicy: Rule = {
    id: "restart-policy",
    title: "A container that runs on starts again after a failure and after the host's restart.",
    reason: "Nobody is there at night.",
    cure: "Set `restart` to unless-stopped.",
    found: (resource) => {
        const { restart } = resource.inputs;
        return containerKind(resource) !== "service" ||
            isUnknown(restart) ||
            ["unless-stopped", "always"].includes(String(restart))
            ? []
            : [`\`restart\` is ${typeof restart === "string" ? restart : "not set"}`];
    },
};

const logRotation: Rule = {
    id: "log-rotation",
    title: "A container's log is rotated.",
    reason: "The engine's default keeps it without bound, until the disk is full and everything stops.",
    cure: "Set `logOpts` to max-size and max-file, with `logDriver` json-file or local.",
    found: (resource) => {
        const { logDriver = "json-file", logOpts } = resource.inputs;
        // Other drivers send the log to somebody who keeps it; `local` rotates by itself.
        if (containerKind(resource) === undefined || logDriver !== "json-file" || isUnknown(logOpts)) {
            return [];
        }
        const set = isRecord(logOpts) ? logOpts : {};
        return ["max-size", "max-file"]
            .filter((option) => !(option in set))
            .map((option) => `\`logOpts\` has no ${option}`);
    },
};

export const runningRules: readonly Rule[] = [memoryLimit, cpuLimit, healthCheck, restartPolicy, logRotation];
