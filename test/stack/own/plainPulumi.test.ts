/** The program by Pulumi's CLI alone, after `npm ci` in a clone: with none of this project's commands. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { placesOf } from "../../../operations/places.ts";
import { cliRoot } from "../../../operations/workspace.ts";
import { Checkout } from "../support/checkout.ts";
import { containersOf, dataVolumes, docker } from "../support/engine.ts";
import { nodeDirectory } from "../support/nodes.ts";
import { freePorts } from "../support/platforms.ts";

const stack = `bare-${randomBytes(2).toString("hex")}`;
const places = placesOf(process.env);

let checkout: Checkout;
let ports: number[];

/** Runs `pulumi` as a shell would, with a backend, a passphrase and a Node.js of the user's own. */
async function pulumi(args: readonly string[], input = "", ...node: string[]): Promise<string> {
    const { stdout } = await execa("pulumi", args, {
        cwd: checkout.directory,
        env: {
            ...checkout.env,
            PATH: [...node, join(cliRoot(places), "bin"), process.env.PATH].join(delimiter),
            PULUMI_HOME: places.pulumiHome,
            PULUMI_BACKEND_URL: `file://${join(dirname(checkout.directory), "backend")}`,
            PULUMI_CONFIG_PASSPHRASE: "a passphrase of one's own",
            PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
            PULUMI_SKIP_UPDATE_CHECK: "true",
        },
        extendEnv: false,
        input,
    });
    return stdout;
}

beforeAll(async () => {
    checkout = await Checkout.make();
    mkdirSync(join(dirname(checkout.directory), "backend"));
    ports = await freePorts(3);
    await pulumi(["stack", "init", stack]);
});
afterAll(async () => {
    await pulumi(["state", "unprotect", "--all", "--yes"]);
    await pulumi(["destroy", "--yes"]);
    await pulumi(["stack", "rm", "--yes"]);
    expect(await docker("volume", "ls", "--quiet", "--filter", `label=mlflow-platform.stack=${stack}`)).toBe("");
    checkout.remove();
});

it("is configured and previewed", async () => {
    const [mlflow, s3, console] = ports;
    await pulumi(["config", "set", "--secret", "pgPassword"], "a password of one's own");
    await pulumi(["config", "set", "mlflowAuth", "false"]);
    await pulumi(["config", "set", "mlflowPort", String(mlflow)]);
    await pulumi(["config", "set", "minioPort", String(s3)]);
    await pulumi(["config", "set", "minioConsoleAddress", `:${console}`]);
    const { steps } = JSON.parse(await pulumi(["preview", "--json"])) as { steps: { op: string; urn: string }[] };
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(["create", "read"]));
    expect(steps.filter(({ urn }) => urn.includes("$docker:index/container:Container::")).length).toBe(10);
});

// 24 is what runs all the rest.
it.each(process.env.MLFLOW_PLATFORM_TEST_LONG ? ["22.22.2", "26.12.1"] : ["22.22.2"])(
    "is previewed by Node.js %s",
    async (version) => {
        await pulumi(["preview", "--json"], "", await nodeDirectory(version));
    },
);

it("says so where the first Node.js on the PATH is too old", async () => {
    const node = await nodeDirectory("18.20.8");
    await expect(pulumi(["preview"], "", node)).rejects.toMatchObject({
        stdout: expect.stringContaining(
            `Node.js 18.20.8 is too old for this program (${join(node, "node")}).\n`,
        ) as unknown,
    });
});

it("is run by the project's commands on such a Node.js, too: they fetch another, once", async () => {
    const env = {
        PATH: [await nodeDirectory("18.20.8"), process.env.PATH].join(delimiter),
        XDG_CACHE_HOME: join(dirname(checkout.directory), "cache"),
    };
    const first = await checkout.run("pulumi", ["version"], env);
    expect(first).toEqual({
        code: 0,
        output: expect.stringMatching(/^Node\.js 18\.20\.8 is too old: fetching .* …\nv3\.[0-9.]+\n$/) as unknown,
    });
    const second = await checkout.run("pulumi", ["version"], env);
    expect(second).toEqual({ code: 0, output: expect.stringMatching(/^v3\.[0-9.]+\n$/) as unknown });
});

it("comes up, answers, and then has nothing to change", async () => {
    await pulumi(["up", "--yes"]);
    const uri = await pulumi(["stack", "output", "trackingUri"]);
    expect(uri).toBe(`http://127.0.0.1:${ports[0]}`);
    const response = await fetch(`${uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default`);
    expect(await response.json()).toMatchObject({ experiment: { experiment_id: "0", name: "Default" } });
    await expect(pulumi(["stack", "output", "pgUri", "--show-secrets"])).resolves.toContain(
        encodeURIComponent("a password of one's own"),
    );
    await pulumi(["preview", "--expect-no-changes"]);
});

it("goes, and its data stays", async () => {
    const before = await dataVolumes(stack);
    await pulumi(["destroy", "--yes", "--exclude-protected"]);
    expect(await containersOf(stack)).toEqual([]);
    expect(await dataVolumes(stack)).toEqual(before);
});
