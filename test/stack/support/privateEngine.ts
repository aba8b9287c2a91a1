/**
 * A Docker engine of a test's own, in a network and on a disk (in memory) of its own: it can be filled and stopped without
 * harm to any other. Needs root.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";

// The loopback of a new network is down (SIOCSIFFLAGS with IFF_UP); then Python becomes the engine.
const raiseLoopback = `
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))
os.execvp(sys.argv[1], sys.argv[1:])`;

export class PrivateEngine {
    private engine: ChildProcess | undefined;
    private readonly root = mkdtempSync(join(tmpdir(), "engine-"));

    /** Where it keeps everything: the disk that can be filled. */
    public get disk(): string {
        return join(this.root, "disk");
    }

    /** As DOCKER_HOST has it. */
    public get host(): string {
        return `unix://${join(this.root, "docker.sock")}`;
    }

    /** Program and arguments that put a command into the engine's network. */
    public get inside(): string[] {
        return ["nsenter", `--net=/proc/${this.engine?.pid ?? 0}/ns/net`];
    }

    /** Makes the disk and starts the engine with images of another one. */
    public static async make(size: string, images: readonly string[]): Promise<PrivateEngine> {
        const made = new PrivateEngine();
        mkdirSync(made.disk);
        execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", made.disk]);
        try {
            await made.start();
            await made.load(images, process.env.DOCKER_HOST);
        } catch (error) {
            await made.remove();
            throw error;
        }
        return made;
    }

    /** Copies images of another engine; `from` is its address, as DOCKER_HOST has it. */
    public async load(images: readonly string[], from = "unix:///var/run/docker.sock"): Promise<void> {
        const save = execa("docker", ["--host", from, "save", ...images], { buffer: false });
        await save.pipe("docker", ["--host", this.host, "load"], { buffer: false });
    }

    public async start(): Promise<void> {
        const log = openSync(join(this.root, "log"), "a");
        const options = {
            "--data-root": join(this.disk, "data"),
            "--exec-root": join(this.root, "run"),
            "--pidfile": join(this.root, "pid"),
            "--host": this.host,
        };
        const engine = ["dockerd", ...Object.entries(options).flat()];
        this.engine = spawn("unshare", ["--net", "--", "python3", "-c", raiseLoopback, ...engine], {
            stdio: ["ignore", log, log],
        });
        for (let attempt = 0; attempt < 120; attempt += 1) {
            if ((await execa("docker", ["--host", this.host, "version"], { reject: false })).exitCode === 0) {
                return;
            }
            await sleep(250);
        }
        throw new Error(`the engine does not start: ${readFileSync(join(this.root, "log"), "utf8").slice(-2000)}`);
    }

    /** Ends the engine in order, and every container with it. */
    public async stop(): Promise<void> {
        const { engine } = this;
        if (engine?.exitCode !== null || engine.signalCode !== null) {
            return;
        }
        const ended = new Promise((resolve) => engine.once("exit", resolve));
        engine.kill("SIGTERM");
        await ended;
    }

    public async remove(): Promise<void> {
        const { exitCode, stdout } = await execa("docker", ["--host", this.host, "ps", "--quiet"], { reject: false });
        if (exitCode === 0 && stdout !== "") {
            await execa("docker", ["--host", this.host, "kill", ...stdout.split("\n")], { reject: false });
        }
        await this.stop();
        execFileSync("umount", ["--recursive", this.disk]);
        rmSync(this.root, { recursive: true });
    }
}
