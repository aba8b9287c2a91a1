/** An engine on another machine, by ssh: the machine is this one, and all that a client has of it is a key for the engine. */
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { containersOf, dockerLines } from "../support/engine.ts";
import { freePorts, initStack } from "../support/platforms.ts";
import { SshServer } from "../support/sshServer.ts";

const stack = "remote";
let server: SshServer;
let checkout: Checkout;
let ports: { mlflow: number; s3: number; console: number };
/** A directory that the client sees empty; the engine's host has `minio` in it. */
let hidden: string;
/** Where commands are found, and an ssh that knows nothing of the server. */
let ordinaryPath: string;

/** Containers by which the engine's host was looked at or gone through. */
const lookers = async () =>
    (await dockerLines("ps", "--all", "--no-trunc", "--format", "{{.Command}}")).filter((command) =>
        /looked-at|\/dev\/tcp|\/proc\/net/.test(command),
    );

beforeAll(async () => {
    const [port = 0] = await freePorts(1);
    server = await SshServer.make(port);
    checkout = await Checkout.make();
    // Of every command: ssh with the client's configuration. Nothing else says where the engine is.
    ordinaryPath = process.env.PATH ?? "";
    process.env.PATH = server.environment.PATH;
    delete process.env.DOCKER_HOST;
    ports = await initStack(checkout, stack);
    await checkout.set(stack, { mlflowAuth: "true" });
    await checkout.pulumi(stack, "config", "set", "docker:host", server.host);
    hidden = mkdtempSync(join(tmpdir(), "hidden-"));
    mkdirSync(join(hidden, "minio"));
    chownSync(join(hidden, "minio"), 1000, 1000);
});
afterAll(async () => {
    checkout.inside = [];
    await checkout.run("delete-data", [stack]);
    checkout.remove();
    await server.remove();
    rmSync(hidden, { recursive: true });
});

describe("the key for the engine", () => {
    it("opens no shell and runs no command of its holder's", async () => {
        const { all } = await server.ssh("root@127.0.0.1", "id; echo ran");
        expect(all).not.toMatch(/uid=|ran/);
        expect((await server.ssh("-tt", "root@127.0.0.1")).all).toContain("PTY allocation request failed");
        expect(server.log).toContain("Starting session: forced-command (key-option) 'docker system dial-stdio'");
        expect(server.log).not.toContain("Starting session: command");
    });

    it("forwards no port, in either direction", async () => {
        const out = await server.ssh("-W", `127.0.0.1:${server.port}`, "root@127.0.0.1");
        expect(out.all).toContain("administratively prohibited");
        const [port = 0] = await freePorts(1);
        const back = await server.ssh(
            ...["-N", "-o", "ExitOnForwardFailure=yes", "-R", `${port}:127.0.0.1:${server.port}`, "root@127.0.0.1"],
        );
        expect(back.exitCode).toBe(255);
        expect(back.all).toContain("remote port forwarding failed");
    });
});

describe("npm start", () => {
    let output: string;
    beforeAll(async () => {
        output = await checkout.ok("start", ["--stack", stack]);
    });

    it("brings the platform up on the engine that docker:host names, and says so", async () => {
        expect(output).toContain(`answers at ${server.host} (docker:host of the stack's configuration)`);
        expect((await containersOf(stack)).map(({ Name }) => Name)).toContain(`/mlflow-platform-${stack}-mlflow`);
    });

    it("checks it as a client does, through the engine, and leaves nothing of that there", async () => {
        expect(output).toContain("Check from outside: a run with an artifact came back on the engine's host");
        expect(await lookers()).toEqual([]);
    });

    it("says how to reach a platform on the loopback address of another host", () => {
        const forwards = [ports.mlflow, ports.s3, ports.console].map((port) => `-L ${port}:127.0.0.1:${port}`);
        const row = output.split("\n").find((line) => line.startsWith("From here")) ?? "";
        for (const forward of forwards) {
            expect(row).toContain(forward);
        }
        expect(row).toContain(` -p ${server.port} root@127.0.0.1`);
    });

    it("has nothing to do the second time, by DOCKER_HOST as well", async () => {
        const again = await checkout.ok("start", ["--stack", stack], { DOCKER_HOST: server.host });
        expect(again).toContain("pulumi up: nothing to change");
        expect(again).toContain("Check from outside: it answers on the engine's host");
    });

    it("is refused where DOCKER_HOST is another engine's", async () => {
        const { code, output: refused } = await checkout.run("start", ["--stack", stack], {
            DOCKER_HOST: "tcp://127.0.0.1:1",
        });
        expect(code).toBe(1);
        expect(refused).toContain(
            `Stack ${stack} is on the engine ${server.host} (docker:host in its configuration), and DOCKER_HOST says tcp://127.0.0.1:1.`,
        );
    });

    it("says what is wrong with a host that ssh does not know", async () => {
        const { code, output: refused } = await checkout.run("start", ["--stack", stack], {
            PATH: ordinaryPath,
        });
        expect(code).toBe(1);
        expect(refused).toContain(
            `The Docker engine at ${server.host} (docker:host of the stack's configuration) does not answer`,
        );
        expect(refused).toContain(`docker --host ${server.host} version`);
    });
});

describe("other commands", () => {
    it("log in through the engine", async () => {
        const environment = await checkout.printed("user", "add", "ana", "--stack", stack);
        expect(environment).toContain("MLFLOW_TRACKING_USERNAME=ana");
        expect(await checkout.ok("user", ["list", "--stack", stack])).toMatch(/^ana\b/m);
    });

    it("see the containers there", async () => {
        expect(await checkout.ok("status", ["--stack", stack])).toMatch(/\bmlflow\b.*\bhealthy\b/);
    });
});

describe("the engine's host, before anything is changed", () => {
    const other = "remote-refused";
    const preview = (values: Record<string, string>) =>
        checkout.configured(other, values, () => checkout.cli(other, ["preview"]));
    beforeAll(async () => {
        await initStack(checkout, other);
        await checkout.pulumi(other, "config", "set", "docker:host", server.host);
        // The client has its own files there, and its own, empty directory.
        checkout.inside = [
            "unshare",
            "--mount",
            "--",
            "sh",
            "-c",
            'mount -t tmpfs tmpfs "$0" && mkdir "$0/here" && exec "$@"',
            hidden,
        ];
    });
    afterAll(async () => {
        checkout.inside = [];
        await checkout.pulumi(other, "stack", "rm", "--yes");
    });

    it("is asked for MinIO's directory, which is not there however the client has it", async () => {
        const path = join(hidden, "here");
        const { code, output } = await preview({ minioVolumePath: path });
        expect(code).not.toBe(0);
        expect(output).toContain(
            `minioVolumePath: "${path}" is not there: sudo install -d -o 1000 -g 1000 -m 0700 ${path}`,
        );
        // Nor was it made by looking.
        expect(existsSync(path)).toBe(false);
    });

    it("is asked for MinIO's directory, which is there however the client lacks it", async () => {
        const { code, output } = await preview({ minioVolumePath: join(hidden, "minio") });
        expect(output).not.toContain("minioVolumePath: ");
        expect(code).toBe(0);
    });

    it("is asked who owns the directory", async () => {
        const { output } = await preview({ minioVolumePath: hidden });
        expect(output).toContain(`minioVolumePath: "${hidden}" cannot be written by uid 1000, as which MinIO runs`);
    });

    it("is asked for ports that programs and containers have, and for its addresses", async () => {
        const program = createServer().listen(0, "127.0.0.1");
        await once(program, "listening");
        const { port } = program.address() as { port: number };
        try {
            const { output } = await preview({ mlflowPort: String(port), minioPort: String(ports.s3) });
            expect(output).toContain(`mlflowPort: port ${port} on 127.0.0.1 is in use by another program`);
            expect(output).toContain(
                `minioPort: port ${ports.s3} on 127.0.0.1 is in use by container mlflow-platform-${stack}-minio`,
            );
        } finally {
            program.close();
        }
        const { output } = await preview({ bindAddress: "203.0.113.7", allowInsecureExposure: "true" });
        expect(output).toContain("bindAddress: the engine's host has no address 203.0.113.7: set one of 127.0.0.1");
    });

    it("is left as it was by a preview", async () => {
        const things = async () => [
            await containersOf(other),
            await dockerLines("volume", "ls", "--quiet", "--filter", "dangling=true"),
            await lookers(),
        ];
        const before = await things();
        await preview({ minioVolumePath: join(hidden, "minio") });
        expect(await things()).toEqual(before);
    });
});

describe("npm stop and delete-data", () => {
    it("work there, too", async () => {
        await checkout.ok("stop", ["--stack", stack]);
        expect(await containersOf(stack)).toEqual([]);
        await checkout.ok("delete-data", [stack]);
        expect(
            await dockerLines("volume", "ls", "--quiet", "--filter", `label=mlflow-platform.stack=${stack}`),
        ).toEqual([]);
    });
});
