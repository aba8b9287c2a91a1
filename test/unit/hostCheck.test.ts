/** What the engine's host has to say about a configuration: ports, MinIO's directory, a volume by name. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, type Server, createServer } from "node:net";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Configuration, configurationProblems, parseConfiguration } from "../../config.ts";
import { directoryDefect as defectOf, hostProblems, isLocal } from "../../hostCheck.ts";
import { localDirectory } from "../../localHost.ts";
import { type Surroundings, play, realFiles, statFails } from "./support/builtin.ts";
import { Commands } from "./support/commands.ts";

const overlay = (at: string) =>
    `582 520 0:43 / ${at} rw,relatime master:230 - overlay overlay rw,lowerdir=/var/lib/docker`;
const disk = (at: string) => `27 1 254:1 / ${at} rw,relatime shared:1 - ext4 /dev/vda1 rw`;
const onHost: Surroundings = { file: false, mounts: [disk("/")] };
const inContainer: Surroundings = { file: true, mounts: [overlay("/"), disk("/etc/hosts")] };

const isRoot = process.getuid?.() === 0;

let commands: Commands;
beforeEach(() => {
    commands = new Commands();
    // The directory of the scripts alone, lest an engine of this host answers.
    vi.stubEnv("PATH", `${join(commands.directory, "bin")}:/usr/bin:/bin`);
    // As on a developer's machine, wherever the tests run.
    play(onHost);
});
afterEach(() => {
    realFiles();
    commands.remove();
    vi.unstubAllEnvs();
});

const asker = { project: "mlflow-platform", stack: "dev", engine: "unix:///there/is/none.sock" };
const host = `--host ${asker.engine}`;

describe("an engine", () => {
    it.each<[string | undefined, boolean]>([
        [undefined, true],
        ["", true],
        ["unix:///var/run/docker.sock", true],
        ["unix:///run/user/1000/docker.sock", true],
        ["ssh://ana@desk", false],
        ["tcp://127.0.0.1:2375", false],
        ["tcp://10.0.0.5:2376", false],
        ["npipe:////./pipe/docker_engine", false],
        ["http://unix:1", false],
    ])("at %j is on this host: %s", (engine, local) => {
        expect(isLocal(engine)).toBe(local);
    });

    it.each([undefined, "", "unix:///var/run/docker.sock", "ssh://ana@desk"])(
        "at %j is on another host than a container that was given its socket",
        (engine) => {
            play(inContainer);
            expect(isLocal(engine)).toBe(false);
        },
    );

    it.each<[string, Surroundings]>([
        ["the host of containers", { file: false, mounts: [disk("/"), overlay("/var/lib/docker/overlay2/a/merged")] }],
        ["a host that was made from an image", { file: true, mounts: [disk("/")] }],
        [
            "one of those with containers",
            { file: true, mounts: [disk("/"), overlay("/var/lib/docker/overlay2/a/merged")] },
        ],
        ["a host with an overlay of its own, such as a live system", { file: false, mounts: [overlay("/")] }],
    ])("is on this host where this is %s", (_words, surroundings) => {
        play(surroundings);
        expect(isLocal("unix:///var/run/docker.sock")).toBe(true);
    });
});

describe("published ports", () => {
    const servers: Server[] = [];
    const listen = async (address = "127.0.0.1") => {
        const server = createServer().listen(0, address);
        await once(server, "listening");
        servers.push(server);
        return { server, port: (server.address() as AddressInfo).port };
    };
    /** One port that a program has, and three that are free now. */
    const ports = async () => {
        const [taken, ...free] = await Promise.all([listen(), listen(), listen(), listen()]);
        for (const { server } of free) {
            server.close();
            await once(server, "close");
        }
        const [a = 0, b = 0, c = 0] = free.map(({ port }) => port);
        return { taken: taken.port, a, b, c };
    };
    afterEach(async () => {
        for (const server of servers.splice(0).filter(({ listening }) => listening)) {
            server.close();
            await once(server, "close");
        }
    });

    /** A container that runs: its name, a port that it publishes, on which address, and its stack of this project. */
    interface Running {
        name: string;
        port: number;
        address?: string;
        stack?: string;
        project?: string;
    }
    const running = (...containers: Running[]) => {
        const ids = containers.map((_, index) => `c${index}`);
        commands.add("docker", {
            [`${host} ps --quiet`]: ids.join("\n"),
            [`${host} inspect ${ids.join(" ")}`]: JSON.stringify(
                containers.map(({ name, port, address = "127.0.0.1", stack, project = "mlflow-platform" }) => ({
                    Name: `/${name}`,
                    Config: {
                        Labels:
                            stack === undefined
                                ? null
                                : { "mlflow-platform.project": project, "mlflow-platform.stack": stack },
                    },
                    HostConfig: {
                        PortBindings: { "9000/tcp": [{ HostIp: address, HostPort: String(port) }], "1/tcp": null },
                    },
                })),
            ),
        });
    };
    const configuration = (
        mlflowPort: number,
        minioPort: number,
        consolePort: number,
        more: Record<string, string> = {},
    ) =>
        parseConfiguration({
            values: {
                mlflowPort: String(mlflowPort),
                minioPort: String(minioPort),
                minioConsoleAddress: `:${consolePort}`,
                ...more,
            },
            secrets: new Set(["minioSecretAccessKey"]),
        }).value;
    const inUse = (key: string, port: number, by: string, address = "127.0.0.1") =>
        `${key}: port ${port} on ${address} is in use by ${by}: end it, or pulumi config set ${key} ` +
        (key === "minioConsoleAddress" ? ":<port>" : "<port>");

    const external = {
        minioHost: "s3.example.com",
        minioAccessKey: "somebody",
        minioSecretAccessKey: "long enough",
    };

    it("are fine where they are free, and the engine is asked once", async () => {
        const { a, b, c } = await ports();
        running({ name: "elsewhere", port: 1 });
        expect(await hostProblems(configuration(a, b, c), asker)).toEqual([]);
        expect(commands.calls()).toEqual([`${host} ps --quiet`, `${host} inspect c0`]);
    });

    it("are fine where they are free and no container runs", async () => {
        const { a, b, c } = await ports();
        running();
        expect(await hostProblems(configuration(a, b, c), asker)).toEqual([]);
        expect(commands.calls()).toEqual([`${host} ps --quiet`]);
    });

    it("are fine where this stack has them already", async () => {
        const { taken, a, b } = await ports();
        running({ name: "mlflow-platform-dev-mlflow", port: taken, stack: "dev" });
        expect(await hostProblems(configuration(taken, a, b), asker)).toEqual([]);
    });

    it("are fine where a container has them on another address", async () => {
        const { a, b, c } = await ports();
        running({ name: "elsewhere", port: a, address: "127.0.0.9" });
        expect(await hostProblems(configuration(a, b, c), asker)).toEqual([]);
    });

    it.each(["127.0.0.1", "0.0.0.0", ""])("are refused where a container has them on %j", async (address) => {
        const { a, b, c } = await ports();
        running({ name: "somebody-elses", port: a, address });
        expect(await hostProblems(configuration(a, b, c), asker)).toEqual([
            inUse("mlflowPort", a, "container somebody-elses"),
        ]);
    });

    it("are refused where another stack has them, a container with a name like this stack's, or another project's stack", async () => {
        const { a, b, c } = await ports();
        running(
            { name: "mlflow-platform-dev-2-mlflow", port: a, stack: "dev-2" },
            { name: "mlflow-platform-dev-by-hand", port: b },
            { name: "other-dev-minio", port: c, stack: "dev", project: "other" },
        );
        expect(await hostProblems(configuration(a, b, c), asker)).toEqual([
            inUse("mlflowPort", a, "container mlflow-platform-dev-2-mlflow"),
            inUse("minioPort", b, "container mlflow-platform-dev-by-hand"),
            inUse("minioConsoleAddress", c, "container other-dev-minio"),
        ]);
    });

    it("are refused where a program has them that is no container", async () => {
        const { taken, a, b } = await ports();
        running();
        expect(await hostProblems(configuration(a, b, taken), asker)).toEqual([
            inUse("minioConsoleAddress", taken, "another program"),
        ]);
    });

    it("are refused where a program has them on every address", async () => {
        const { a, b } = await ports();
        const { port } = await listen("0.0.0.0");
        running();
        expect(await hostProblems(configuration(a, port, b), asker)).toEqual([
            inUse("minioPort", port, "another program"),
        ]);
    });

    it("are looked at on the address where they would be published", async () => {
        const { taken, a, b } = await ports();
        running({ name: "theirs", port: a, address: "127.0.0.2" });
        // The program has its port on 127.0.0.1, and the container on 127.0.0.2.
        expect(await hostProblems(configuration(taken, a, b, { bindAddress: "127.0.0.2" }), asker)).toEqual([
            inUse("minioPort", a, "container theirs", "127.0.0.2"),
        ]);
    });

    it("are refused on every address where a container or a program has them on any", async () => {
        const { taken, a, b } = await ports();
        running(
            { name: "theirs", port: a, address: "192.0.2.7" },
            { name: "ours", port: b, address: "127.0.0.1", stack: "dev" },
        );
        expect(await hostProblems(configuration(taken, a, b, { bindAddress: "0.0.0.0" }), asker)).toEqual([
            inUse("mlflowPort", taken, "another program", "0.0.0.0"),
            inUse("minioPort", a, "container theirs", "0.0.0.0"),
        ]);
    });

    it("have the gateway's plain port among them", async () => {
        const { taken, a, b, c } = await ports();
        running();
        const more = { publicHost: "ml.example.com", gatewayHttpPort: String(taken) };
        expect(await hostProblems(configuration(a, b, c, more), asker)).toEqual([
            inUse("gatewayHttpPort", taken, "another program"),
        ]);
    });

    describe("of model servers", () => {
        const serving = (...numbers: number[]) => ({
            modelServers: JSON.stringify(numbers.map((port, index) => ({ name: `model${index}`, port }))),
        });
        const inUseByModel = (index: number, port: number, by: string, address = "127.0.0.1") => {
            const key = `modelServers[${index}].port`;
            return `${key}: port ${port} on ${address} is in use by ${by}: end it, or pulumi config set --path '${key}' <port>`;
        };
        const other = { bindAddress: "127.0.0.2", allowInsecureExposure: "true" };

        it("are among them, and are told by their places", async () => {
            const [{ taken, a, b, c }, { port }] = [await ports(), await listen()];
            running();
            expect(await hostProblems(configuration(a, b, c, serving(taken, port)), asker)).toEqual([
                inUseByModel(0, taken, "another program"),
                inUseByModel(1, port, "another program"),
            ]);
        });

        it("are looked at on loopback, wherever the others are published", async () => {
            const [{ taken, a, b, c }, { a: d }] = [await ports(), await ports()];
            running({ name: "theirs", port: a, address: "127.0.0.2" });
            // The program has its port on 127.0.0.1, and the container on 127.0.0.2.
            expect(await hostProblems(configuration(b, c, d, { ...other, ...serving(a) }), asker)).toEqual([]);
            expect(await hostProblems(configuration(b, c, d, { ...other, ...serving(taken) }), asker)).toEqual([
                inUseByModel(0, taken, "another program"),
            ]);
        });

        it("are looked at where the gateway publishes them, with one", async () => {
            const [{ taken, a, b, c }, { a: d }] = [await ports(), await ports()];
            running({ name: "theirs", port: a, address: "127.0.0.2" });
            const gateway = { ...other, publicHost: "ml.example.com" };
            expect(await hostProblems(configuration(b, c, d, { ...gateway, ...serving(taken, a) }), asker)).toEqual([
                inUseByModel(1, a, "container theirs", "127.0.0.2"),
            ]);
        });
    });

    it("are refused all at once", async () => {
        const { taken, a, b } = await ports();
        running({ name: "somebody-elses", port: a }, { name: "mlflow-platform-prod-minio", port: b, stack: "prod" });
        expect(await hostProblems(configuration(taken, a, b), asker)).toEqual([
            inUse("mlflowPort", taken, "another program"),
            inUse("minioPort", a, "container somebody-elses"),
            inUse("minioConsoleAddress", b, "container mlflow-platform-prod-minio"),
        ]);
    });

    it("are not those of a MinIO that does not run here", async () => {
        const { taken, a } = await ports();
        running({ name: "theirs", port: a });
        expect(await hostProblems(configuration(a, taken, taken, external), asker)).toEqual([
            inUse("mlflowPort", a, "container theirs"),
        ]);
    });

    it("are not those of a MinIO that does not run here where its host has a problem of its own", async () => {
        const { taken, a } = await ports();
        running({ name: "theirs", port: a });
        const broken = { ...external, minioHost: "localhost" };
        const value = configuration(a, taken, taken, broken);
        expect(value.minioHost).toBeUndefined();
        expect(await hostProblems(value, asker, true)).toEqual([inUse("mlflowPort", a, "container theirs")]);
        // As a whole configuration is asked.
        const values = { ...broken, mlflowPort: String(a), minioPort: String(taken) };
        const { problems } = await configurationProblems({ values, secrets: new Set(Object.keys(values)) }, {}, asker);
        expect(problems).toEqual([
            expect.stringMatching(/^minioHost: "localhost" is a container's own address/),
            inUse("mlflowPort", a, "container theirs"),
        ]);
    });

    it("are left out where the key has a problem of its own, and all where the address has", async () => {
        const { taken, a, b } = await ports();
        running();
        expect(await hostProblems(configuration(taken, a, b, { mlflowPort: "x" }), asker)).toEqual([]);
        expect(await hostProblems(configuration(taken, a, b, { bindAddress: "::" }), asker)).toEqual([]);
    });

    it.each<[string, () => void]>([
        [
            "there is no docker command",
            () => {
                vi.stubEnv("PATH", join(commands.directory, "nothing"));
            },
        ],
        [
            "the engine does not answer",
            () => {
                commands.add("docker", {});
            },
        ],
        [
            "a container ended in between",
            () => {
                commands.add("docker", { [`${host} ps --quiet`]: "c0\nc1\n" });
            },
        ],
    ])("are left to the update where %s: a stranger's cannot be told from the stack's own", async (_words, prepare) => {
        const { taken, a, b } = await ports();
        prepare();
        expect(await hostProblems(configuration(taken, a, b), asker)).toEqual([]);
    });

    it.each(["ssh://elsewhere", "tcp://10.0.0.5:2376"])(
        "are not this host's where the engine is %s",
        async (engine) => {
            const { taken, a, b } = await ports();
            commands.add("docker", { [`--host ${engine} ps`]: "" });
            expect(await hostProblems(configuration(taken, a, b), { ...asker, engine })).toEqual([]);
        },
    );

    it("are not this container's where the engine's socket was given to one", async () => {
        play(inContainer);
        const { taken, a, b } = await ports();
        running();
        expect(await hostProblems(configuration(taken, a, b), asker)).toEqual([]);
    });

    it.each(["", undefined])(
        "are asked of the default engine where none is named, as the provider does, whatever the docker command's context: %j",
        async (engine) => {
            const { taken, a, b } = await ports();
            commands.add("docker", { "--context default ps --quiet": "" });
            expect(await hostProblems(configuration(taken, a, b), { ...asker, engine })).toEqual([
                inUse("mlflowPort", taken, "another program"),
            ]);
            expect(commands.calls()).toEqual(["--context default ps --quiet"]);
        },
    );
});

describe("the address on which ports are published", () => {
    const own = (address: string, family: "IPv4" | "IPv6" = "IPv4") => ({ address, family }) as os.NetworkInterfaceInfo;
    const onLinux = async (bindAddress: string, engine = asker.engine, platform = "linux") => {
        const { platform: real } = process;
        Object.defineProperty(process, "platform", { value: platform });
        try {
            return await hostProblems({ bindAddress }, { ...asker, engine });
        } finally {
            Object.defineProperty(process, "platform", { value: real });
        }
    };
    beforeEach(() => {
        commands.add("docker", { [`${host} ps --quiet`]: "" });
        vi.spyOn(os, "networkInterfaces").mockReturnValue({
            lo: [own("127.0.0.1"), own("::1", "IPv6")],
            eth0: [own("192.168.1.10"), own("fe80::1", "IPv6"), own("192.168.1.11")],
            tailscale0: [own("192.168.1.10")],
            gone: undefined,
        });
        syncBuiltinESMExports();
    });

    it.each(["127.0.0.1", "127.9.9.9", "0.0.0.0", "192.168.1.10", "192.168.1.11"])("may be %s", async (address) => {
        expect(await onLinux(address)).toEqual([]);
        expect(commands.calls()).toEqual([`${host} ps --quiet`]);
    });

    it("is one that this host has, and no port is looked at where it is not", async () => {
        expect(await onLinux("192.168.1.12")).toEqual([
            "bindAddress: the engine's host has no address 192.168.1.12: set one of 127.0.0.1, 192.168.1.10, 192.168.1.11, or 0.0.0.0 " +
                "for every one",
        ]);
        expect(commands.calls()).toEqual([]);
    });

    it("is not looked at where nobody tells the host's, or this one only lends its ports", async () => {
        commands.add("docker", { "--host": "" });
        expect(await onLinux("192.168.1.12", "ssh://elsewhere")).toEqual([]);
        expect(await onLinux("192.168.1.12", asker.engine, "darwin")).toEqual([]);
    });
});

describe("MinIO's directory", () => {
    const directoryDefect = (at: string) => defectOf(at, localDirectory(at));
    const path = (name = "data") => join(commands.directory, name);
    const notThere = (at: string) => `"${at}" is not there: sudo install -d -o 1000 -g 1000 -m 0700 ${at}`;
    const notADirectory = (at: string) => `"${at}" is not a directory: set one, such as /srv/minio`;
    const notWritable = (at: string, uid: number) =>
        `"${at}" cannot be written by uid 1000, as which MinIO runs; it belongs to uid ${uid}: ` +
        `sudo chown -R 1000:1000 ${at} && sudo chmod u+rwx ${at}`;

    it("is missing", () => {
        expect(directoryDefect(path())).toBe(notThere(path()));
    });

    it("is missing below something that is no directory", () => {
        writeFileSync(path("file"), "");
        expect(directoryDefect(path("file/data"))).toBe(notThere(path("file/data")));
    });

    it("is a file", () => {
        writeFileSync(path(), "");
        expect(directoryDefect(path())).toBe(notADirectory(path()));
    });

    it("is a link to nowhere", () => {
        symlinkSync(path("nowhere"), path());
        expect(directoryDefect(path())).toBe(notThere(path()));
    });

    it("is named in a command as a shell takes it", () => {
        expect(directoryDefect(path("it's mine"))).toBe(
            `"${path("it's mine")}" is not there: sudo install -d -o 1000 -g 1000 -m 0700 ` +
                `'${path("it'\\''s mine")}'`,
        );
    });

    it("is fine where everybody may write, also behind a link", () => {
        mkdirSync(path("real"));
        chmodSync(path("real"), 0o777);
        symlinkSync(path("real"), path());
        expect(directoryDefect(path())).toBeUndefined();
    });

    it("is left to MinIO itself where this user may not look", () => {
        statFails("/srv/closed", "EACCES");
        expect(directoryDefect("/srv/closed")).toBeUndefined();
    });

    it("is taken for missing where looking fails in another way", () => {
        statFails("/srv/loop", "ELOOP");
        expect(directoryDefect("/srv/loop")).toBe(notThere("/srv/loop"));
    });

    it.runIf(isRoot).each<[string, number, number, number, boolean]>([
        ["MinIO's own", 1000, 1000, 0o700, true],
        ["MinIO's own, of another group", 1000, 0, 0o700, true],
        ["MinIO's group's", 0, 1000, 0o770, true],
        ["everybody's", 0, 0, 0o777, true],
        ["root's", 0, 0, 0o755, false],
        ["another user's", 1001, 1001, 0o700, false],
        ["MinIO's group's to read", 0, 1000, 0o750, false],
        ["MinIO's own, to read", 1000, 1000, 0o500, false],
        ["MinIO's own, without entering", 1000, 1000, 0o600, false],
        ["everybody's but MinIO's own", 1000, 1000, 0o077, false],
        ["everybody's but the group's", 0, 1000, 0o707, false],
        ["the group's, and MinIO is in another", 0, 1001, 0o770, false],
    ])("is %s: %d:%d with mode %o is writable: %s", (_words, uid, gid, mode, writable) => {
        mkdirSync(path());
        chownSync(path(), uid, gid);
        chmodSync(path(), mode);
        expect(directoryDefect(path())).toBe(writable ? undefined : notWritable(path(), uid));
    });

    it.runIf(isRoot)("is given away by a command as a shell takes it", () => {
        mkdirSync(path("a b"), { mode: 0o700 });
        expect(directoryDefect(path("a b"))).toBe(
            `"${path("a b")}" cannot be written by uid 1000, as which MinIO runs; it belongs to uid 0: ` +
                `sudo chown -R 1000:1000 '${path("a b")}' && sudo chmod u+rwx '${path("a b")}'`,
        );
    });

    it.runIf(isRoot)("is writable exactly where the kernel lets uid 1000 write, for any owner and mode", () => {
        chmodSync(commands.directory, 0o755);
        mkdirSync(path());
        const seen = { writable: 0, not: 0 };
        fc.assert(
            fc.property(
                fc.constantFrom(0, 1000, 1001),
                fc.constantFrom(0, 1000, 1001),
                fc.tuple(fc.constantFrom(0, 5, 6, 7), fc.constantFrom(0, 5, 6, 7), fc.constantFrom(0, 5, 6, 7)),
                (uid, gid, [user, group, others]) => {
                    chownSync(path(), uid, gid);
                    chmodSync(path(), user * 64 + group * 8 + others);
                    const { status } = spawnSync("/bin/sh", ["-c", "test -r $0 && test -w $0 && test -x $0", path()], {
                        uid: 1000,
                        gid: 1000,
                    });
                    seen[status === 0 ? "writable" : "not"] += 1;
                    expect(directoryDefect(path()) === undefined).toBe(status === 0);
                },
            ),
            { numRuns: 100 },
        );
        expect(Math.min(seen.writable, seen.not)).toBeGreaterThan(5);
    });

    describe("in a configuration", () => {
        const { platform } = process;
        const playPlatform = (name: string) => Object.defineProperty(process, "platform", { value: name });
        afterEach(() => {
            playPlatform(platform);
        });
        const problems = (engine = asker.engine) => hostProblems({ minioVolumePath: path() }, { ...asker, engine });
        beforeEach(() => {
            commands.add("docker", { [`${host} ps --quiet`]: "" });
            playPlatform("linux");
        });

        it("is a problem of its key", async () => {
            expect(await problems()).toEqual([`minioVolumePath: ${notThere(path())}`]);
        });

        it("is not looked at on Docker Desktop, which maps owners by itself", async () => {
            playPlatform("darwin");
            expect(await problems()).toEqual([]);
        });

        it("is not looked for here where the engine is elsewhere", async () => {
            expect(await problems("ssh://elsewhere")).toEqual([]);
        });
    });
});

describe("a volume by name", () => {
    const labelsOf = (project: string, stack?: string) =>
        JSON.stringify({
            "mlflow-platform.project": project,
            ...(stack === undefined ? {} : { "mlflow-platform.stack": stack }),
        });
    const inspect = "volume inspect --format {{json .Labels}} data";

    it.each<[string, string | undefined, string[]]>([
        [
            "another stack's",
            labelsOf("mlflow-platform", "prod"),
            ["minioVolumeName: volume data holds the data of stack prod: set another volume's name"],
        ],
        ["this stack's own", labelsOf("mlflow-platform", "dev"), []],
        ["another project's", labelsOf("other", "prod"), []],
        ["of this project and no stack", labelsOf("mlflow-platform"), []],
        ["one without labels", "null", []],
        ["one with no labels of ours", JSON.stringify({ "com.example": "x" }), []],
        ["not there yet", undefined, []],
    ])("is %s", async (_words, labels, problems) => {
        commands.add("docker", labels === undefined ? {} : { [`--host ssh://elsewhere ${inspect}`]: labels });
        expect(await hostProblems({ minioVolumeName: "data" }, { ...asker, engine: "ssh://elsewhere" })).toEqual(
            problems,
        );
        expect(commands.calls()).toEqual([`--host ssh://elsewhere ${inspect}`]);
    });

    it("is not looked at where none is named", async () => {
        commands.add("docker", {});
        expect(await hostProblems({}, { ...asker, engine: "ssh://elsewhere" })).toEqual([]);
        expect(commands.calls()).toEqual([]);
    });

    it("is asked of the default engine where none is named, as the provider does", async () => {
        commands.add("docker", {
            "--context default ps": "",
            [`--context default ${inspect}`]: labelsOf("mlflow-platform", "prod"),
        });
        expect(await hostProblems({ minioVolumeName: "data" }, { ...asker, engine: undefined })).toHaveLength(1);
        expect(commands.calls()).toContain(`--context default ${inspect}`);
    });

    it("is nobody's where there is no docker command", async () => {
        vi.stubEnv("PATH", join(commands.directory, "nothing"));
        expect(await hostProblems({ minioVolumeName: "data" }, { ...asker, engine: "ssh://elsewhere" })).toEqual([]);
    });
});

describe("all that the engine's host has to say", () => {
    it("is one list: ports, the directory, the volume", async () => {
        const path = join(commands.directory, "missing");
        commands.add("docker", {
            [`${host} ps --quiet`]: "c0",
            [`${host} inspect c0`]: JSON.stringify([
                {
                    Name: "/theirs",
                    Config: { Labels: {} },
                    HostConfig: { PortBindings: { "1/tcp": [{ HostIp: "", HostPort: "5000" }] } },
                },
            ]),
            [`${host} volume inspect`]: JSON.stringify({
                "mlflow-platform.project": "mlflow-platform",
                "mlflow-platform.stack": "prod",
            }),
        });
        const configuration: Partial<Configuration> = {
            bindAddress: "127.0.0.1",
            mlflowPort: 5000,
            minioHost: "s3.example.com",
            minioVolumePath: path,
            minioVolumeName: "data",
        };
        const { platform } = process;
        Object.defineProperty(process, "platform", { value: "linux" });
        const problems = await hostProblems(configuration, asker);
        Object.defineProperty(process, "platform", { value: platform });
        expect(problems.map((problem) => problem.slice(0, 40))).toEqual([
            "mlflowPort: port 5000 on 127.0.0.1 is in",
            `minioVolumePath: "${path}" is`.slice(0, 40),
            "minioVolumeName: volume data holds the d",
        ]);
    });
});
