/** What an engine's host tells by containers on it, where it is another machine. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
    addressesIn,
    directoryIn,
    dockerfileBase,
    engineHost,
    freeOnEngine,
    hostNetwork,
    isListenedOn,
    listenersIn,
    looker,
    shellImage,
} from "../../engineHost.ts";
import { hostProblems } from "../../hostCheck.ts";
import { Commands } from "./support/commands.ts";

const engine = "ssh://ana@desk";
const asker = { project: "mlflow-platform", stack: "dev", engine };
const image = "mlflow-platform/mlflow:3-abc";

/** As the kernel prints them: 127.0.0.1:5000 and 0.0.0.0:22 listen, a connection from 5001 does not; then the same of IPv6. */
const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100007F:1389 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
`;
const tcp6 = `  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:2329 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF00000A01A8C0:232A 00000000000000000000000000000000:0000 0A 00000000:00000000
`;
const routes = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.168.1.10
        /32 host LOCAL
     |-- 192.168.1.255
        /32 link BROADCAST
Local:
     |-- 127.0.0.1
        /32 host LOCAL
`;

describe("the kernel's tables", () => {
    it("name who listens, on one address or every one, IPv4 or both", () => {
        expect(listenersIn(tcp + tcp6)).toEqual([
            { address: "127.0.0.1", port: 5000 },
            { address: undefined, port: 22 },
            { address: undefined, port: 9000 },
            { address: "192.168.1.10", port: 9002 },
        ]);
    });

    it("name the host's own addresses once", () => {
        expect(addressesIn(routes)).toEqual(["127.0.0.1", "192.168.1.10"]);
    });

    it.each<[number, string, boolean]>([
        [5000, "127.0.0.1", true],
        [5000, "127.0.0.2", false],
        [5000, "0.0.0.0", true],
        [22, "192.168.1.10", true],
        [9000, "127.0.0.1", true],
        [9001, "127.0.0.1", false],
        [9002, "127.0.0.1", false],
        [5001, "127.0.0.1", false],
    ])("say whether port %d on %s is taken: %s", (port, address, taken) => {
        expect(isListenedOn(listenersIn(tcp + tcp6), port, address)).toBe(taken);
    });
});

describe("what stat prints", () => {
    it.each([
        ["directory|1000|1000|700", { uid: 1000, gid: 1000, mode: 0o700 }],
        ["directory|0|0|1777", { uid: 0, gid: 0, mode: 0o777 }],
        ["regular empty file|0|0|644", "not a directory"],
        ["", undefined],
    ])("%j is %j", (text, found) => {
        expect(directoryIn(text)).toEqual(found);
    });
});

describe("an engine elsewhere", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
        vi.stubEnv("PATH", `${join(commands.directory, "bin")}:/usr/bin:/bin`);
    });
    afterEach(() => {
        commands.remove();
        vi.unstubAllEnvs();
    });
    const host = `--host ${engine}`;
    const linux = { [`${host} info`]: 'Debian GNU/Linux 12 (bookworm) ["name=seccomp,profile=default"]' };
    const images = { [`${host} image ls`]: `mlflow-platform/seed:1-a\nmlflow-platform/model:<none>\n${image}\n` };
    const run = (options: readonly string[]) =>
        `${host} ${looker(image, options, []).join(" ").split("--entrypoint")[0] ?? ""}`;
    const network = { [run(hostNetwork)]: tcp + tcp6 + routes };
    const mount = (path: string) => [
        "--network",
        "none",
        "--mount",
        `type=bind,source=${path},target=/looked-at,readonly`,
    ];

    it("tells the same problems as a host that this is", async () => {
        commands.add("docker", {
            ...linux,
            ...images,
            ...network,
            [run(mount("/srv/minio"))]: "directory|0|0|755\n",
            [`${host} ps`]: "",
        });
        expect(
            await hostProblems(
                { bindAddress: "127.0.0.1", mlflowPort: 5000, minioPort: 9001, minioVolumePath: "/srv/minio" },
                asker,
            ),
        ).toEqual([
            "mlflowPort: port 5000 on 127.0.0.1 is in use by another program: end it, or pulumi config set mlflowPort <port>",
            'minioVolumePath: "/srv/minio" cannot be written by uid 1000, as which MinIO runs; it belongs to uid 0: ' +
                "sudo chown -R 1000:1000 /srv/minio && sudo chmod u+rwx /srv/minio",
        ]);
        // One container for addresses and every port, one for the directory.
        expect(commands.calls().filter((call) => call.includes(" run "))).toHaveLength(2);
    });

    it("tells addresses", async () => {
        commands.add("docker", { ...linux, ...images, ...network, [`${host} ps`]: "" });
        expect(await hostProblems({ bindAddress: "192.168.1.11" }, asker)).toEqual([
            "bindAddress: the engine's host has no address 192.168.1.11: set one of 127.0.0.1, 192.168.1.10, or 0.0.0.0 for every one",
        ]);
        expect(await hostProblems({ bindAddress: "192.168.1.10" }, asker)).toEqual([]);
    });

    it("makes no directory by looking for one", async () => {
        // As the engine answers to --mount, where --volume would make it.
        commands.add("docker", { ...linux, ...images });
        const script = join(commands.directory, "bin/docker");
        const { readFileSync, writeFileSync } = await import("node:fs");
        writeFileSync(
            script,
            readFileSync(script, "utf8").replace(
                'echo "unexpected',
                'echo "docker: invalid mount config for type \\"bind\\": bind source path does not exist: /srv/minio" >&2; exit 125; echo "',
            ),
        );
        expect(await engineHost(engine, {}).directory("/srv/minio")).toBe("missing");
        expect(commands.calls().join("\n")).not.toMatch(/ (-v|--volume) /);
    });

    it.each([
        ["Docker Desktop", { [`${host} info`]: "Docker Desktop []" }, undefined],
        ["no answer", {}, undefined],
        ["no image", { ...linux, [`${host} image ls`]: "mlflow-platform/seed:1-a" }, undefined],
        [
            "one without root",
            { [`${host} info`]: 'Debian ["name=rootless"]', ...images },
            { uid: 1, gid: 1, mode: 0o755 },
        ],
    ])("tells with %s only what it knows", async (_words, answers, directory) => {
        commands.add("docker", { ...network, [run(mount("/d"))]: "directory|1|1|755", ...answers });
        const asked = engineHost(engine, {});
        expect(await asked.addresses()).toBeUndefined();
        expect(await asked.isTaken(5000, "127.0.0.1")).toBe(false);
        expect(await asked.directory("/d")).toEqual(directory);
    });

    it("tells the free space where it keeps volumes", async () => {
        commands.add("docker", {
            ...images,
            [run(["--network", "none", "--mount", "type=volume,target=/looked-at"])]: "524288 4096\n",
        });
        expect(await freeOnEngine(engine, {})).toBe(2);
        commands.add("docker", images);
        expect(await freeOnEngine(engine, {})).toBeUndefined();
    });

    it("is looked at from an image that it has: the platform's, else one of the configuration, else the base", async () => {
        commands.add("docker", images);
        expect(await shellImage(engine, { baseImage: "debian:13" })).toBe(image);
        const has = (reference: string) => ({ [`${host} image inspect --format - ${reference}`]: "-" });
        commands.add("docker", { [`${host} image ls`]: "", ...has("debian:13"), ...has("mine:1") });
        expect(await shellImage(engine, { mlflowImage: "mine:1" })).toBe("mine:1");
        const base = dockerfileBase("images/postgres/Dockerfile");
        commands.add("docker", has(base));
        expect(await shellImage(engine, {})).toBe(base);
        commands.add("docker", {});
        expect(await shellImage(engine, {})).toBeUndefined();
    });
});

describe("a container that looks", () => {
    it("may do nothing, keeps nothing, and goes", () => {
        expect(looker("image", ["--network", "none"], ["cat", "file"])).toEqual([
            ...["run", "--rm", "--pull", "never", "--read-only", "--user", "65534:65534"],
            ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
            ...["--memory", "64m", "--pids-limit", "32", "--log-driver", "none"],
            ...["--network", "none", "--entrypoint", "cat", "image", "file"],
        ]);
    });
});
