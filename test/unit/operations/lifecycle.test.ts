/** A step of the lifecycle: the container it runs in, what that is given, and how it ends. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { LifecycleOptions } from "../../../operations/lifecycle.ts";
import { Commands } from "../support/commands.ts";
import { engineElsewhere } from "../support/platform.ts";

type Lifecycle = typeof import("../../../operations/lifecycle.ts");
let lifecycleOf: Lifecycle["lifecycle"];
let opened: { stack: Stack; variables: Record<string, string> };
beforeAll(async () => {
    vi.doMock("../../../operations/stop.ts", () => ({ openExisting: () => Promise.resolve(opened) }));
    const played = "../../../operations/lifecycle.ts?played";
    lifecycleOf = ((await import(/* @vite-ignore */ played)) as Lifecycle).lifecycle;
});
afterAll(() => {
    vi.doUnmock("../../../operations/stop.ts");
});

let commands: Commands;
let project: string;
let said: string[];
beforeEach(() => {
    commands = new Commands();
    project = join(commands.directory, "an example");
    mkdirSync(join(project, "python"), { recursive: true });
    writeFileSync(join(project, "python", "MLproject"), "name: example\n");
    said = [];
    vi.spyOn(console, "log").mockImplementation((line) => said.push(String(line)));
});
afterEach(() => {
    process.exitCode = undefined;
    commands.remove();
    vi.restoreAllMocks();
});

const up = {
    trackingUri: "https://ml.example.com",
    adminUsername: "admin",
    adminPassword: "100 % hunter2",
};

async function run(
    options: Partial<LifecycleOptions> = {},
    configuration: Record<string, string> = {},
    outputs: Record<string, unknown> = up,
    env: NodeJS.ProcessEnv = {},
): Promise<void> {
    const stack = {
        name: "prod",
        getAllConfig: () =>
            Promise.resolve(
                Object.fromEntries(
                    Object.entries({ modelImage: "mlflow-platform/model:1", ...configuration }).map(([name, value]) => [
                        `mlflow-platform:${name}`,
                        { value },
                    ]),
                ),
            ),
        exportStack: () => Promise.resolve({ version: 3, deployment: { resources: [] } }),
        outputs: () =>
            Promise.resolve(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { value }]))),
    } as unknown as Stack;
    opened = { stack, variables: { ...commands.variables, DOCKER_HOST: engineElsewhere } };
    await lifecycleOf("train", { stack: "prod", param: [], project, memory: "4096", ...options }, commands.places, env);
}

/** What the container was given on its standard input, and the calls without the container's random name. */
function played(): string[] {
    return commands.calls().map((call) => call.replaceAll(/lifecycle-[0-9a-f]{8}/g, "lifecycle-x"));
}

function engine(): void {
    const input = join(commands.directory, "input");
    commands.add("docker", { create: "", cp: "", rm: "" });
    // The container keeps what it is given, and prints a line of MLflow's.
    const script = join(commands.directory, "bin", "docker");
    writeFileSync(
        script,
        `#!/bin/sh\necho "$*" >>'${join(commands.directory, "calls")}'\n` +
            `case "$1" in start) cat >'${input}'; echo "View run at: http://mlflow:5000/#/experiments/1"; exit 3;; esac\n`,
        { mode: 0o755 },
    );
}

describe("a step of the lifecycle", () => {
    it("runs in a container of the model image, hardened, on the stack's network, and passes its exit code on", async () => {
        engine();
        await run({ param: ["dataset=wine", "seed=7"] });
        const [look, create = "", copy, start, remove] = played();
        // What the engine has is not made.
        expect(look).toBe("image inspect mlflow-platform/model:1");
        const [options = "", rest = ""] = create.split(" mlflow-platform/model:1 ");
        expect(options).toBe(
            "create --interactive --init --name mlflow-platform-prod-lifecycle-x --network mlflow-platform-prod-backend " +
                "--user 1000:1000 --cap-drop ALL --security-opt no-new-privileges --memory 4096m --memory-swap 4096m " +
                "--env MLFLOW_TRACKING_URI=http://mlflow:5000 --env HOME=/tmp/home --env MLFLOW_EXPERIMENT_NAME=lifecycle " +
                "--env LIFECYCLE_EXIT_FILE=/tmp/exit-code " +
                "--env PYTHONDONTWRITEBYTECODE=1",
        );
        expect(rest).toMatch(/^sh -c umask 077/);
        expect(commands.calls().join("\n")).toContain(
            "lifecycle --entry-point train --param-list dataset=wine --param-list seed=7",
        );
        expect(played().join("\n")).toContain(`cp ${project}/. mlflow-platform-prod-lifecycle-x:/project`);
        expect(played().join("\n")).toContain("start --attach --interactive mlflow-platform-prod-lifecycle-x");
        expect(played().at(-1)).toBe("rm --force mlflow-platform-prod-lifecycle-x");
        expect([copy, start, remove]).not.toContain(undefined);
        expect(process.exitCode).toBe(3);
        expect(said).toEqual(["View run at: https://ml.example.com/#/experiments/1"]);
    });

    it("gets the administrator's credentials by its input alone, a percent sign as MLflow's file has it", async () => {
        engine();
        await run();
        expect(readFileSync(join(commands.directory, "input"), "utf8")).toBe(
            "[mlflow]\nmlflow_tracking_username = admin\nmlflow_tracking_password = 100 %% hunter2\n",
        );
        expect(commands.calls().join("\n")).not.toContain("hunter2");
    });

    it("gets a person's own credentials where the environment has them, and none without a login", async () => {
        engine();
        const input = () => readFileSync(join(commands.directory, "input"), "utf8");
        await run({}, {}, up, { MLFLOW_TRACKING_USERNAME: "ana", MLFLOW_TRACKING_PASSWORD: "ana's own" });
        expect(input()).toBe("[mlflow]\nmlflow_tracking_username = ana\nmlflow_tracking_password = ana's own\n");
        await run({}, { mlflowAuth: "false" });
        expect(input()).toBe("");
    });

    it("belongs to the experiment that a parameter names", async () => {
        engine();
        await run({ param: ["experiment=tumours"] });
        expect(commands.calls().join("\n")).toContain("--env MLFLOW_EXPERIMENT_NAME=tumours ");
    });

    it("may read the predictions of a served model: of the first, or of the one that is named", async () => {
        engine();
        const models = { modelServers: '[{"name":"iris","port":5100},{"name":"rent","port":5101}]' };
        await run({}, models);
        expect(commands.calls().join("\n")).toContain(
            "--volume mlflow-platform-prod-model-iris-records:/var/lib/records:ro mlflow-platform/model:1",
        );
        await run({ served: "rent" }, models);
        expect(commands.calls().join("\n")).toContain(
            "--volume mlflow-platform-prod-model-rent-records:/var/lib/records:ro mlflow-platform/model:1",
        );
        await expect(run({ served: "nobody" }, models)).rejects.toThrow('Stack prod serves no model "nobody"');
    });

    it("is refused where there is no project, or no platform, and nothing is started", async () => {
        engine();
        await expect(run({ project: "/nowhere" })).rejects.toThrow("There is no /nowhere/python/MLproject.");
        await expect(run({}, {}, {})).rejects.toThrow("Stack prod is not up.");
        expect(commands.calls()).toEqual([]);
    });
});
