/** The components in a program of somebody else: packed, installed beside it, type-checked and previewed. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { placesOf } from "../../../operations/places.ts";
import { cliRoot, pulumiVariables } from "../../../operations/workspace.ts";
import { Checkout } from "../support/checkout.ts";

const stack = "dev";

let checkout: Checkout;
let root: string;
let program: string;

beforeAll(async () => {
    checkout = await Checkout.make();
    root = mkdtempSync(join(tmpdir(), "mlflow-platform-package-"));
    program = join(root, "teams");
    cpSync(join(checkout.directory, "examples/teams"), program, { recursive: true });
    const packed = await execa("npm", ["pack", "--json", "--pack-destination", root], { cwd: checkout.directory });
    const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf("["))) as [{ filename: string }];
    await execa(
        "npm",
        ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", join(root, filename)],
        {
            cwd: program,
        },
    );
});
afterAll(() => {
    checkout.remove();
    rmSync(root, { recursive: true, force: true });
});

it("its types are those of the source", async () => {
    const options = {
        strict: true,
        module: "nodenext",
        target: "es2022",
        noEmit: true,
        allowImportingTsExtensions: true,
    };
    writeFileSync(
        join(program, "tsconfig.json"),
        JSON.stringify({
            compilerOptions: { ...options, skipLibCheck: true, types: ["node"] },
            include: ["*.ts"],
        }),
    );
    const tsc = join(checkout.directory, "node_modules/typescript/bin/tsc");
    await execa("node", [tsc, "--project", program]);
    const platform = join(program, "teamPlatform.ts");
    const content = readFileSync(platform, "utf8");
    writeFileSync(platform, content.replace("port: 5432", 'port: "5432"'));
    try {
        const { stdout } = await execa("node", [tsc, "--project", program], { reject: false });
        expect(stdout).toMatch(/Type 'string' is not assignable to type 'number'/);
    } finally {
        writeFileSync(platform, content);
    }
});

it("previews the example: all of it for each team, and the images once", async () => {
    const env = {
        ...checkout.env,
        PULUMI_BACKEND_URL: `file://${root}`,
        PULUMI_CONFIG_PASSPHRASE: "of the example",
        PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
    };
    const places = placesOf(env);
    const variables = pulumiVariables(places, env, { dockerHost: process.env.DOCKER_HOST });
    const pulumi = async (...args: string[]) =>
        execa(join(cliRoot(places), "bin", "pulumi"), [...args, "--stack", stack], {
            cwd: program,
            env: { ...env, ...variables },
            extendEnv: false,
        });
    await pulumi("stack", "init");
    const { stdout } = await pulumi("preview", "--json");
    const { steps } = JSON.parse(stdout) as {
        steps: { op: string; urn: string; newState: { inputs: Record<string, unknown> } }[];
    };
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(["create", "read"]));
    const created = (type: string) =>
        steps
            .filter(({ urn }) => (urn.split("::")[2] ?? "").endsWith(`:${type}`))
            .map(({ urn, newState }) => ({ name: urn.split("::")[3] ?? "", inputs: newState.inputs }));
    const teams = ["vision", "speech"];
    for (const [type, suffixes] of Object.entries({
        "network:Network": [""],
        "volume:Volume": [
            "-postgres-data",
            "-minio-data",
            "-postgres-secrets",
            "-minio-secrets",
            "-minio-provision-secrets",
            "-mlflow-secrets",
            "-mlflow-migrate-secrets",
            "-mlflow-transfers",
        ],
    })) {
        const wanted = teams.flatMap((team) => suffixes.map((suffix) => `${team}${suffix}`));
        expect(created(type.slice(type.indexOf(":") + 1)).map(({ name }) => name)).toEqual(
            expect.arrayContaining(wanted),
        );
    }
    const containers = created("Container");
    const published = (name: string) =>
        (containers.find((container) => container.name === name)?.inputs.ports as { external: number }[]).map(
            ({ external }) => external,
        );
    expect([published("vision-mlflow"), published("vision-minio")]).toEqual([[5100], [5101, 5102]]);
    expect([published("speech-mlflow"), published("speech-minio")]).toEqual([[5110], [5111, 5112]]);
    const images = created("RemoteImage").map(({ name, inputs }) => [name, inputs.build]);
    expect(images.map(([name]) => name).sort()).toEqual(["minio", "mlflow", "postgres", "seed"]);
    for (const [, build] of images) {
        expect((build as { context: string }).context).toMatch(/^node_modules\/mlflow-platform\/images\/\w+$/);
    }
});

it("is not taken for the program once it has been packed", async () => {
    const { code, output } = await checkout.run("preview", ["--stack", stack]);
    expect(code).toBe(0);
    expect(output).toContain("container mlflow-migrate");
    expect(output).not.toContain("entry point");
});
