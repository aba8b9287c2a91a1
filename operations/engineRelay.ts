/**
 * A way to what the engine's host publishes for itself alone, from a machine that has nothing but the engine's API: each connection
 * is a container on that host's network for as long as it lasts. On this side it is a socket in a directory of this user.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineArguments } from "../dockerCommand.ts";
import { hostNetwork, looker } from "../engineHost.ts";

// Whichever direction ends first ends both. Without the redirection bash would give the first one an empty input.
const pipe = `exec 3<>"/dev/tcp/$1/$2" || exit
cat <&0 >&3 &
cat <&3 &
wait -n
kill $(jobs -p) 2>/dev/null
exit 0`;

/** Relays connections by an image of the engine that has bash. */
export class EngineRelay {
    private readonly directory = mkdtempSync(join(tmpdir(), "relay-"));
    private readonly servers = new Map<string, Promise<Server>>();
    private readonly open = new Map<Socket, ChildProcess>();
    /** What the last container that failed had to say; all of them have when they are closed. */
    public failure: string | undefined;

    private readonly engine: string | undefined;
    private readonly image: string;

    constructor(engine: string | undefined, image: string) {
        this.engine = engine;
        this.image = image;
    }

    /** Path of a socket whose connections end at an address and port as the engine's host has them. */
    public async socketTo(address: string, port: number): Promise<string> {
        const path = join(this.directory, `${address}-${port}`);
        const known = this.servers.get(path);
        const server = known ?? this.listen(path, address, port);
        this.servers.set(path, server);
        await server;
        return path;
    }

    /** Ends every connection, and waits for the containers to end. */
    public async close(): Promise<void> {
        for (const server of this.servers.values()) {
            (await server).close();
        }
        const ends = [...this.open].map(async ([socket, child]) => {
            const ended = once(child, "close");
            socket.destroy();
            await ended;
        });
        await Promise.all(ends);
        rmSync(this.directory, { recursive: true, force: true });
    }

    private async listen(path: string, address: string, port: number): Promise<Server> {
        const server = createServer((socket) => {
            this.relay(socket, address, port);
        });
        server.listen(path);
        await once(server, "listening");
        return server;
    }

    private relay(socket: Socket, address: string, port: number): void {
        const command = ["bash", "-c", pipe, "bash", address, String(port)];
        const args = looker(this.image, ["--interactive", ...hostNetwork], command);
        const child = spawn("docker", [...engineArguments(this.engine), ...args], { stdio: "pipe" });
        this.open.set(socket, child);
        let words = "";
        child.stderr.on("data", (data: Buffer) => {
            words += data.toString();
        });
        // Either side may be gone before the other has said all.
        const ignore = () => undefined;
        socket.on("error", ignore);
        child.stdin.on("error", ignore);
        child.on("error", (error) => {
            words += error.message;
        });
        socket.pipe(child.stdin);
        child.stdout.pipe(socket);
        // The container ends when its input does.
        socket.on("close", () => child.stdin.end());
        child.on("close", (code) => {
            if (code !== 0) {
                this.failure = words.trim().split("\n").at(-1);
            }
            this.open.delete(socket);
            socket.destroy();
        });
    }
}
