/** The script that a client's shell runs: what it exports, and which files it writes. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { clientEnvironment } from "../../../components/clientEnvironment.ts";
import { clientScript } from "../../../operations/clientScript.ts";
import { authorities } from "../support/certificates.ts";
import { Commands } from "../support/commands.ts";
import { engineElsewhere } from "../support/platform.ts";
import { text } from "../support/texts.ts";

let commands: Commands;
let home: string;
beforeEach(() => {
    commands = new Commands();
    home = join(commands.directory, "home with 'quotes' and $dollar");
    mkdirSync(home);
    // Python without the package that has the public authorities.
    commands.add("python3", {});
});
afterEach(() => {
    commands.remove();
});

/** The environment that a shell has after the script, without what it had before. */
function run(script: string): Record<string, string> {
    const before = { HOME: home, PATH: `${join(commands.directory, "bin")}:/usr/bin:/bin` };
    // As it is to be used; a command that fails would end it here.
    const output = execFileSync("sh", ["-ec", 'eval "$1"; exec env -0', "sh", script], {
        env: before,
        encoding: "utf8",
    });
    const after = output
        .split("\0")
        .slice(0, -1)
        .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)] as const);
    return Object.fromEntries(
        after.filter(([name]) => !["HOME", "PATH", "PWD", "SHLVL", "_", "OLDPWD"].includes(name)),
    );
}
const directory = () => join(home, ".mlflow-platform");
const written = () => (existsSync(directory()) ? readdirSync(directory()).sort() : []);
const file = (name: string) => readFileSync(join(directory(), name), "utf8");

const uri = "https://ml.example.com:8443";
const access = { trackingUri: uri, authority: authorities.one, presigned: false, storeAuthorities: undefined };

describe("the script of a client", () => {
    it("exports the URL and writes nothing where nothing is to be trusted", () => {
        const script = clientScript(clientEnvironment({ ...access, authority: undefined }));
        expect(script).toBe(`export MLFLOW_TRACKING_URI=${uri}\n`);
        expect(run(script)).toEqual({ MLFLOW_TRACKING_URI: uri });
        expect(written()).toEqual([]);
    });

    it("writes the authority to a file of the user's, and names that", () => {
        expect(run(clientScript(clientEnvironment(access)))).toEqual({
            MLFLOW_TRACKING_URI: uri,
            MLFLOW_TRACKING_SERVER_CERT_PATH: join(directory(), "ml.example.com-8443.pem"),
        });
        expect(written()).toEqual(["ml.example.com-8443.pem"]);
        expect(file("ml.example.com-8443.pem")).toBe(authorities.one);
    });

    it("writes the same again: another authority takes the place of the earlier one", () => {
        run(clientScript(clientEnvironment(access)));
        run(clientScript(clientEnvironment({ ...access, authority: authorities.two })));
        expect(written()).toEqual(["ml.example.com-8443.pem"]);
        expect(file("ml.example.com-8443.pem")).toBe(authorities.two);
        expect(statSync(directory()).isDirectory()).toBe(true);
    });

    it("writes it as it is, whatever stands in it", () => {
        const authority = `$(id) \`id\` $HOME \\ '"\n${authorities.one}`;
        run(clientScript(clientEnvironment({ ...access, authority })));
        expect(file("ml.example.com-8443.pem")).toBe(authority);
    });

    it("has a file for each platform of a host, by port", () => {
        run(clientScript(clientEnvironment(access)));
        const other = { ...access, authority: authorities.two, trackingUri: "https://ml.example.com:5000" };
        run(clientScript(clientEnvironment(other)));
        // The port of https stands in no URL.
        run(clientScript(clientEnvironment({ ...access, trackingUri: "https://ml.example.com:443" })));
        expect(written()).toEqual(["ml.example.com-5000.pem", "ml.example.com-8443.pem", "ml.example.com.pem"]);
        expect([file("ml.example.com-8443.pem"), file("ml.example.com-5000.pem")]).toEqual([
            authorities.one,
            authorities.two,
        ]);
    });

    const bundle = () => join(directory(), "ml.example.com-8443-bundle.pem");

    it("has a bundle with the public authorities beside its own where requests fetches from the store", () => {
        const known = join(commands.directory, "certifi.pem");
        writeFileSync(known, authorities.two);
        commands.add("python3", { "-m certifi": `${known}\n` });
        expect(run(clientScript(clientEnvironment({ ...access, presigned: true })))).toEqual({
            MLFLOW_TRACKING_URI: uri,
            MLFLOW_TRACKING_SERVER_CERT_PATH: join(directory(), "ml.example.com-8443.pem"),
            REQUESTS_CA_BUNDLE: bundle(),
        });
        expect(written()).toEqual(["ml.example.com-8443-bundle.pem", "ml.example.com-8443.pem"]);
        expect(readFileSync(bundle(), "utf8")).toBe(authorities.two + authorities.one);
        expect(commands.calls()).toEqual(["-m certifi"]);
    });

    it("has a bundle for somebody else's store alone as well", () => {
        const known = join(commands.directory, "certifi.pem");
        writeFileSync(known, "public\n");
        commands.add("python3", { "-m certifi": `${known}\n` });
        const some = { ...access, authority: undefined, presigned: true, storeAuthorities: authorities.two };
        expect(run(clientScript(clientEnvironment(some)))).toEqual({
            MLFLOW_TRACKING_URI: uri,
            REQUESTS_CA_BUNDLE: bundle(),
        });
        expect(readFileSync(bundle(), "utf8")).toBe(`public\n${authorities.two}`);
    });

    const system = "/etc/ssl/certs/ca-certificates.crt";
    it.runIf(existsSync(system))("takes the system's authorities where Python has none", () => {
        run(clientScript(clientEnvironment({ ...access, presigned: true })));
        expect(readFileSync(bundle(), "utf8")).toBe(readFileSync(system, "utf8") + authorities.one);
    });

    it("exports a person's login after all that", () => {
        const script = clientScript(clientEnvironment(access), { username: "ana", password: "x y" });
        expect(script.split("\n").slice(-3)).toEqual([
            "export MLFLOW_TRACKING_USERNAME=ana",
            "export MLFLOW_TRACKING_PASSWORD='x y'",
            "",
        ]);
        expect(run(script)).toMatchObject({ MLFLOW_TRACKING_USERNAME: "ana", MLFLOW_TRACKING_PASSWORD: "x y" });
    });

    it("gives back any name, password and URL as they are, and does nothing else", () => {
        fc.assert(
            fc.property(text, text, fc.webUrl({ withQueryParameters: true }), (username, password, trackingUri) => {
                const script = clientScript(clientEnvironment({ ...access, authority: undefined, trackingUri }), {
                    username,
                    password,
                });
                expect(run(script)).toEqual({
                    MLFLOW_TRACKING_URI: trackingUri,
                    MLFLOW_TRACKING_USERNAME: username,
                    MLFLOW_TRACKING_PASSWORD: password,
                });
                expect(written()).toEqual([]);
            }),
            { numRuns: 30, examples: [["a'b", "$(id) `id` \\ \"'", uri]] },
        );
    });
});

describe("npm run client-env", () => {
    type ClientScript = typeof import("../../../operations/clientScript.ts");
    let print: ClientScript["printClientScript"];
    let opened: { stack: Stack; variables: Record<string, string> };
    // Another query is another module: one whose stack is played.
    beforeAll(async () => {
        vi.doMock("../../../operations/stop.ts", () => ({ openExisting: () => Promise.resolve(opened) }));
        const played = "../../../operations/clientScript.ts?played";
        print = ((await import(/* @vite-ignore */ played)) as ClientScript).printClientScript;
    });
    afterAll(() => {
        vi.doUnmock("../../../operations/stop.ts");
    });

    let printed: string[];
    let errors: string[];
    beforeEach(() => {
        printed = [];
        errors = [];
        vi.spyOn(process.stdout, "write").mockImplementation((some) => printed.push(String(some)) > 0);
        vi.spyOn(console, "error").mockImplementation((line) => errors.push(String(line)));
    });
    afterEach(() => {
        vi.restoreAllMocks();
    });
    const printOf = (outputs: Record<string, unknown>, mlflowAuth: string) => {
        const stack = {
            name: "prod",
            getAllConfig: () => Promise.resolve({ "mlflow-platform:mlflowAuth": { value: mlflowAuth } }),
            exportStack: () => Promise.resolve({ version: 3, deployment: {} }),
            outputs: () =>
                Promise.resolve(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { value }]))),
        } as unknown as Stack;
        opened = { stack, variables: { ...commands.variables, DOCKER_HOST: engineElsewhere } };
        return print("prod", commands.places, {});
    };
    const outputs = {
        clientEnv: clientEnvironment(access),
        adminUsername: "chief",
        adminPassword: "planted",
    };

    it("prints the script on stdout, and what it lacks on stderr, where there is login", async () => {
        await printOf(outputs, "true");
        expect(printed).toEqual([clientScript(clientEnvironment(access))]);
        expect(errors).toEqual([
            "Beside it a client needs a user name and a password: npm run user -- add <name> --stack prod",
        ]);
    });

    it("prints the script alone where there is none", async () => {
        await printOf(outputs, "false");
        expect([printed, errors]).toEqual([[clientScript(clientEnvironment(access))], []]);
    });

    it("refuses a stack that is not up", async () => {
        await expect(printOf({}, "true")).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: "Stack prod is not up, so it has no clients.",
                cure: "npm start -- --stack prod brings it up.",
            }),
        );
        expect([printed, errors]).toEqual([[], []]);
    });
});
