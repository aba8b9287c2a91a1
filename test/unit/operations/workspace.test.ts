/** Where a user's state is, and under which variables Pulumi finds it. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createCipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockedError, locksOf } from "../../../operations/lock.ts";
import { makeState, placesOf, projectName } from "../../../operations/places.ts";
import { exportLines } from "../../../operations/pulumi.ts";
import { UserError } from "../../../operations/userError.ts";
import {
    cliRoot,
    openStack,
    pulumiVariables,
    requirePassphrase,
    saltFits,
    stackFile,
    withFittingSalt,
} from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";

const checkout = join(import.meta.dirname, "../../..");
let commands: Commands;
beforeEach(() => {
    commands = new Commands();
});
afterEach(() => {
    commands.remove();
});

describe("places", () => {
    it("are below the home by the XDG Base Directory Specification", () => {
        const state = join(homedir(), ".local/state/mlflow-platform");
        const cache = join(homedir(), ".cache/mlflow-platform");
        expect(placesOf({})).toEqual({
            project: checkout,
            state,
            cache,
            backend: join(state, "backend"),
            passphrase: join(state, "passphrase"),
            pulumiHome: join(cache, "pulumi"),
        });
    });

    it("are where XDG_STATE_HOME and XDG_CACHE_HOME say", () => {
        expect(placesOf({ XDG_STATE_HOME: "/s", XDG_CACHE_HOME: "/c" })).toEqual({
            project: checkout,
            state: "/s/mlflow-platform",
            cache: "/c/mlflow-platform",
            backend: "/s/mlflow-platform/backend",
            passphrase: "/s/mlflow-platform/passphrase",
            pulumiHome: "/c/mlflow-platform/pulumi",
        });
    });

    it("keep the user's own PULUMI_HOME", () => {
        expect(placesOf({ PULUMI_HOME: "/p", XDG_CACHE_HOME: "/c" }).pulumiHome).toBe("/p");
    });

    it("have the name of the project in Pulumi.yaml", () => {
        expect(readFileSync(join(checkout, "Pulumi.yaml"), "utf8")).toMatch(new RegExp(`^name: ${projectName}$`, "m"));
    });
});

describe("a user's state", () => {
    it("is made for that user alone, with a passphrase of 32 random bytes", () => {
        const { places } = commands;
        makeState(places);
        expect(statSync(places.state).mode & 0o777).toBe(0o700);
        expect(statSync(places.passphrase).mode & 0o777).toBe(0o600);
        expect(readFileSync(places.passphrase, "utf8")).toMatch(/^[\w-]{43}$/);
        expect(readdirSync(places.state).sort()).toEqual(["backend", "passphrase"]);
    });

    it("keeps its passphrase when it is there already", () => {
        const { places } = commands;
        makeState(places);
        const passphrase = readFileSync(places.passphrase, "utf8");
        makeState(places);
        expect(readFileSync(places.passphrase, "utf8")).toBe(passphrase);
        expect(readdirSync(places.state).sort()).toEqual(["backend", "passphrase"]);
    });

    it("gets no other passphrase where there are stacks already: theirs is lost, and that is said", async () => {
        const { places } = commands;
        const stacks = join(places.backend, ".pulumi/stacks/mlflow-platform");
        mkdirSync(stacks, { recursive: true });
        writeFileSync(join(stacks, "dev.json"), "{}");
        makeState(places);
        expect(existsSync(places.passphrase)).toBe(false);
        const variables = {
            PULUMI_BACKEND_URL: `file://${places.backend}`,
            PULUMI_CONFIG_PASSPHRASE_FILE: places.passphrase,
        };
        await expect(openStack(places, "dev", variables)).rejects.toThrow(
            `The file of the passphrase, ${places.passphrase}, is not there.`,
        );
    });

    it("has another passphrase for another user", () => {
        const other = new Commands();
        makeState(commands.places);
        makeState(other.places);
        expect(readFileSync(other.places.passphrase, "utf8")).not.toBe(
            readFileSync(commands.places.passphrase, "utf8"),
        );
        other.remove();
    });
});

describe("Pulumi's variables", () => {
    const places = placesOf({ XDG_STATE_HOME: "/s", XDG_CACHE_HOME: "/c" });
    const { version } = JSON.parse(
        readFileSync(join(checkout, "node_modules/@pulumi/pulumi/package.json"), "utf8"),
    ) as {
        version: string;
    };
    const bin = `/c/mlflow-platform/pulumi/versions/${version}/bin`;
    const byDefault = {
        PULUMI_HOME: "/c/mlflow-platform/pulumi",
        PULUMI_BACKEND_URL: "file:///s/mlflow-platform/backend",
        PULUMI_CONFIG_PASSPHRASE_FILE: "/s/mlflow-platform/passphrase",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        PATH: `${bin}:/usr/bin`,
    };

    it.each<[string, NodeJS.ProcessEnv, object, object]>([
        ["name the user's own state", {}, {}, byDefault],
        [
            "name the engine and the base image that were found",
            {},
            { dockerHost: "unix:///x", baseImage: "debian:13" },
            { ...byDefault, DOCKER_HOST: "unix:///x", MLFLOW_PLATFORM_BASE_IMAGE: "debian:13" },
        ],
        [
            "leave the user's own engine alone",
            { DOCKER_HOST: "ssh://host" },
            { dockerHost: "unix:///x" },
            { ...byDefault, DOCKER_HOST: "ssh://host" },
        ],
        [
            "name the base image that was decided on, whatever the user's variable says",
            { MLFLOW_PLATFORM_BASE_IMAGE: "mine" },
            { baseImage: "debian:13" },
            { ...byDefault, MLFLOW_PLATFORM_BASE_IMAGE: "debian:13" },
        ],
        [
            "take the user's base image away where the pinned one was decided on",
            { MLFLOW_PLATFORM_BASE_IMAGE: "mine" },
            {},
            { ...byDefault, MLFLOW_PLATFORM_BASE_IMAGE: "" },
        ],
        [
            "leave the user's own backend alone",
            { PULUMI_BACKEND_URL: "s3://bucket" },
            {},
            { ...byDefault, PULUMI_BACKEND_URL: "s3://bucket" },
        ],
        [
            "leave the user's own passphrase file alone",
            { PULUMI_CONFIG_PASSPHRASE_FILE: "/mine" },
            {},
            { ...byDefault, PULUMI_CONFIG_PASSPHRASE_FILE: "/mine" },
        ],
        ["leave out what else the user has set", { AWS_PROFILE: "x", HOME: "/h" }, {}, byDefault],
    ])("%s", (_words, env, surroundings, variables) => {
        expect(pulumiVariables(places, { PATH: "/usr/bin", ...env }, surroundings)).toEqual(variables);
    });

    it.each(["", "state"])("ignore a directory that is empty or relative: %j", (directory) => {
        expect(placesOf({ XDG_STATE_HOME: directory, XDG_CACHE_HOME: directory })).toEqual(placesOf({}));
    });

    it("take a damaged salt for one that does not fit", () => {
        expect(saltFits("v1:AAAA:v1:Wqy40SwKH7EUsVLD:AA", "x")).toBe(false);
    });

    it.each(["word", ""])("name no passphrase file where the user has a passphrase: %j", (passphrase) => {
        const rest: Record<string, string> = { ...byDefault };
        delete rest.PULUMI_CONFIG_PASSPHRASE_FILE;
        expect(pulumiVariables(places, { PATH: "/usr/bin", PULUMI_CONFIG_PASSPHRASE: passphrase }, {})).toEqual({
            ...rest,
            PULUMI_CONFIG_PASSPHRASE: passphrase,
        });
    });

    it("find the CLI of the SDK's version", () => {
        expect(cliRoot(places)).toBe(`/c/mlflow-platform/pulumi/versions/${version}`);
    });
});

describe("the lines that give a shell the same variables", () => {
    it("are one export each, and put the CLI before the shell's own PATH", () => {
        expect(exportLines({ PULUMI_HOME: "/it's here", PATH: "/x:/usr/bin" }, "/the cli/bin")).toBe(
            "export PULUMI_HOME='/it'\\''s here'\nexport PATH='/the cli/bin':\"$PATH\"",
        );
        expect(exportLines({ DOCKER_CONTEXT: "", PULUMI_HOME: "/here", PATH: "" }, "/cli/bin")).toBe(
            "export DOCKER_CONTEXT=''\nexport PULUMI_HOME=/here\nexport PATH=/cli/bin:\"$PATH\"",
        );
    });

    it("are read by a shell as the very values", () => {
        const value = fc.string({ unit: fc.constantFrom(...Array.from("'\"\\$`!& \n\t*ä=")), maxLength: 12 });
        fc.assert(
            fc.property(fc.array(value, { minLength: 8, maxLength: 8 }), (values) => {
                const variables = Object.fromEntries(values.map((some, index) => [`V${index}`, some]));
                const output = execFileSync(
                    "/bin/sh",
                    ["-c", `${exportLines({ ...variables, PATH: "" }, "/cli")}; env -0`],
                    {
                        env: { PATH: "/usr/bin:/bin" },
                    },
                );
                const read = new Map(
                    output
                        .toString()
                        .split("\0")
                        .map((line): [string, string] => [
                            line.slice(0, line.indexOf("=")),
                            line.slice(line.indexOf("=") + 1),
                        ]),
                );
                expect(Object.keys(variables).map((name) => read.get(name))).toEqual(values);
                expect(read.get("PATH")).toBe("/cli:/usr/bin:/bin");
            }),
            { numRuns: 20 },
        );
    });
});

/** As Pulumi's CLI 3.255.0 wrote them for the passphrases "two" and "one". */
const salts = {
    two: "v1:neSqR+j8Pz8=:v1:Wqy40SwKH7EUsVLD:81OwqBb4pKS/fLzlTH7OHzjnt6Kp3w==",
    one: "v1:Xg8ry8PyX0Q=:v1:FUMReIfbfd5XnMRE:J/EGCY+UYYJ+d96vKSmXxAWMCiu8VA==",
};

/** Formats that Pulumi's CLI does not write today: of the whole, and of the word in it. */
const unknownSalts = [
    salts.two.replace("v1:", "v2:"),
    salts.two.replace(/:v1:/, ":v2:"),
    "argon2id:c2FsdA==",
    "neSqR+j8Pz8=",
    "",
];

describe("a salt", () => {
    it.each([
        [salts.two, "two", true],
        [salts.one, "one", true],
        [salts.two, "one", false],
    ])("%s fits %j: %s", (salt, passphrase, fits) => {
        expect(saltFits(salt, passphrase)).toBe(fits);
    });

    it("fits the passphrase it was made with, whatever that is", () => {
        const passphrase = "correct horse: bättery";
        const [bytes, nonce] = [randomBytes(8), randomBytes(12)];
        const cipher = createCipheriv("aes-256-gcm", pbkdf2Sync(passphrase, bytes, 1_000_000, 32, "sha256"), nonce);
        const sealed = Buffer.concat([cipher.update("pulumi"), cipher.final(), cipher.getAuthTag()]);
        const salt = ["v1", bytes.toString("base64"), "v1", nonce.toString("base64"), sealed.toString("base64")].join(
            ":",
        );
        expect(saltFits(salt, passphrase)).toBe(true);
        expect(saltFits(salt, `${passphrase}\n`)).toBe(false);
    });

    it.each(["v1", "v1:neSqR+j8Pz8=", "v1:neSqR+j8Pz8=:v1", "v1:neSqR+j8Pz8=:v1:Wqy40SwKH7EUsVLD"])(
        "that is cut off fits nothing: %j",
        (salt) => {
            expect(saltFits(salt, "two")).toBe(false);
        },
    );

    it.each(unknownSalts)("of a format that is not known fits anything: %j", (salt) => {
        expect(saltFits(salt, "one")).toBe(true);
        expect(saltFits(salt, "two")).toBe(true);
    });
});

describe("the passphrase of a stack's state", () => {
    /** Asks for the passphrase "two" of a state with this salt. */
    const ask = (salt: string) => {
        const { backend } = commands.places;
        const directory = join(backend, ".pulumi/stacks", projectName);
        mkdirSync(directory, { recursive: true });
        const latest = { secrets_providers: { type: "passphrase", state: { salt } } };
        writeFileSync(join(directory, "dev.json"), JSON.stringify({ checkpoint: { latest } }));
        requirePassphrase("dev", { PULUMI_BACKEND_URL: `file://${backend}`, PULUMI_CONFIG_PASSPHRASE: "two" });
    };

    it.each([salts.two, ...unknownSalts])("is taken where the salt fits it, or its format is not known: %j", (salt) => {
        expect(() => {
            ask(salt);
        }).not.toThrow();
    });

    it("is refused where it is another one", () => {
        expect(() => {
            ask(salts.one);
        }).toThrow(
            expect.objectContaining({
                name: "UserError",
                message: "The passphrase does not fit the state of stack dev (it is that of PULUMI_CONFIG_PASSPHRASE).",
            }),
        );
    });
});

describe("a stack's file with a salt", () => {
    const plain = `encryptionsalt: ${salts.two}\nconfig:\n  mlflow-platform:mlflowPort: "5001"\n`;
    const sealed =
        `config:\n  mlflow-platform:mlflowPort: "5001"\n  mlflow-platform:pgPassword:\n    secure: v1:abc\n` +
        `  mlflow-platform:minioRootPassword:\n    secure: v1:def\nencryptionsalt: ${salts.two}\n`;

    it("stays as it is where the salt fits the passphrase", () => {
        expect(withFittingSalt("dev", sealed, "two")).toBe(sealed);
    });

    it("stays as it is where there is no salt", () => {
        const content = "config:\n  mlflow-platform:mlflowPort: 5001\n";
        expect(withFittingSalt("dev", content, "one")).toBe(content);
    });

    it.each(unknownSalts.filter((salt) => salt !== ""))(
        "stays as it is with a salt of an unknown format: %s",
        (salt) => {
            for (const content of [plain, sealed].map((some) => some.replace(salts.two, salt))) {
                expect(content).toContain(salt);
                expect(withFittingSalt("dev", content, "one")).toBe(content);
            }
        },
    );

    it("loses a salt of another passphrase where nothing is encrypted with that", () => {
        expect(withFittingSalt("dev", plain, "one")).toBe('config:\n  mlflow-platform:mlflowPort: "5001"\n');
    });

    it("is refused where something is, with the keys and both ways out", () => {
        const refusal = () => withFittingSalt("prod", sealed, "one");
        expect(refusal).toThrow(UserError);
        expect(refusal).toThrow(
            expect.objectContaining({
                message:
                    "Pulumi.prod.yaml holds values that were encrypted with another passphrase: " +
                    "mlflow-platform:pgPassword, mlflow-platform:minioRootPassword.",
                cure:
                    "Give that passphrase by PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, or remove these values and " +
                    "the line encryptionsalt and set them again (npm run pulumi -- config set --secret …).",
            }),
        );
    });

    it("is beside Pulumi.yaml", () => {
        expect(stackFile(placesOf({}), "prod")).toBe(join(checkout, "Pulumi.prod.yaml"));
    });
});

describe("the name of a stack", () => {
    const noName = (name: string) =>
        expect.objectContaining({
            name: "UserError",
            message: `"${name}" is not a stack's name.`,
            cure: "Use 1 to 38 letters, digits, dots, hyphens and underscores.",
        }) as unknown;
    const wrong = ["", "a b", "../dev", "ä", "a/b", "$(id)", "a\n"];
    /** A CLI whose backend has these stacks. */
    const cli = (...names: string[]) => {
        commands.add(join(cliRoot(commands.places), "bin/pulumi"), {
            version: "v3.276.0\n",
            "stack ls": JSON.stringify(names.map((name) => ({ name }))),
            "stack select": "",
        });
    };
    const open = (name: string, existing?: boolean) =>
        openStack(commands.places, name, { PULUMI_BACKEND_URL: "file:///there" }, existing);

    it.each([...wrong, "x".repeat(39)])("%j is refused before anything is made", async (name) => {
        await expect(open(name)).rejects.toThrow(noName(name));
        expect(existsSync(commands.places.state)).toBe(false);
    });

    it.each(wrong)("%j is refused as well where the stack should be there", async (name) => {
        await expect(open(name, true)).rejects.toThrow(noName(name));
        expect(existsSync(commands.places.state)).toBe(false);
    });

    it.each(["x", "Dev-1.a_b", "x".repeat(38)])("%s is taken for a new stack", async (name) => {
        cli();
        expect((await open(name)).name).toBe(name);
        expect(commands.calls().at(-1)).toMatch(new RegExp(`^stack select --stack ${name} `));
        expect(existsSync(commands.places.passphrase)).toBe(true);
    });

    it.each(["dev", "x".repeat(39), "x".repeat(100)])("%s is taken for one that is there", async (name) => {
        cli("other", name);
        expect((await open(name, true)).name).toBe(name);
    });

    it.each<[string, string[], string]>([
        ["another", ["dev", "prod"], "There are: dev, prod."],
        ["another, whose name begins alike", ["x".repeat(60)], `There are: ${"x".repeat(60)}.`],
        ["none", [], "There is none at all: npm start makes one."],
    ])("is refused where it should be there and %s is", async (_words, names, cure) => {
        cli(...names);
        const name = "x".repeat(39);
        await expect(open(name, true)).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: `There is no stack ${name} in file:///there.`,
                cure,
            }),
        );
        expect(commands.calls().filter((call) => call.startsWith("stack select"))).toEqual([]);
    });
});

describe("the lock of an update", () => {
    /** A process id that was somebody's and is nobody's now. */
    const gone = () => spawnSync(process.execPath, ["--version"]).pid;
    const lock = (name: string, content: { pid: number; hostname: string }) => {
        const directory = join(commands.places.backend, ".pulumi/locks/organization/mlflow-platform/dev");
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, name), JSON.stringify({ ...content, username: "ana" }));
    };
    /** Whether each lock is stale. */
    const state = (url = `file://${commands.places.backend}`, stackName = "dev") =>
        locksOf(url, stackName).map(({ stale }) => stale);

    it("is stale where its process on this host is gone", () => {
        lock("a.json", { pid: gone(), hostname: hostname() });
        expect(state()).toEqual([true]);
    });

    it("is stale with the attributes that the backend keeps beside it", () => {
        lock("a.json", { pid: gone(), hostname: hostname() });
        lock("a.json.attrs", { pid: process.pid, hostname: hostname() });
        expect(state()).toEqual([true]);
    });

    it.runIf(existsSync("/proc/self/status"))("is stale where its process is a zombie", async () => {
        // A shell that starts a child and becomes, before that ends, a program that never asks for it.
        const parent = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 60"], {
            stdio: ["ignore", "pipe", "ignore"],
        });
        try {
            const [data] = (await once(parent.stdout, "data")) as [Buffer];
            const pid = Number(data.toString());
            while (!/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))) {
                await sleep(10);
            }
            lock("a.json", { pid, hostname: hostname() });
            expect(state()).toEqual([true]);
        } finally {
            parent.kill();
        }
    });

    it("is held where its process runs", () => {
        lock("a.json", { pid: process.pid, hostname: hostname() });
        expect(state()).toEqual([false]);
    });

    it("is held where its process runs as another user", () => {
        lock("a.json", { pid: 1, hostname: hostname() });
        expect(state()).toEqual([false]);
    });

    it("is held, for all that is known, where it is another host's", () => {
        lock("a.json", { pid: gone(), hostname: "another-host" });
        expect(state()).toEqual([false]);
    });

    it("is held where one of several is held", () => {
        lock("a.json", { pid: gone(), hostname: hostname() });
        lock("b.json", { pid: process.pid, hostname: hostname() });
        expect(state()).toEqual([true, false]);
    });

    it("is held by somebody unknown where its file was cut short", () => {
        lock("a.json", { pid: gone(), hostname: hostname() });
        const directory = join(commands.places.backend, ".pulumi/locks/organization/mlflow-platform/dev");
        writeFileSync(join(directory, "a.json"), '{"pid":12');
        const locks = locksOf(`file://${commands.places.backend}`, "dev");
        expect(locks).toMatchObject([{ username: "somebody", hostname: "an unknown host", stale: false }]);
    });

    it("of a live process is named with who holds it since when, and how to go on", () => {
        const timestamp = "2026-11-29T14:02:38.123456789Z";
        const common = { file: "/a.json", username: "ana", timestamp, stale: false };
        const here = lockedError("dev", [{ ...common, pid: 123, hostname: hostname() }]);
        expect(here.message).toBe(
            "Another update of stack dev is under way: process 123 of ana on this host, since 2026-11-29T14:02:38Z.",
        );
        expect(here.cure).toBe(
            "Wait until it has ended. If that process is no update (ps -p 123), take its lock away:\n" +
                "  npm run pulumi -- cancel --stack dev",
        );
        const there = lockedError("dev", [{ ...common, pid: 7, hostname: "another-host" }]);
        expect(there.message).toContain("process 7 of ana on another-host, since ");
        expect(there.cure).toContain("from this host nobody can see whether it still runs");
        expect(there.cure).toContain("npm run pulumi -- cancel --stack dev");
    });

    it("is not there", () => {
        expect(state()).toEqual([]);
        mkdirSync(join(commands.places.backend, ".pulumi/locks/organization/mlflow-platform/dev"), { recursive: true });
        expect(state()).toEqual([]);
    });

    it("is another stack's", () => {
        lock("a.json", { pid: gone(), hostname: hostname() });
        expect(state(undefined, "prod")).toEqual([]);
    });

    it("is not looked for in a backend elsewhere", () => {
        lock("a.json", { pid: gone(), hostname: hostname() });
        expect(state(`s3://${commands.places.backend}`)).toEqual([]);
    });
});
