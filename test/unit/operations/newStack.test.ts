import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { parseConfiguration } from "../../../config.ts";
import { newFile, newStack, pairsOf } from "../../../operations/stacks/newStack.ts";
import { placesOf } from "../../../operations/places.ts";
import { asTexts, portsOfOthers, readSettings, withValues } from "../../../operations/stacks/stackFile.ts";
import { type Given, Missing, type Questioner, completeWishes } from "../../../operations/stacks/stackQuestions.ts";
import {
    type Wishes,
    isSecretKey,
    neededSecrets,
    proposePorts,
    settingsOf,
} from "../../../operations/stacks/stackWishes.ts";
import { UserError } from "../../../operations/userError.ts";

const laptop: Wishes = { audience: "laptop", login: true, others: {} };
const team: Wishes = { audience: "team", login: true, publicHost: "mlflow.example.com", others: {} };

/** Problems of settings whose needed secrets are there. */
function problems(settings: Record<string, unknown>): string[] {
    const secrets = Object.fromEntries(neededSecrets(settings).map((key) => [key, "long enough"]));
    const { problems } = parseConfiguration({
        values: { ...asTexts(settings), ...secrets },
        secrets: new Set(Object.keys(secrets)),
    });
    return problems;
}

describe("settings", () => {
    it("of a laptop are loopback, with the ports that are given", () => {
        expect(settingsOf({ ...laptop, login: false, ports: ["5010", "9010", "9011"] }, {})).toEqual({
            bindAddress: "127.0.0.1",
            mlflowAuth: "false",
            mlflowPort: "5010",
            minioPort: "9010",
            minioConsoleAddress: ":9011",
        });
    });

    it("of a laptop have nothing of the gateway of what they are made from", () => {
        const base = {
            publicHost: "a.example.com",
            tlsEmail: "it@example.com",
            gatewayMemory: "128",
            mlflowWorkers: "3",
        };
        expect(settingsOf(laptop, base)).toEqual({ bindAddress: "127.0.0.1", mlflowAuth: "true", mlflowWorkers: "3" });
    });

    it("of a team have name, address and certificate", () => {
        const base = { tlsEmail: "it@example.com", tlsAcmeDirectory: "https://acme.example.com" };
        const settings = settingsOf({ ...team, bindAddress: "0.0.0.0", certificate: "own" }, base);
        expect(settings).toEqual({ publicHost: "mlflow.example.com", bindAddress: "0.0.0.0", mlflowAuth: "true" });
        expect(problems(settings)).toEqual([]);
        const acme = settingsOf({ ...team, certificate: "acme", tlsEmail: "me@example.com" }, { mlflowPort: "443" });
        expect(acme.tlsEmail).toBe("me@example.com");
        expect(problems(acme)).toEqual([]);
    });

    it("of somebody else's services say where they are, and nothing of what would run here", () => {
        const base = { pgMemory: "512", minioMemory: "512", minioConsoleAddress: ":9444" };
        const settings = settingsOf(
            {
                ...laptop,
                pgHost: "db.example.com:5433",
                minioHost: "https://s3.example.com",
                ports: ["5010", "9010", "9011"],
                others: { minioAccessKey: "key" },
            },
            base,
        );
        expect(settings).toEqual({
            bindAddress: "127.0.0.1",
            mlflowAuth: "true",
            pgHost: "db.example.com",
            pgPort: "5433",
            minioHost: "s3.example.com",
            minioPort: "443",
            minioStorageUseHttps: "true",
            minioAccessKey: "key",
            mlflowPort: "5010",
        });
        expect(problems(settings)).toEqual([]);
    });

    it("that say here drop the services of what they are made from", () => {
        const base = {
            pgHost: "db.example.com",
            pgSslMode: "verify-full",
            minioHost: "s3.example.com",
            minioPort: "443",
        };
        expect(settingsOf({ ...laptop, pgHost: "", minioHost: "" }, base)).toEqual({
            bindAddress: "127.0.0.1",
            mlflowAuth: "true",
        });
    });

    it("take any other key, and lose one that is set to nothing; served models stay with their stack", () => {
        const base = { modelServers: [{ name: "iris" }], mlflowWorkers: "3", pgCpus: "2" };
        expect(settingsOf({ ...laptop, others: { mlflowWorkers: "", mlflowCpus: "3" } }, base)).toEqual({
            bindAddress: "127.0.0.1",
            mlflowAuth: "true",
            mlflowCpus: "3",
            pgCpus: "2",
        });
    });

    it("name as needed the very secrets that config.ts asks for", () => {
        const settings = {
            pgHost: "db.example.com",
            pgOwnerUser: "owner",
            pgAuthUser: "users",
            minioHost: "s3.example.com",
            minioAccessKey: "key",
            publicHost: "mlflow.example.com",
        };
        const asked = parseConfiguration({ values: settings, secrets: new Set() }).problems.flatMap(
            (problem) => /^(\w+): is needed with /.exec(problem)?.[1] ?? [],
        );
        expect(neededSecrets(settings).sort()).toEqual([...new Set(asked)].sort());
        expect(neededSecrets({ ...settings, tlsCertificateFile: "x.pem" })).toContain("tlsPrivateKey");
        expect(neededSecrets(settings).every(isSecretKey)).toBe(true);
        expect(neededSecrets({})).toEqual([]);
    });
});

describe("ports", () => {
    const free = () => Promise.resolve(true);
    it("are the usual ones, or so many tens higher that nobody has one of them", async () => {
        expect(await proposePorts({}, new Set(), free)).toEqual(["5000", "9000", "9001"]);
        expect(await proposePorts({}, new Set([5000, 9011]), free)).toEqual(["5020", "9020", "9021"]);
        expect(await proposePorts({}, new Set(), (port) => Promise.resolve(port !== 9001))).toEqual([
            "5010",
            "9010",
            "9011",
        ]);
    });

    it("of a stack with somebody else's store are MLflow's alone", async () => {
        expect(await proposePorts({ minioHost: "s3.example.com" }, new Set([9000, 9001]), free)).toEqual([
            "5000",
            "9000",
            "9001",
        ]);
    });

    it("are none where none is free", async () => {
        expect(await proposePorts({}, new Set(), () => Promise.resolve(false))).toBeUndefined();
    });

    it("never collide with what is taken, or with each other", async () => {
        const port = fc.integer({ min: 1, max: 65535 }).map(String);
        const settings = fc.record(
            { mlflowPort: port, minioPort: port, minioConsoleAddress: port.map((number) => `:${number}`) },
            { requiredKeys: [] },
        );
        const taken = fc
            .array(fc.constantFrom(5000, 5010, 9000, 9001, 9010, 9021))
            .map((list) => new Set<number>(list));
        await fc.assert(
            fc.asyncProperty(settings, taken, async (some, held) => {
                const ports = (await proposePorts(some, held, free)) ?? [];
                expect(new Set(ports).size).toBe(ports.length);
                expect(ports.filter((number) => held.has(Number(number)))).toEqual([]);
            }),
        );
    });
});

describe("questions", () => {
    /** Answers by the question's beginning; a question without one fails the test. */
    function answering(answers: Readonly<Record<string, unknown>>): Questioner & { readonly asked: string[] } {
        const asked: string[] = [];
        const answer = (message: string, proposal?: unknown) => {
            asked.push(message);
            const found = Object.entries(answers).find(([start]) => message.startsWith(start));
            if (found === undefined) {
                throw new Error(`asked: ${message}`);
            }
            return Promise.resolve((found[1] === "" ? proposal : found[1]) as never);
        };
        return {
            asked,
            text: answer,
            choice: (message, _choices, proposal) => answer(message, proposal),
            yes: answer,
            secret: answer,
        };
    }
    const complete = async (given: Given, questioner?: Questioner, base = {}, sure = false) => {
        const missing = new Missing();
        const wishes = await completeWishes(given, {}, base, sure, questioner, missing);
        return { wishes, missing: missing.options };
    };

    it("are few on a laptop", async () => {
        const questioner = answering({ Who: "laptop", "A login": false, "The PostgreSQL": "here", "The S3": "here" });
        const { wishes, missing } = await complete({}, questioner);
        expect(questioner.asked).toHaveLength(4);
        expect(missing).toEqual([]);
        expect(wishes).toMatchObject({ audience: "laptop", login: false, publicHost: undefined });
    });

    it("of a team go on to name, address, certificate and the services of others", async () => {
        const questioner = answering({
            Who: "team",
            "Name by which": "mlflow.example.com",
            "Address of this host": "",
            "Its certificate": "acme",
            "E-mail": "it@example.com",
            "The PostgreSQL": "other",
            "The S3": "other",
            "Its host": "other.example.com",
            "Its role": "tracking",
            "Its database": "",
            "Its access key": "key",
        });
        const { wishes } = await complete({}, questioner);
        expect(wishes).toMatchObject({
            audience: "team",
            login: true,
            bindAddress: "0.0.0.0",
            certificate: "acme",
            tlsEmail: "it@example.com",
            pgHost: "other.example.com",
            minioHost: "other.example.com",
            others: { pgUser: "tracking", minioAccessKey: "key" },
        });
    });

    it("are not asked about what an option says", async () => {
        const questioner = answering({ "The S3": "here" });
        const given = { for: "laptop", login: true, pgHost: "db.example.com" } as const;
        await expect(complete(given, questioner)).rejects.toThrow("asked: Its role");
        expect((await complete({ ...given, pgHost: "" }, questioner)).wishes.pgHost).toBe("");
    });

    it("without a terminal are options that are missing, all named", async () => {
        expect((await complete({})).missing).toEqual(["--for laptop|team"]);
        expect((await complete({ for: "team" })).missing).toEqual(["--public-host"]);
        expect((await complete({ publicHost: "mlflow.example.com", certificate: "acme" })).missing).toEqual([
            "--tls-email",
        ]);
        expect(
            (await complete({ for: "team", publicHost: "mlflow.example.com", certificate: "given" })).missing,
        ).toEqual(["--tls-certificate"]);
        expect((await complete({ for: "laptop", minioHost: "s3.example.com" })).missing).toEqual([
            "--set minioAccessKey=…",
        ]);
    });

    it("have an answer in what the stack is made from, or by --yes", async () => {
        const base = { publicHost: "staging.example.com", bindAddress: "127.0.0.1" };
        const { wishes, missing } = await complete({}, undefined, base);
        expect(missing).toEqual([]);
        expect(wishes).toMatchObject({ audience: "team", publicHost: "staging.example.com", bindAddress: "127.0.0.1" });
        expect((await complete({}, undefined, {}, true)).wishes).toMatchObject({ audience: "laptop", login: true });
    });
});

describe("options", () => {
    it("keep a secret out of the arguments, and plain keys out of the files", () => {
        expect(pairsOf("--set", ["mlflowWorkers=3", "pgUser=a=b", "pgHost="], false)).toEqual({
            mlflowWorkers: "3",
            pgUser: "a=b",
            pgHost: "",
        });
        expect(() => pairsOf("--set", ["pgPassword=x"], false)).toThrow(UserError);
        expect(() => pairsOf("--secret-file", ["mlflowWorkers=x"], true)).toThrow(UserError);
        expect(() => pairsOf("--set", ["mlflowWorkers"], false)).toThrow(UserError);
    });

    it("that are wrong end the command before anything is looked at", async () => {
        const options = { set: [], secretFile: [], yes: true };
        const places = placesOf({ XDG_STATE_HOME: "/nowhere" });
        const run = (more: object) => newStack("x", { ...options, ...more }, places, {}, undefined);
        await expect(run({ set: ["pgPassword=x"] })).rejects.toThrow("pgPassword is secret");
        await expect(run({ from: "nobody" })).rejects.toThrow("There is no Pulumi.nobody.yaml");
        await expect(run({ secretFile: ["pgPassword=-", "adminPassword=-"] })).rejects.toThrow("one standard input");
        await expect(run({ secretFile: ["pgPassword=/nowhere/file"] })).rejects.toThrow("cannot be read (ENOENT)");
    });
});

describe("a stack's file", () => {
    const text =
        '# Ours.\nencryptionsalt: v1:x\nconfig:\n  # Why.\n  mlflow-platform:mlflowPort: "5000" # here\n  pgUser: me\n' +
        "  docker:host: tcp://x\n  mlflow-platform:pgPassword:\n    secure: v1:y\n  mlflow-platform:modelServers:\n    - name: iris\n";

    it("is read as Pulumi does: own keys with or without namespace, encrypted ones apart", () => {
        const settings = readSettings("file", text);
        expect(settings).toEqual({
            plain: { mlflowPort: "5000", pgUser: "me", modelServers: [{ name: "iris" }] },
            secure: ["pgPassword"],
            salted: true,
        });
        expect(asTexts(settings.plain).modelServers).toBe('[{"name":"iris"}]');
        expect(readSettings("file", "")).toEqual({ plain: {}, secure: [], salted: false });
    });

    it.each(["- a\n", "config: [", "a\n"])("that is none is refused: %j", (other) => {
        expect(() => readSettings("Pulumi.x.yaml", other)).toThrow("Pulumi.x.yaml is not a stack's file");
    });

    it("keeps everything else when values are set", () => {
        const changed = withValues(text, { mlflowPort: "5010", pgUser: "you", mlflowAuth: "false" });
        expect(changed).toBe(
            text.replace('"5000"', '"5010"').replace("pgUser: me", "pgUser: you") +
                '  mlflow-platform:mlflowAuth: "false"\n',
        );
    });

    it("that is new reads back as what was meant", () => {
        const settings = { mlflowAuth: "false", minioConsoleAddress: ":9011", mlflowPort: "5010" };
        const made = newFile(settings, "staging");
        expect(made).toMatch(/^# Made by npm run new-stack from Pulumi.staging.yaml/);
        expect(readSettings("file", made)).toEqual({ plain: settings, secure: [], salted: false });
    });

    describe("of others", () => {
        const project = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
        afterAll(() => {
            rmSync(project, { recursive: true });
        });
        it("says which ports it publishes, defaults included", () => {
            mkdirSync(project, { recursive: true });
            writeFileSync(join(project, "Pulumi.one.yaml"), "config:\n  mlflowPort: '5010'\n");
            writeFileSync(join(project, "Pulumi.two.yaml"), "config:\n  minioHost: s3.example.com\n");
            writeFileSync(join(project, "Pulumi.broken.yaml"), "- a\n");
            const places = { ...placesOf({}), project };
            const ports = portsOfOthers(places, ["one", "two", "broken", "none"]);
            expect([...ports]).toEqual([
                [5010, "one"],
                [9000, "one"],
                [9001, "one"],
                [5000, "two"],
            ]);
        });
    });
});
