/**
 * An SSH server of a test's own on this host's loopback address, with a host key, a user key and a client's configuration of its
 * own. It is Debian's, unpacked beside them: nothing is installed. Needs root and apt.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { installPackages } from "../../../operations/engine.ts";

/** What docs/remote-engine.md gives a key for an engine: it reaches that, and nothing else of the host. */
export const restriction = 'restrict,command="docker system dial-stdio"';

export class SshServer {
    private server: ChildProcess | undefined;

    private constructor(
        private readonly root: string,
        /** TCP port on 127.0.0.1. */
        public readonly port: number,
    ) {}

    /** Starts the server for one key with these options of authorized_keys(5). */
    public static async make(port: number, options = restriction): Promise<SshServer> {
        const made = new SshServer(mkdtempSync(join(tmpdir(), "ssh-")), port);
        try {
            await made.unpack();
            made.configure(options);
            await made.start();
        } catch (error) {
            await made.remove();
            throw error;
        }
        return made;
    }

    /** As DOCKER_HOST has it. */
    public get host(): string {
        return `ssh://root@127.0.0.1:${this.port}`;
    }

    /** Variables of a client: its `ssh` reads this server's configuration, where a user has his in ~/.ssh. */
    public get environment(): { PATH: string } {
        return { PATH: [join(this.root, "client"), process.env.PATH ?? ""].join(delimiter) };
    }

    /** Runs ssh to the server. */
    public async ssh(...args: string[]) {
        return execa("ssh", ["-p", String(this.port), ...args], {
            env: this.environment,
            reject: false,
            all: true,
            timeout: 60_000,
            input: "",
        });
    }

    public async remove(): Promise<void> {
        const { server } = this;
        if (server?.exitCode === null && server.signalCode === null) {
            const ended = new Promise((resolve) => server.once("exit", resolve));
            server.kill("SIGTERM");
            await ended;
        }
        rmSync(this.root, { recursive: true, force: true });
    }

    private async unpack(): Promise<void> {
        if (!existsSync("/usr/bin/ssh")) {
            await installPackages(["openssh-client"], () => undefined);
        }
        const packages = join(this.root, "packages");
        mkdirSync(packages);
        const download = () =>
            execa("apt-get", ["download", "openssh-server", "libwrap0"], { cwd: packages, all: true });
        await download().catch(async () => {
            await execa("apt-get", ["update"]);
            await download();
        });
        for (const file of execFileSync("ls", [packages], { encoding: "utf8" }).trim().split("\n")) {
            execFileSync("dpkg-deb", ["--extract", join(packages, file), join(this.root, "server")]);
        }
    }

    private configure(options: string): void {
        const file = (name: string) => join(this.root, name);
        for (const key of ["host_key", "user_key"]) {
            execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(key)]);
        }
        const publicKey = (name: string) => readFileSync(file(`${name}.pub`), "utf8").trim();
        writeFileSync(file("authorized_keys"), `${options} ${publicKey("user_key")}\n`);
        writeFileSync(file("known_hosts"), `[127.0.0.1]:${this.port} ${publicKey("host_key")}\n`);
        writeFileSync(
            file("sshd_config"),
            [
                `Port ${this.port}`,
                "ListenAddress 127.0.0.1",
                `HostKey ${file("host_key")}`,
                `AuthorizedKeysFile ${file("authorized_keys")}`,
                `PidFile ${file("sshd.pid")}`,
                "PermitRootLogin prohibit-password",
                "PasswordAuthentication no",
                // The directory for temporary files is everybody's.
                "StrictModes no",
                "UsePAM no",
                "LogLevel VERBOSE",
                "",
            ].join("\n"),
        );
        writeFileSync(
            file("ssh_config"),
            [
                "Host *",
                `  IdentityFile ${file("user_key")}`,
                "  IdentitiesOnly yes",
                `  UserKnownHostsFile ${file("known_hosts")}`,
                "  StrictHostKeyChecking yes",
                "  BatchMode yes",
                "",
            ].join("\n"),
        );
        // It wants a user of its own, whom only the package's installation makes.
        writeFileSync(
            file("passwd"),
            `${readFileSync("/etc/passwd", "utf8")}sshd:x:65533:65534::/run/sshd:/bin/false\n`,
        );
        mkdirSync(file("client"));
        // ssh finds ~/.ssh by the user database, whatever HOME says.
        writeFileSync(file("client/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F '${file("ssh_config")}' "$@"\n`);
        chmodSync(file("client/ssh"), 0o755);
    }

    /** What the server has written down. */
    public get log(): string {
        return readFileSync(join(this.root, "log"), "utf8");
    }

    private async start(): Promise<void> {
        // The directory that the package's own service makes; the server insists on it.
        if (!existsSync("/run/sshd")) {
            mkdirSync("/run/sshd", { mode: 0o755 });
        }
        const log = openSync(join(this.root, "log"), "a");
        const server = join(this.root, "server");
        const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
        const libraries = ["lib", "usr/lib"].map((name) => join(server, name, triplet)).join(delimiter);
        // From OpenSSH 9.8 on the server is several programs, and finds the others by their places.
        const inside = `mount --bind "$1/passwd" /etc/passwd
            if [ -e "$1/server/usr/lib/openssh/sshd-session" ]; then mount --bind "$1/server/usr/lib/openssh" /usr/lib/openssh; fi
            LD_LIBRARY_PATH=$2 exec "$1/server/usr/sbin/sshd" -D -e -f "$1/sshd_config"`;
        this.server = spawn("unshare", ["--mount", "--", "sh", "-e", "-c", inside, "sh", this.root, libraries], {
            stdio: ["ignore", log, log],
        });
        for (let attempt = 0; attempt < 100; attempt += 1) {
            if (this.log.includes("Server listening on 127.0.0.1")) {
                return;
            }
            await sleep(100);
        }
        throw new Error(`the SSH server does not start: ${this.log}`);
    }
}
