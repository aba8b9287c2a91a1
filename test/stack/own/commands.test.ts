import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDisk } from "../../../operations/stackCheck.ts";
import { Checkout } from "../support/checkout.ts";
import { containersOf, docker, dockerLines, healthy, identities } from "../support/engine.ts";
import { own } from "../support/own.ts";
import { initStack, makeGenerated } from "../support/platforms.ts";

const { checkout, made: platform } = await own(makeGenerated);
const { stack } = platform;

const filter = (name: string) => ["--filter", `label=mlflow-platform.stack=${name}`];

describe("a fresh clone of another user", () => {
    let clone: Checkout;
    beforeAll(async () => {
        clone = await Checkout.make();
    });
    afterAll(() => {
        clone.remove();
    });

    it("is told by --explain what would be used, and nothing changes", async () => {
        const output = await clone.ok("start", ["--explain"]);
        expect(output).toMatch(/Docker engine +used as it is: engine .* answers at /);
        expect(output).toMatch(/Pulumi CLI, plugins +(official downloads|built from Go modules), ready: /);
        expect(output).toMatch(/Base image +/);
        expect(output).toContain(`file://${clone.stateHome}/mlflow-platform/backend`);
        expect(existsSync(clone.stateHome)).toBe(false);
    });

    it("can force the source of tools and base", async () => {
        const output = await clone.ok("start", ["--explain", "--base", "registry", "--toolchain", "modules"]);
        expect(output).toMatch(/Base image +the one pinned in the Dockerfiles: asked for/);
    });

    it("stops before it touches another state's containers and volumes, and says whose they are", async () => {
        const before = await identities(stack);
        await clone.ok("pulumi", ["stack", "init", stack]);
        const { code, output } = await clone.run("start", ["--stack", stack]);
        expect(code).toBe(1);
        expect(output).toContain(`volume mlflow-platform-${stack}-postgres_data  from `);
        expect(output).toContain(`docker volume rm `);
        expect(output).toContain("npm start -- --stack <name>");
        expect(await identities(stack)).toEqual(before);
    });

    it("refuses a salt that does not fit where values were encrypted with it, and names them", async () => {
        const file = join(clone.directory, "Pulumi.dev.yaml");
        const own = clone.read("Pulumi.dev.yaml");
        // Made with the passphrase "one".
        const foreign = "encryptionsalt: v1:Xg8ry8PyX0Q=:v1:FUMReIfbfd5XnMRE:J/EGCY+UYYJ+d96vKSmXxAWMCiu8VA==\n";
        try {
            writeFileSync(
                file,
                `${own}${foreign}`.replace("config:", "config:\n  mlflow-platform:pgPassword:\n    secure: v1:a:b"),
            );
            const refused = await clone.run("start");
            expect(refused.code).toBe(1);
            expect(refused.output).toContain("mlflow-platform:pgPassword");
            expect(clone.read("Pulumi.dev.yaml")).toContain(foreign);
        } finally {
            writeFileSync(file, own);
        }
    });

    it("drops a salt that does not fit, and leaves the stack's file with one salt line at most", async () => {
        const file = join(clone.directory, "Pulumi.dev.yaml");
        const own = clone.read("Pulumi.dev.yaml");
        const foreign = "encryptionsalt: v1:Xg8ry8PyX0Q=:v1:FUMReIfbfd5XnMRE:J/EGCY+UYYJ+d96vKSmXxAWMCiu8VA==\n";
        writeFileSync(file, `${own}${foreign}`);
        const server = createServer();
        await new Promise<void>((resolve) => {
            server.listen(0, "127.0.0.1", resolve);
        });
        const address = server.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        try {
            // A start that stops at its last check, before anything is made.
            writeFileSync(file, `${own}  mlflow-platform:mlflowPort: "${port}"\n${foreign}`);
            const { code, output } = await clone.run("start");
            expect(code).toBe(1);
            expect(output).toContain(`mlflowPort: port ${port} on 127.0.0.1 is in use by another program`);
            const left = clone.read("Pulumi.dev.yaml").split("\n");
            expect(left.filter((line) => line.startsWith("encryptionsalt:")).length).toBe(1);
            expect(left.join("\n")).not.toContain(foreign.trim());
            expect(left.filter((line) => !/^encryptionsalt:|mlflowPort/.test(line)).join("\n")).toBe(own);
        } finally {
            server.close();
            writeFileSync(file, own);
        }
    });

    it("keeps state and passphrase to itself", () => {
        const state = join(clone.stateHome, "mlflow-platform");
        expect(statSync(state).mode & 0o777).toBe(0o700);
        expect(statSync(join(state, "passphrase")).mode & 0o777).toBe(0o600);
    });
});

describe("npm start refuses in words, before it changes anything", () => {
    it("a port that is taken", async () => {
        const server = createServer();
        await new Promise<void>((resolve) => {
            server.listen(0, "127.0.0.1", resolve);
        });
        const address = server.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        const before = await identities(stack);
        await checkout.pulumi(stack, "config", "set", "mlflowPort", String(port));
        try {
            const { code, output } = await checkout.run("start", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain(`mlflowPort: port ${port} on 127.0.0.1 is in use by another program`);
            expect(output).toContain("pulumi config set mlflowPort <port>");
            expect(await identities(stack)).toEqual(before);
        } finally {
            server.close();
            await checkout.pulumi(stack, "config", "set", "mlflowPort", String(platform.ports.mlflow));
        }
    });

    it("a configuration with problems, all of them at once, also by plain pulumi preview", async () => {
        await checkout.pulumi(stack, "config", "set", "mlflowBucketName", "Not_A_Bucket");
        await checkout.pulumi(stack, "config", "set", "gatewayHttpPort", "80");
        try {
            for (const { code, output } of [
                await checkout.run("start", ["--stack", stack]),
                await checkout.run("pulumi", ["preview", "--stack", stack]),
            ]) {
                expect(code).not.toBe(0);
                expect(output).toContain('mlflowBucketName: "Not_A_Bucket" contains other characters');
                expect(output).toContain("gatewayHttpPort: is for the gateway");
            }
        } finally {
            await checkout.pulumi(stack, "config", "rm", "mlflowBucketName");
            await checkout.pulumi(stack, "config", "rm", "gatewayHttpPort");
        }
    });

    describe("a machine that lacks something", () => {
        let bin: string;
        beforeAll(() => {
            // A PATH with what npm and the project need, and nothing else.
            bin = mkdtempSync(join(tmpdir(), "bin-"));
            for (const program of ["node", "npm", "sh", "env"]) {
                symlinkSync(
                    execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim(),
                    join(bin, program),
                );
            }
        });
        afterAll(() => {
            rmSync(bin, { recursive: true });
        });

        it.runIf(process.getuid?.() === 0 && existsSync("/etc/debian_version"))(
            "no Docker at all: root on Debian is told that it would be installed",
            async () => {
                const output = await checkout.ok("start", ["--explain"], { PATH: bin, DOCKER_HOST: undefined });
                expect(output).toMatch(/Docker engine +installed and started by this: there is no docker command/);
            },
        );

        it("an engine that does not answer where DOCKER_HOST says", async () => {
            const { code, output } = await checkout.run("start", ["--stack", stack], {
                DOCKER_HOST: "tcp://127.0.0.1:1",
            });
            expect(code).toBe(1);
            expect(output).toContain("The Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer");
        });

        it("a socket that refuses the user", async () => {
            writeFileSync(
                join(bin, "docker"),
                "#!/bin/sh\necho 'permission denied while trying to connect to the Docker daemon socket' >&2\nexit 1\n",
            );
            chmodSync(join(bin, "docker"), 0o755);
            try {
                const { code, output } = await checkout.run("start", ["--stack", stack], { PATH: bin });
                expect(code).toBe(1);
                expect(output).toContain("sudo usermod -aG docker $USER");
            } finally {
                rmSync(join(bin, "docker"));
            }
        });

        // Only root can make a file system; the gate runs as root.
        it.runIf(process.getuid?.() === 0)("a disk that is full: of the tools, and of the engine", async () => {
            const disk = mkdtempSync(join(tmpdir(), "disk-"));
            execFileSync("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", disk]);
            try {
                const { code, output } = await checkout.run("start", ["--stack", stack, "--toolchain", "modules"], {
                    PULUMI_HOME: disk,
                });
                expect(code).toBe(1);
                expect(output).toMatch(new RegExp(`Building the tools takes .* GB in .*${disk}.*; 0\\.0 GB are free`));
                // An engine that keeps its images there.
                writeFileSync(join(bin, "docker"), `#!/bin/sh\necho ${disk}\n`);
                chmodSync(join(bin, "docker"), 0o755);
                const local = { DOCKER_HOST: "unix:///var/run/docker.sock", PATH: bin };
                await expect(checkDisk(true, local)).rejects.toThrow(
                    `The disk of the Docker engine (${disk}) has 0.0 GiB free`,
                );
                expect(existsSync(join(disk, "versions"))).toBe(false);
            } finally {
                rmSync(join(bin, "docker"), { force: true });
                execFileSync("umount", [disk]);
                rmSync(disk, { recursive: true });
            }
        });

        it("no Go where Go is needed", async () => {
            const home = mkdtempSync(join(tmpdir(), "home-"));
            symlinkSync(
                execFileSync("sh", ["-c", "command -v docker"], { encoding: "utf8" }).trim(),
                join(bin, "docker"),
            );
            try {
                const { code, output } = await checkout.run("start", ["--stack", stack, "--toolchain", "modules"], {
                    PATH: bin,
                    PULUMI_HOME: home,
                });
                expect(code).toBe(1);
                expect(output).toMatch(/Go/);
                expect(output).toMatch(/go\.dev|golang/i);
            } finally {
                rmSync(home, { recursive: true });
                rmSync(join(bin, "docker"));
            }
        });
    });
});

describe("the user's own Pulumi", () => {
    it("gets the variables from npm run pulumi -- --env, and finds the same stack", async () => {
        const lines = await checkout.ok("pulumi", ["--env"]);
        const output = execFileSync("sh", ["-c", `${lines}\npulumi stack output trackingUri --stack ${stack}`], {
            cwd: checkout.directory,
            env: { PATH: process.env.PATH },
            encoding: "utf8",
        });
        expect(output.trim()).toBe(platform.trackingUri);
    });

    it("wins with its own backend and passphrase", async () => {
        const backend = mkdtempSync(join(tmpdir(), "backend-"));
        try {
            const env = { PULUMI_BACKEND_URL: `file://${backend}`, PULUMI_CONFIG_PASSPHRASE: "my own" };
            await checkout.ok("pulumi", ["stack", "init", "elsewhere"], env);
            expect(await checkout.ok("pulumi", ["stack", "ls"], env)).toContain("elsewhere");
            expect(await checkout.ok("pulumi", ["stack", "ls"])).not.toContain("elsewhere");
        } finally {
            rmSync(backend, { recursive: true });
            rmSync(join(checkout.directory, "Pulumi.elsewhere.yaml"), { force: true });
        }
    });
});

describe("a third stack, to its end", () => {
    const name = `third-${stack}`;
    beforeAll(async () => {
        await initStack(checkout, name);
    });
    afterAll(async () => {
        await checkout.run("delete-data", [name]);
    });

    it("is made by npm start, with nothing left over", async () => {
        await checkout.ok("start", ["--stack", name]);
        await healthy(name);
        expect((await containersOf(name)).length).toBe(10);
        await checkout.pulumi(name, "preview", "--expect-no-changes", "--refresh");
    });

    it("is not touched by plain pulumi destroy, whose preview ends with Pulumi's word", async () => {
        const before = await identities(name);
        const { code, output } = await checkout.run("pulumi", ["destroy", "--yes", "--stack", name]);
        expect(code).not.toBe(0);
        expect(output).toContain("protected");
        expect(await identities(name)).toEqual(before);
    });

    it("is not touched by delete-data without its name", async () => {
        const { code } = await checkout.run("delete-data");
        expect(code).not.toBe(0);
        expect((await containersOf(name)).length).toBe(10);
    });

    it("loses its containers by pulumi destroy without a preview, and keeps its data", async () => {
        const { code, output } = await checkout.run("pulumi", ["destroy", "--yes", "--skip-preview", "--stack", name]);
        expect(code).not.toBe(0);
        expect(output).toContain("protected");
        expect(await containersOf(name)).toEqual([]);
        expect(await dockerLines("volume", "ls", "--quiet", ...filter(name))).toEqual(
            expect.arrayContaining([`mlflow-platform-${name}-minio_data`, `mlflow-platform-${name}-postgres_data`]),
        );
    });

    // One that runs: serving.test.ts, at its end.
    it("is deleted with its data by its name", async () => {
        await checkout.ok("delete-data", [name]);
        expect(await containersOf(name)).toEqual([]);
        expect(await dockerLines("volume", "ls", "--quiet", ...filter(name))).toEqual([]);
        expect(await dockerLines("network", "ls", "--quiet", ...filter(name))).toEqual([]);
        expect(await checkout.ok("pulumi", ["stack", "ls"])).not.toContain(name);
        // Images stay: other stacks share them.
        expect(await docker("image", "ls", "--quiet", "mlflow-platform/mlflow")).not.toBe("");
    });
});
