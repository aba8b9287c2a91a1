/** Workflows: what they run is pinned, what they may do is little, and who has a credential was approved by somebody. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { digestsIn, matrix, notes, registryOf, released } from "../../.ci/release.ts";
import { keys } from "../../config.ts";

const project = join(import.meta.dirname, "../..");
const directory = join(project, ".github/workflows");

interface Step {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Record<string, unknown>;
    readonly env?: Record<string, string>;
}
interface Job {
    readonly environment?: string;
    readonly permissions?: Record<string, string>;
    readonly if?: string;
    readonly "timeout-minutes"?: number;
    readonly strategy?: { matrix: Record<string, string> };
    readonly concurrency?: { group: string; "cancel-in-progress": boolean };
    readonly steps: readonly Step[];
}
interface Workflow {
    readonly on: Record<string, unknown>;
    readonly permissions: Record<string, string>;
    readonly jobs: Record<string, Job>;
}

const files = readdirSync(directory);
const text = (file: string) => readFileSync(join(directory, file), "utf8");
const workflow = (file: string) => parse(text(file)) as Workflow;
const jobs = files.flatMap((file) =>
    Object.entries(workflow(file).jobs).map(([name, job]): [string, string, Job] => [file, name, job]),
);
/** A job by its names. */
function jobOf(file: string, name: string): Job {
    const job = workflow(file).jobs[name];
    if (job === undefined) {
        throw new Error(`${file} has no job ${name}`);
    }
    return job;
}
const credentials = (job: Job) => /\$\{\{\s*(secrets\.|github\.token)/.test(JSON.stringify(job));

describe.each(files)("%s", (file) => {
    it("runs actions of one commit each, and says of which version", () => {
        const uses = text(file)
            .split("\n")
            .filter((line) => line.includes("uses:"));
        expect(uses.length).toBe(
            Object.values(workflow(file).jobs).flatMap(({ steps }) => steps.filter((step) => step.uses)).length,
        );
        for (const line of uses) {
            expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
        }
    });

    it("has no right that a job does not name", () => {
        expect(workflow(file).permissions).toEqual({});
        expect(text(file)).not.toContain("pull_request_target");
    });

    it("puts nothing that somebody else wrote into a script, and no secret", () => {
        for (const { run = "" } of Object.values(workflow(file).jobs).flatMap(({ steps }) => steps)) {
            expect(run).not.toContain("${{");
        }
    });

    it("reads no cache, which others could have written, where there is an environment", () => {
        for (const { steps } of Object.values(workflow(file).jobs).filter(({ environment }) => environment)) {
            for (const { uses = "", with: options } of steps) {
                expect(uses).not.toMatch(/^actions\/cache/);
                if (uses.startsWith("actions/setup-node@")) {
                    expect(options).toMatchObject({ "package-manager-cache": false });
                    expect(options).not.toHaveProperty("cache");
                }
            }
        }
    });

    it("leaves no credential in the checkout", () => {
        for (const { uses = "", with: options } of Object.values(workflow(file).jobs).flatMap(({ steps }) => steps)) {
            if (uses.startsWith("actions/checkout@")) {
                expect(options?.["persist-credentials"]).toBe(false);
            }
        }
    });
});

describe("one action in several places", () => {
    it("is the same commit in all of them", () => {
        const all = files.flatMap((file) => [...text(file).matchAll(/uses: (\S+)@(\S+ # \S+)/g)]);
        const commits = new Map<string, Set<string>>();
        for (const [, action = "", commit = ""] of all) {
            commits.set(action, (commits.get(action) ?? new Set()).add(commit));
        }
        expect([...commits].filter(([, set]) => set.size > 1)).toEqual([]);
    });
});

describe("a job", () => {
    it.each(jobs)("ends, of %s: %s", (_file, _name, job) => {
        expect(job["timeout-minutes"]).toBeGreaterThan(0);
    });

    it.each(jobs)("may write no more than it does, of %s: %s", (file, name, { permissions }) => {
        const write: Record<string, Record<string, string>> = {
            "preview.yml preview": { "pull-requests": "write" },
            "release.yml build": { packages: "write" },
            "release.yml publish": { contents: "write", packages: "write" },
        };
        expect(permissions).toEqual({ contents: "read", ...write[`${file} ${name}`] });
    });

    it("with a credential waits for its environment", () => {
        const withCredentials = jobs.filter(([, , job]) => credentials(job));
        expect(withCredentials.map(([file, name, { environment }]) => [file, name, environment])).toEqual([
            ["deploy.yml", "deploy", "deploy-${{ matrix.stack }}"],
            ["preview.yml", "preview", "preview-${{ matrix.stack }}"],
            ["release.yml", "build", "release"],
            ["release.yml", "publish", "release"],
        ]);
    });
});

describe("a pull request", () => {
    it("of a fork runs jobs without credentials alone", () => {
        const own = "github.event.pull_request.head.repo.full_name == github.repository";
        for (const [file, name, job] of jobs.filter(([each]) => "pull_request" in workflow(each).on)) {
            expect([file, name, job.if === own || !credentials(job)]).toEqual([file, name, true]);
        }
        const { if: condition, environment, steps } = jobOf("preview.yml", "check");
        expect([condition, environment]).toEqual([undefined, undefined]);
        expect(JSON.stringify(steps)).not.toMatch(/secrets\.|vars\.|github\.token/);
    });

    it("is previewed by the version of Pulumi that the project has", () => {
        const { dependencies } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
            dependencies: Record<string, string>;
        };
        const step = jobOf("preview.yml", "preview").steps.find(({ uses }) => uses?.startsWith("pulumi/actions@"));
        expect(step?.with).toMatchObject({
            command: "preview",
            "pulumi-version": dependencies["@pulumi/pulumi"],
            "comment-on-pr": true,
        });
        expect(JSON.stringify(step)).not.toMatch(/STATE_ACCESS|ENGINE_/);
    });
});

describe("the stacks of workflows", () => {
    const run = (cwd: string, env: Record<string, string>, ...args: string[]) =>
        execFileSync("node", [join(project, ".ci/stacks.mjs"), ...args], {
            cwd,
            encoding: "utf8",
            stdio: "pipe",
            env: { ...process.env, ...env },
        });
    const inDirectory = <T>(names: readonly string[], act: (at: string) => T): T => {
        const at = mkdtempSync(join(tmpdir(), "stacks-"));
        try {
            for (const name of names) {
                writeFileSync(join(at, name), "");
            }
            return act(at);
        } finally {
            rmSync(at, { recursive: true });
        }
    };

    it("are all that have a file, in a preview", () => {
        const listed = readdirSync(project).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
        expect(run(project, {})).toBe(`stacks=${JSON.stringify(listed.sort())}\n`);
        inDirectory(["Pulumi.yaml", "Pulumi.b.yaml", "Pulumi.a.x.yaml", "Pulumi.c.yml"], (at) => {
            expect(run(at, {})).toBe('stacks=["a.x","b"]\n');
        });
        for (const [file, job] of [
            ["preview.yml", "preview"],
            ["deploy.yml", "deploy"],
        ] as const) {
            expect(jobOf(file, job).strategy?.matrix).toEqual({
                stack: "${{ fromJSON(needs.stacks.outputs.stacks) }}",
            });
        }
        expect(jobOf("preview.yml", "stacks").steps.at(-1)?.run).toBe('node .ci/stacks.mjs >>"$GITHUB_OUTPUT"');
    });

    it("are those that are named, in a deployment, one update of each at a time", () => {
        inDirectory(["Pulumi.a.yaml", "Pulumi.b.yaml"], (at) => {
            expect(run(at, { STACKS: " b\n" }, "--only")).toBe('stacks=["b"]\n');
            expect(run(at, { STACKS: "" }, "--only")).toBe("stacks=[]\n");
            expect(() => run(at, { STACKS: "b c" }, "--only")).toThrow(
                "There is no Pulumi.<stack>.yaml for c; there is one for a, b.",
            );
        });
        expect(jobOf("deploy.yml", "deploy").concurrency).toEqual({
            group: "deploy-${{ matrix.stack }}",
            "cancel-in-progress": false,
        });
    });
});

describe("the key for an engine", () => {
    const install = (env: Record<string, string>) => {
        const home = mkdtempSync(join(tmpdir(), "home-"));
        try {
            execFileSync("bash", [join(project, ".ci/ssh-engine")], {
                env: { PATH: process.env.PATH, HOME: home, ...env },
                stdio: "pipe",
            });
            const names = readdirSync(home).includes(".ssh") ? readdirSync(join(home, ".ssh")) : [];
            return Object.fromEntries(
                names.map((name) => {
                    const file = join(home, ".ssh", name);
                    return [name, [statSync(file).mode & 0o777, readFileSync(file, "utf8")]];
                }),
            );
        } finally {
            rmSync(home, { recursive: true });
        }
    };

    it("is its user's alone, and for hosts that are known beforehand", () => {
        const {
            engine,
            engine_known_hosts: hosts,
            config,
        } = install({ ENGINE_SSH_KEY: "a\nb", ENGINE_KNOWN_HOSTS: "desk ssh-ed25519 A" });
        expect([engine, hosts]).toEqual([
            [0o600, "a\nb\n"],
            [0o600, "desk ssh-ed25519 A\n"],
        ]);
        expect(config?.[1]).toContain("StrictHostKeyChecking yes");
        expect(() => install({ ENGINE_SSH_KEY: "a" })).toThrow("ENGINE_KNOWN_HOSTS is empty");
        expect(install({})).toEqual({});
    });
});

describe("a release", () => {
    it("builds each image that a stack can take from a registry, for both architectures, from the same files", () => {
        expect(released().map(([name]) => name)).toEqual(
            Object.keys(keys)
                .flatMap((key) => /^(postgres|minio|gateway|mlflow|model)Image$/.exec(key)?.[1] ?? [])
                .sort((a, b) => order(a) - order(b)),
        );
        expect(matrix().filter(({ image }) => image === "model")).toEqual([
            {
                image: "model",
                context: "images/mlflow",
                target: "model",
                architecture: "amd64",
                platform: "linux/amd64",
                runner: "ubuntu-24.04",
            },
            {
                image: "model",
                context: "images/mlflow",
                target: "model",
                architecture: "arm64",
                platform: "linux/arm64",
                runner: "ubuntu-24.04-arm",
            },
        ]);
        const { with: options } =
            jobOf("release.yml", "build").steps.find(({ uses }) => uses?.startsWith("docker/build-push-action@")) ?? {};
        expect(options).toMatchObject({
            context: "${{ matrix.build.context }}",
            target: "${{ matrix.build.target }}",
            provenance: "mode=max",
            sbom: true,
        });
    });

    it("is put where the repository is, in lower case", () => {
        expect(registryOf("Acme/ML-Platform")).toBe("ghcr.io/acme/ml-platform");
    });

    it("keeps a digest of each platform, and nothing that is none", () => {
        const [one, two] = ["a".repeat(64), "b".repeat(64)];
        expect(digestsIn([`mlflow-${one}`, `mlflow-${two}`, `model-${one}`, "model-x"])).toEqual({
            mlflow: [`sha256:${one}`, `sha256:${two}`],
            model: [`sha256:${one}`],
        });
        const at = mkdtempSync(join(tmpdir(), "digest-"));
        mkdirSync(at, { recursive: true });
        const keep = (digest: string) =>
            execFileSync("bash", [join(project, ".ci/keep-digest")], {
                cwd: at,
                stdio: "pipe",
                env: { ...process.env, IMAGE: "mlflow", DIGEST: digest },
            });
        keep(`sha256:${one}`);
        expect(digestsIn(readdirSync(join(at, "digests")))).toEqual({ mlflow: [`sha256:${one}`] });
        expect(() => keep("")).toThrow("the build gave no digest");
        rmSync(at, { recursive: true });
    });

    it("says which references to set", () => {
        const reference = `ghcr.io/acme/ml/mlflow@sha256:${"a".repeat(64)}`;
        const text = notes("v1.2.0", [{ name: "mlflow", reference }]);
        expect(text).toContain(`| mlflow | \`${reference}\` |`);
        expect(text).toContain(`npm run pulumi -- config set mlflowImage ${reference} --stack <stack>`);
        expect("mlflowImage" in keys).toBe(true);
    });
});

/** Place of an image among the builds. */
function order(name: string): number {
    return released().findIndex(([each]) => each === name);
}
