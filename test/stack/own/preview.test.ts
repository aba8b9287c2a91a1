/** `npm run preview`, `npm run drift` and the policy pack on real stacks; and previews of a clone that has neither state nor engine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourcesOf } from "../../../operations/engineObjects.ts";
import type { StackPreview } from "../../../operations/preview/previewSummary.ts";
import { Checkout } from "../support/checkout.ts";
import { container, dataVolumes, docker, healthy, identities } from "../support/engine.ts";
import { own } from "../support/own.ts";
import { makeGenerated } from "../support/platforms.ts";

const { checkout, made: platform } = await own(makeGenerated);
const { stack, ports } = platform;

/** The stack's file in the backend, byte by byte. */
const stateFile = (stateHome: string) =>
    readFileSync(
        join(stateHome, "mlflow-platform", "backend", ".pulumi", "stacks", "mlflow-platform", `${stack}.json`),
        "utf8",
    );

/** The stacks' files of a checkout. */
const stackFiles = ({ directory }: Checkout) =>
    Object.fromEntries(
        readdirSync(directory)
            .filter((name) => /^Pulumi\..*yaml$/.test(name))
            .map((name) => [name, readFileSync(join(directory, name), "utf8")]),
    );

const temporary = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
afterAll(() => {
    rmSync(temporary, { recursive: true });
});

/** Runs it with --json; returns how it ended and the one stack's preview. */
async function previewOf(place: Checkout, args: readonly string[] = []) {
    const file = join(temporary, "preview.json");
    const { code, output } = await place.run("preview", ["--stack", stack, "--json", "--out", file, ...args]);
    const { stacks } = JSON.parse(readFileSync(file, "utf8")) as { stacks: StackPreview[] };
    const [preview] = stacks;
    if (preview === undefined) {
        throw new Error(output);
    }
    return { code, output, preview };
}

/** "op name" of each change. */
const named = ({ changes }: StackPreview) => changes.map(({ op, name }) => `${op} ${name}`).sort();

describe("npm run preview of a stack that runs", () => {
    it("finds no change right after the update, keeps every rule, and writes nothing", async () => {
        const before = [stackFiles(checkout), stateFile(platform.stateHome), await identities(stack)];
        const { code, preview } = await previewOf(checkout, ["--detailed-exitcode"]);
        expect(preview).toMatchObject({ basis: { kind: "state" }, changes: [], violations: [], errors: [] });
        expect(preview.unchanged).toBeGreaterThan(30);
        expect(code).toBe(0);
        expect([stackFiles(checkout), stateFile(platform.stateHome), await identities(stack)]).toEqual(before);
    });

    it("shows a changed memory as an update, with both values, and ends with 2 where that is asked for", async () => {
        await checkout.configured(stack, { minioMemory: "1100" }, async () => {
            const { code, preview } = await previewOf(checkout, ["--detailed-exitcode"]);
            expect(named(preview)).toEqual(["update minio"]);
            expect(preview.changes[0]?.differences).toContainEqual({
                path: "memory",
                before: "1024",
                after: "1100",
                replaces: false,
            });
            expect(code).toBe(2);
        });
    });

    it("shows a changed port and a secret as replacements in bold, why, which container follows, and no value", async () => {
        const values = { mlflowPort: "5998", minioRootPassword: "hunter2 hunter2" };
        await checkout.configured(stack, values, async () => {
            const { code, output } = await checkout.run("preview", ["--stack", stack, "--explain"]);
            expect(code).toBe(0);
            expect(output).toContain("**5 to replace**");
            expect(output).toContain(
                `| **replace** | **container mlflow** | \`ports[0].external\` \`${ports.mlflow}\` → \`5998\` (not in place) |`,
            );
            expect(output).toMatch(/- container mlflow is stopped, removed and made anew \(.*\), because `ports/);
            expect(output).toContain("- `non-root-user`: ");
            expect(output).not.toMatch(/_data|CAUTION/);
            expect(output).toContain("container minio-secrets-seed gets other files, because `uploads`");
            expect(output).toContain("because container minio-secrets-seed is made anew");
            expect(output).not.toContain("hunter2");
        });
    });

    it("says in words what the program refuses, with exit code 1", async () => {
        await checkout.configured(stack, { minioVolumeName: "other" }, async () => {
            const { code, output } = await checkout.run("preview", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain("**The preview failed:**");
            expect(output).toContain(
                "minioVolumeName: this stack's artifacts are in the stack's own volume minio_data",
            );
        });
    });

    it("names a broken rule with its cure, with exit code 1", async () => {
        await checkout.configured(stack, { postgresImage: "registry.example.com/postgres:17" }, async () => {
            const { code, preview } = await previewOf(checkout);
            expect(code).toBe(1);
            expect(preview.violations.map(({ rule, resource }) => `${rule} ${resource}`).sort()).toEqual([
                "pinned-image container postgres",
                "pinned-image image postgres",
            ]);
        });
    });

    it("says of a stack that there is none of, and goes on with the others", async () => {
        const { code, output } = await checkout.run("preview", ["--stack", "nobody", "--stack", stack]);
        expect(code).toBe(1);
        expect(output).toContain(
            "There is no stack nobody: no Pulumi.nobody.yaml here, and the backend has no stack nobody.",
        );
        expect(output).toContain(`## Stack ${stack}\n\n0 to create, 0 to update, 0 to replace, 0 to delete`);
    });
});

describe("a data volume that an update would replace", () => {
    it("is a caution on top, whether Pulumi's protection refuses it or not", async () => {
        // The program refuses every such configuration by the last update's record; here the record is missing.
        const stateHome = join(temporary, "state");
        cpSync(platform.stateHome, stateHome, { recursive: true });
        const copy = Checkout.at(platform.directory, stateHome);
        const before = await dataVolumes(stack);
        const edited = await copy.state(stack);
        const resources = resourcesOf(edited) as { type: string; outputs: object; protect?: boolean; urn: string }[];
        for (const resource of resources.filter(({ type }) => type === "pulumi:pulumi:Stack")) {
            resource.outputs = {};
        }
        for (const isProtected of [true, false]) {
            for (const resource of resources.filter(({ urn }) => urn.endsWith("volume:Volume::minio_data"))) {
                resource.protect = isProtected;
            }
            expect(await copy.cli(stack, ["stack", "import"], JSON.stringify(edited))).toMatchObject({ code: 0 });
            await copy.configured(stack, { minioVolumeName: `other-${stack}` }, async () => {
                const { code, output } = await copy.run("preview", ["--stack", stack]);
                expect(code).toBe(1);
                const summary = output.slice(output.indexOf("# Preview"));
                expect(summary.indexOf("> [!CAUTION]")).toBeGreaterThan(0);
                expect(summary.indexOf("> [!CAUTION]")).toBeLessThan(summary.indexOf("## Stack"));
                expect(summary).toMatch(
                    /^> Stack .*: volume minio_data.* would be replaced\. \*\*It holds data, which would be lost\.\*\*$/m,
                );
                expect(summary).toContain(
                    "| `data-kept` | volume minio\\_data | an update would replace this volume |",
                );
                expect(summary.includes("Pulumi refuses to replace volume minio_data: it is protected")).toBe(
                    isProtected,
                );
            });
        }
        expect(await dataVolumes(stack)).toEqual(before);
    });
});

describe("previews in a fresh clone, without state, passphrase and engine", () => {
    let clone: Checkout;
    const withoutEngine = { DOCKER_HOST: "unix:///there/is/none.sock" };
    beforeAll(async () => {
        clone = await Checkout.make();
        writeFileSync(
            join(clone.directory, "Pulumi.team-fixture.yaml"),
            `encryptionsalt: v1:Xg8ry8PyX0Q=:v1:FUMReIfbfd5XnMRE:J/EGCY+UYYJ+d96vKSmXxAWMCiu8VA==
config:
  docker:host: ssh://production.example.com
  mlflow-platform:publicHost: mlflow.example.com
  mlflow-platform:bindAddress: 192.0.2.7
  mlflow-platform:tlsCertificateFile: /etc/ssl/mlflow/fullchain.pem
  mlflow-platform:pgHost: db.example.com
  mlflow-platform:pgOwnerUser: mlflow_owner
  mlflow-platform:minioVolumePath: /srv/there/is/none
  mlflow-platform:minioRootPassword:
    secure: v1:aaaaaaaaaaaaaaaa:bbbbbbbbbbbbbbbbbbbbbbbb
  mlflow-platform:monitorUsername: watchman
  mlflow-platform:modelServers:
    - name: iris
      port: 5100
      monitorSchedule: 0 * * * *
`,
        );
    });
    afterAll(() => {
        clone.remove();
    });

    it("work for every stack file that is there, name the placeholders, and leave nothing behind", async () => {
        const before = stackFiles(clone);
        const file = join(temporary, "previews.md");
        const scratch = join(temporary, "scratch");
        mkdirSync(scratch);
        const { code, output } = await clone.run("preview", ["--out", file], { ...withoutEngine, TMPDIR: scratch });
        expect(output).not.toContain("failed");
        expect(code).toBe(0);
        const summary = readFileSync(file, "utf8");
        for (const name of Object.keys(before).filter((each) => each !== "Pulumi.yaml")) {
            const section = summary
                .split(/^## Stack /m)
                .find((text) => text.startsWith(`${name.split(".")[1] ?? ""}\n`));
            expect(section).toMatch(/^\d+ to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged\.$/m);
            expect(section).toContain(
                "Previewed as a throw-away stack, as if it were new, because the backend has no stack",
            );
        }
        for (const placeholder of [
            "`minioRootPassword` (encrypted)",
            "`pgPassword` (not set)",
            "`pgOwnerPassword` (not set)",
            "`tlsPrivateKey` (not set)",
            "`monitorPassword` (not set)",
            "`tlsCertificateFile` (not on this machine)",
        ]) {
            expect(summary).toContain(placeholder);
        }
        expect(summary).toContain("Left out: `docker:host`.");
        expect(stackFiles(clone)).toEqual(before);
        expect(existsSync(clone.stateHome)).toBe(false);
        expect(readdirSync(scratch).filter((name) => name.startsWith("mlflow-platform-preview-"))).toEqual([]);
    });

    it("still find what is wrong with a configuration, in one stack, beside the others", async () => {
        const file = join(clone.directory, "Pulumi.wrong-fixture.yaml");
        writeFileSync(
            file,
            "config:\n  mlflow-platform:bindAddress: 0.0.0.0\n  mlflow-platform:mlflowPort: 99999\n  mlflow-platform:pgPassword: hunter2\n",
        );
        try {
            const args = ["--stack", "wrong-fixture", "--stack", "dev"];
            const { code, output } = await clone.run("preview", args, withoutEngine);
            expect(code).toBe(1);
            expect(output).toContain('the configuration of stack "wrong-fixture" has 3 problems');
            expect(output).toMatch(/## Stack dev\n\n\d+ to create/);
            expect(output).not.toContain("hunter2");
        } finally {
            rmSync(file);
        }
    });

    it("are no basis for drift, which says what it needs", async () => {
        const [{ code, output }, without] = await Promise.all([
            clone.run("drift", ["--stack", "dev"]),
            clone.run("drift", ["--stack", "dev"], withoutEngine),
        ]);
        expect(code).toBe(1);
        expect(output).toContain("Stack dev cannot be compared with the engine: the backend has no stack dev.");
        expect(without.code).toBe(1);
        expect(without.output).toContain("Drift is looked for on the engine, and none answers.");
    });
});

describe("npm run drift", () => {
    it("finds none right after the update", async () => {
        const { code, output } = await checkout.run("drift", ["--stack", stack]);
        expect(output).toContain("1 stack, 0 changes.");
        expect(code).toBe(0);
    });

    it("finds what was stopped, removed and changed by hand, changes nothing, and npm start mends it", async () => {
        const name = (resource: string) => `mlflow-platform-${stack}-${resource}`;
        const before = [stateFile(platform.stateHome), stackFiles(checkout)];
        try {
            await Promise.all([
                docker("stop", name("mlflow")),
                docker("rm", "--force", name("minio")),
                docker("update", "--memory", "700m", "--memory-swap", "700m", name("postgres")),
            ]);
            // What waits in the configuration is no drift.
            await checkout.configured(stack, { minioCpus: "0.5", mlflowWorkers: "1" }, async () => {
                const { code, output } = await checkout.run("drift", ["--stack", stack]);
                expect(code).toBe(2);
                expect(output).toContain("- container mlflow does not run: an update (npm start) makes it anew.");
                expect(output).toContain("- container minio is gone: an update (npm start) makes it.");
                expect(output).toContain("- container postgres differs: an update (npm start) changes it back.");
                expect(output).toContain("| update | container postgres | `memory` `700` → `1024`");
            });
            expect([stateFile(platform.stateHome), stackFiles(checkout)]).toEqual(before);
            expect((await container(stack, "mlflow")).State.Status).toBe("exited");
        } finally {
            await checkout.ok("start", ["--stack", stack]);
        }
        await healthy(stack);
        expect((await checkout.run("drift", ["--stack", stack])).code).toBe(0);
    });
});

describe("the policy pack", () => {
    const pack = ["preview", "--policy-pack", "policy/pack.mjs"];

    it("runs in Pulumi's own preview, and the stack keeps every policy", async () => {
        const output = await checkout.pulumi(stack, ...pack);
        expect(output).toMatch(/Policies:\s+✅ mlflow-platform@v/);
    });

    it("is loaded by the SDK's own host of packs, as an official installation loads it", async () => {
        const host = createRequire(import.meta.url).resolve("@pulumi/pulumi/cmd/run-policy-pack/index.js");
        const child = spawn(process.execPath, [host, "127.0.0.1:1", "."], { cwd: join(platform.directory, "policy") });
        try {
            // A plugin says at which port it serves.
            const [port] = (await once(child.stdout, "data")) as [Buffer];
            expect(port.toString()).toMatch(/^\d+\s*$/);
        } finally {
            child.kill();
        }
    });

    it("stops it where a rule is broken, with resource and cure", async () => {
        const open = { bindAddress: "0.0.0.0", mlflowAuth: "false", allowInsecureExposure: "true" };
        await checkout.configured(stack, { ...open, postgresImage: "registry.example.com/postgres:17" }, async () => {
            const { code, output } = await checkout.cli(stack, pack);
            expect(code).not.toBe(0);
            expect(output).toContain(
                "image postgres: `name` is registry.example.com/postgres:17 (rule pinned-image). Set",
            );
            expect(output).toContain(`container mlflow: port ${ports.mlflow} is published on 0.0.0.0, without TLS`);
        });
    });
});
