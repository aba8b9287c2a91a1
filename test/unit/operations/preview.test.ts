/** Previews and drift: what recorded engine events are read as, how it is summed up, and how the commands end. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Ties, reasons } from "../../../operations/preview/changeReasons.ts";
import { driftCaution, driftExitCode, driftInWords, driftOf } from "../../../operations/preview/drift.ts";
import { countsOf, plannedChanges, valueAt, valueText } from "../../../operations/preview/plannedChanges.ts";
import { exitCodeOf, previewJson } from "../../../operations/preview/preview.ts";
import {
    type StackPreview,
    cautionOf,
    code,
    endLine,
    inline,
    previewSummary,
} from "../../../operations/preview/previewSummary.ts";
import {
    firstError,
    inProjectCopy,
    stacksWithFile,
    throwAwayVariables,
} from "../../../operations/preview/previewWorkspace.ts";
import { noEngine } from "../../../operations/preview/placeholders.ts";
import { isLocal } from "../../../hostCheck.ts";
import { judge } from "../../../rules/judge.ts";
import { maskedValue, unknownValue } from "../../../rules/resource.ts";
import { Commands } from "../support/commands.ts";

/**
 * Events of real previews, without those of the SDK's debugging and with only the properties that differ: `memory` of MinIO
 * changed; memory and port of MLflow; MinIO's root password; MLflow's container stopped, removed; another volume for MinIO's
 * data, as it is protected, and with the protection taken off in the state.
 */
const recorded = (name: string) =>
    JSON.parse(readFileSync(join(import.meta.dirname, "recorded", `${name}.json`), "utf8")) as EngineEvent[];
const planned = (name: string) => plannedChanges(recorded(name));
const named = (name: string) => planned(name).changes.map(({ op, name: resource }) => `${op} ${resource}`);

describe("recorded events", () => {
    it("are an update in place", () => {
        const { changes, unchanged, errors } = planned("memory");
        expect(changes).toMatchObject([
            {
                op: "update",
                name: "minio",
                container: "service",
                isData: false,
                isProtected: false,
                differences: [
                    { path: "memory", before: "1024", after: "1100", replaces: false },
                    { path: "memorySwap", before: "1024", after: "1100", replaces: false },
                ],
            },
        ]);
        expect(unchanged).toBe(2);
        expect(errors).toEqual([]);
    });

    it("are one replacement, however many steps it has, with the property that makes it one", () => {
        const { changes } = planned("port");
        expect(changes).toHaveLength(1);
        expect(changes[0]).toMatchObject({ op: "replace", name: "mlflow" });
        expect(changes[0]?.differences).toEqual([
            { path: "memory", before: "2048", after: "2500", replaces: false },
            { path: "memorySwap", before: "2048", after: "2500", replaces: false },
            { path: "ports[0].external", before: "15501", after: "15505", replaces: true },
        ]);
    });

    it("show no secret, neither the old one nor the new one", () => {
        const { changes } = planned("secret");
        expect(countsOf(changes)).toEqual({ create: 0, update: 0, replace: 4, delete: 0 });
        const seed = changes.find(({ name }) => name === "minio-secrets-seed");
        expect(seed?.differences).toEqual([
            { path: "uploads", before: maskedValue, after: maskedValue, replaces: true },
        ]);
        expect(seed?.container).toBe("seed");
        expect(changes.find(({ name }) => name === "minio-provision")?.container).toBe("job");
    });

    it("are a data volume that would be replaced, and its container", () => {
        const { changes, errors, resources } = planned("unprotectedVolume");
        expect(named("unprotectedVolume").sort()).toEqual(["replace minio", "replace minio_data"]);
        expect(changes.find(({ name }) => name === "minio_data")).toMatchObject({ isData: true });
        expect(errors).toEqual([]);
        expect(judge(resources).filter(({ resource }) => resource === "volume minio_data")).toMatchObject([
            { rule: "data-kept", found: "an update would replace this volume" },
        ]);
    });

    it("are Pulumi's refusal, in words, where it is protected; what would be is there all the same", () => {
        const { errors } = planned("protectedVolume");
        expect(errors).toEqual(["Pulumi refuses to replace volume minio_data: it is protected"]);
        expect(named("protectedVolume").sort()).toEqual(["replace minio", "replace minio_data"]);
    });

    it("name what goes by its last state, and judge no container that goes", () => {
        const urn = "urn:pulumi:dev::p::docker:index/container:Container::gateway";
        const type = "docker:index/container:Container";
        const old = { custom: true, inputs: { privileged: true }, outputs: {}, protect: true };
        const { changes, resources } = plannedChanges([
            { resourcePreEvent: { metadata: { op: "delete", urn, type, old } } } as unknown as EngineEvent,
        ]);
        expect(changes).toMatchObject([{ op: "delete", name: "gateway", container: "service", isProtected: true }]);
        expect(judge(resources).map(({ rule }) => rule)).toEqual(["data-kept"]);
    });

    it("are errors and warnings of the program, each once, without what Pulumi adds", () => {
        const say = (severity: string, message: string) =>
            ({ diagnosticEvent: { severity, message, color: "never" } }) as EngineEvent;
        const { errors, warnings } = plannedChanges([
            say("error", "<{%fg 1%}>pgHost: wrong<{%reset%}>\n"),
            say("error", "pgHost: wrong"),
            say("error", "preview failed\n"),
            say("warning", "rights are not split"),
            say("debug", "Registering resource"),
        ]);
        expect(errors).toEqual(["pgHost: wrong"]);
        expect(warnings).toEqual(["rights are not split"]);
    });
});

describe("a value", () => {
    it.each<[string, unknown]>([
        ["ports[0].external", 5000],
        ['logOpts["max-size"]', "10m"],
        ["logOpts.max-size", "10m"],
        ["labels[1]", undefined],
        ["user.name", undefined],
    ])("at %s is %s", (path, expected) => {
        const inputs = { ports: [{ external: 5000 }], logOpts: { "max-size": "10m" }, labels: [1], user: "1000" };
        expect(valueAt(inputs, path)).toBe(expected);
    });

    it.each<[unknown, string]>([
        [undefined, "not set"],
        [maskedValue, maskedValue],
        [{ a: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" } }, maskedValue],
        [unknownValue, "known later"],
        [{ __defaults: [], a: 1, b: unknownValue }, '{"a":1,"b":"known later"}'],
        [false, "false"],
        ["x".repeat(100), `${"x".repeat(60)}…`],
    ])("%o is shown as %s", (value, text) => {
        expect(valueText(value)).toBe(text);
    });
});

describe("why something changes", () => {
    const tiesOf = (name: string, ties: Ties) =>
        new Map([[planned("secret").changes.find((change) => change.name === name)?.urn ?? "", ties]]);
    const urnOf = (name: string) => planned("secret").changes.find((change) => change.name === name)?.urn ?? "";

    it("is the property, and what it does to the container", () => {
        expect(reasons(planned("memory").changes, new Map())).toEqual([
            "container minio is changed while it runs, without a restart, because `memory` and `memorySwap` differ.",
        ]);
        expect(reasons(planned("port").changes, new Map())).toEqual([
            "container mlflow is stopped, removed and made anew (a break; data in volumes stays), because `ports[0].external` cannot be changed in place.",
        ]);
    });

    it("is, for what follows another, that one; and it says who follows", () => {
        const all = reasons(
            planned("secret").changes,
            new Map([
                ...tiesOf("minio", { replaceWith: [urnOf("minio-secrets-seed")] }),
                ...tiesOf("minio-provision", {
                    replaceWith: [],
                    dependencies: [urnOf("minio-provision-secrets-seed")],
                }),
            ]),
        );
        expect([...all].sort()).toEqual([
            "container minio is stopped, removed and made anew (a break; data in volumes stays), because container minio-secrets-seed is made anew.",
            "container minio-provision runs again, because container minio-provision-secrets-seed is made anew.",
            "container minio-provision-secrets-seed gets other files, because `uploads` cannot be changed in place; with it container minio-provision.",
            "container minio-secrets-seed gets other files, because `uploads` cannot be changed in place; with it container minio.",
        ]);
    });

    it("is said of what is new together", () => {
        expect(reasons(planned("removed").changes, new Map())).toEqual([
            "made, because the stack has it not yet: container mlflow.",
        ]);
    });

    it("is the loss, of a data volume", () => {
        expect(reasons(planned("unprotectedVolume").changes, new Map()).join("\n")).toContain(
            "volume minio_data is removed and made anew, **and its data is lost**, because `name` cannot be changed in place.",
        );
    });
});

const preview = (name: string | undefined, more: Partial<StackPreview> = {}): StackPreview => {
    const { changes, unchanged, resources, errors, warnings } = name === undefined ? plannedChanges([]) : planned(name);
    return {
        ...{
            stack: "dev",
            basis: { kind: "state" },
            placeholders: {},
            leftOut: [],
            changes,
            unchanged,
            warnings,
            errors,
        },
        cautions: changes.flatMap((change) => cautionOf(change) ?? []),
        violations: judge(resources).filter(({ rule }) => rule === "data-kept"),
        ...more,
    };
};

describe("the summary", () => {
    it("is a line of counts and a table for each stack, replacements in bold", () => {
        expect(previewSummary("Preview", [preview("memory"), preview("port", { stack: "staging" })])).toBe(`# Preview

2 stacks, 2 changes.

## Stack dev

0 to create, 1 to update, 0 to replace, 0 to delete; 2 unchanged.

Compared with the stack's state.

| | resource | properties that differ |
| --- | --- | --- |
| update | container minio | \`memory\` \`1024\` → \`1100\`<br>\`memorySwap\` \`1024\` → \`1100\` |

## Stack staging

0 to create, 0 to update, **1 to replace**, 0 to delete; 2 unchanged.

Compared with the stack's state.

| | resource | properties that differ |
| --- | --- | --- |
| **replace** | **container mlflow** | \`memory\` \`2048\` → \`2500\`<br>\`memorySwap\` \`2048\` → \`2500\`<br>\`ports[0].external\` \`15501\` → \`15505\` (not in place) |`);
    });

    it("has what touches data on top, before every stack, and the rule with its cure", () => {
        const text = previewSummary("Preview", [preview("memory"), preview("unprotectedVolume", { stack: "staging" })]);
        expect(text.indexOf("> [!CAUTION]")).toBeLessThan(text.indexOf("## Stack dev"));
        expect(text).toContain(
            "> [!CAUTION]\n> Stack staging: volume minio_data, which is protected, would be replaced. **It holds data, which would be lost.**\n",
        );
        expect(text).toContain(
            "| `data-kept` | volume minio\\_data | an update would replace this volume | Set back what",
        );
    });

    it("has no caution where nothing is touched, or only made", () => {
        expect(previewSummary("Preview", [preview("port"), preview("removed")])).not.toContain("CAUTION");
    });

    it("says of a data volume that leaves the stack and stays that it stays", () => {
        const volume = planned("unprotectedVolume").changes.find(({ isData }) => isData);
        const change = { ...volume, op: "delete", stays: true, isProtected: false, name: "model-iris-state" } as const;
        expect(cautionOf(change as Parameters<typeof cautionOf>[0])).toBe(
            "volume model-iris-state would be deleted. It stays on the engine with its data.",
        );
    });

    it("says of a throw-away stack why it is one, what stands for what, and what was not looked at", () => {
        const text = previewSummary("Preview", [
            preview("removed", {
                basis: { kind: "throw-away", reason: "the backend has no stack dev" },
                placeholders: { pgPassword: "not set", tlsPrivateKey: "encrypted" },
                leftOut: ["docker:host"],
            }),
        ]);
        expect(text).toContain("as if it were new, because the backend has no stack dev.");
        expect(text).toContain("drift, ports, directories.");
        expect(text).toContain("Placeholders: `pgPassword` (not set), `tlsPrivateKey` (encrypted).");
        expect(text).toContain("Left out: `docker:host`.");
    });

    it("folds away a stack that is all new", () => {
        const [change] = planned("removed").changes;
        const changes = Array.from({ length: 13 }, () => change).flatMap((each) => each ?? []);
        expect(previewSummary("Preview", [preview(undefined, { changes })])).toContain(
            "<details><summary>13 to create</summary>\n\n| |",
        );
    });

    it("has errors in words, and goes on with the other stacks", () => {
        const failed = preview(undefined, { stack: "production", basis: undefined, errors: ["pgHost: wrong"] });
        const text = previewSummary("Preview", [failed, preview("memory")]);
        expect(text).toContain("2 stacks, 1 change; failed: production.");
        expect(text).toContain(
            "## Stack production\n\n**The preview failed:**\n\n```text\npgHost: wrong\n```\n\n## Stack dev",
        );
    });

    it("lets no value end a table's cell, a fence or a tag", () => {
        expect(inline("a|b_c <img>\nd")).toBe("a\\|b\\_c &lt;img&gt; d");
        expect(code("a|b`c")).toBe("``a\\|b`c``");
        expect(code("`a`")).toBe("`` `a` ``");
        const text = previewSummary("Preview", [preview(undefined, { errors: ["```\n# not a title"] })]);
        expect(text.match(/```/g)).toHaveLength(2);
    });
});

describe("the end of a preview", () => {
    const violation = { rule: "r", urn: "u", resource: "container a", found: "f", cure: "c" };
    it.each<[string, StackPreview[], boolean, number]>([
        ["nothing changes", [preview(undefined)], true, 0],
        ["something changes", [preview("memory")], false, 0],
        ["something changes, and that was asked for", [preview(undefined), preview("memory")], true, 2],
        ["a rule is broken", [preview("memory", { violations: [violation] })], true, 1],
        ["a preview failed", [preview("memory"), preview("protectedVolume", { violations: [] })], true, 1],
    ])("where %s", (_words, previews, detailed, expected) => {
        expect(exitCodeOf(previews, detailed)).toBe(expected);
    });

    it("is said in one line", () => {
        expect(endLine([preview("memory")])).toBe("1 stack, 1 change.");
        expect(endLine([preview("protectedVolume"), preview("secret")])).toBe(
            "2 stacks, 6 changes; failed: dev; 1 violation of rules.",
        );
    });

    it("is an object for scripts", () => {
        const json = JSON.parse(previewJson([preview("memory"), preview("protectedVolume")])) as {
            fine: boolean;
            stacks: (StackPreview & { counts: object })[];
        };
        expect(json.fine).toBe(false);
        expect(json.stacks.map(({ counts }) => counts)).toEqual([
            { create: 0, update: 1, replace: 0, delete: 0 },
            { create: 0, update: 0, replace: 2, delete: 0 },
        ]);
        expect(json.stacks[0]).toMatchObject({ stack: "dev", basis: { kind: "state" }, errors: [] });
    });
});

describe("drift", () => {
    it("is a container that does not run, and one that is gone", () => {
        expect(planned("stopped").changes.map(driftInWords)).toEqual([
            "container mlflow does not run: an update (npm start) makes it anew.",
        ]);
        expect(planned("removed").changes.map(driftInWords)).toEqual([
            "container mlflow is gone: an update (npm start) makes it.",
        ]);
        expect(planned("memory").changes.map(driftInWords)).toEqual([
            "container minio differs: an update (npm start) changes it back.",
        ]);
    });

    it("is not what waits in the configuration", () => {
        expect(driftOf(planned("memory"), planned("memory"))).toEqual([]);
        expect(driftOf(planned("stopped"), planned("memory")).map(({ name }) => name)).toEqual(["mlflow"]);
        // The same container with another difference is drift.
        expect(driftOf(planned("stopped"), planned("port")).map(({ name }) => name)).toEqual(["mlflow"]);
    });

    it("that took data is a caution", () => {
        const [container] = planned("removed").changes;
        expect(container === undefined ? "none" : driftCaution(container)).toBeUndefined();
        const volume = { ...container, type: "docker:index/volume:Volume", name: "minio_data", isData: true };
        expect(driftCaution(volume as Parameters<typeof driftCaution>[0])).toBe(
            "volume minio_data is gone from the engine, **and the data in it with it**.",
        );
    });

    it("ends with 2, its absence with 0, and a failure with 1", () => {
        expect([preview("stopped"), preview(undefined), preview("protectedVolume")].map(driftExitCode)).toEqual([
            2, 0, 1,
        ]);
    });
});

describe("where a preview runs", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
        for (const [name, text] of [
            ["Pulumi.yaml", "name: mlflow-platform\n"],
            ["Pulumi.dev.yaml", "config: {}\n"],
            ["Pulumi.staging.yaml", "config: {}\n"],
            ["index.ts", ""],
        ] as const) {
            writeFileSync(join(commands.places.project, name), text);
        }
        mkdirSync(join(commands.places.project, "images"));
    });
    afterEach(() => {
        commands.remove();
    });

    it("has links to all of the project but the stacks' files, and is gone afterwards", async () => {
        let seen = "";
        await inProjectCopy(commands.places, (directory) => {
            seen = directory;
            expect(readdirSync(directory).sort()).toEqual(["Pulumi.yaml", "images", "index.ts"]);
            expect(lstatSync(join(directory, "images")).isSymbolicLink()).toBe(true);
            writeFileSync(join(directory, "Pulumi.dev.yaml"), "encryptionsalt: x\n");
            return Promise.resolve();
        });
        expect(existsSync(seen)).toBe(false);
        expect(readFileSync(join(commands.places.project, "Pulumi.dev.yaml"), "utf8")).toBe("config: {}\n");
        expect(existsSync(join(commands.places.project, "images"))).toBe(true);
    });

    it("leaves no note in Pulumi's home of the stack that was selected there", async () => {
        const notes = join(commands.places.pulumiHome, "workspaces");
        mkdirSync(notes, { recursive: true });
        const other = "mlflow-platform-0000-workspace.json";
        writeFileSync(join(notes, other), "{}");
        await inProjectCopy(commands.places, (directory) => {
            // As Pulumi names it: by the path of the project's file.
            const hash = createHash("sha1").update(join(directory, "Pulumi.yaml")).digest("hex");
            writeFileSync(join(notes, `mlflow-platform-${hash}-workspace.json`), "{}");
            return Promise.resolve();
        });
        expect(readdirSync(notes)).toEqual([other]);
    });

    it("is gone after a failure, too", async () => {
        let seen = "";
        const failing = inProjectCopy(commands.places, (directory) => {
            seen = directory;
            return Promise.reject(new Error("no"));
        });
        await expect(failing).rejects.toThrow("no");
        expect(existsSync(seen)).toBe(false);
    });

    it("has, for a throw-away stack, a backend and a passphrase of its own and no engine, whatever the user has", () => {
        const users = {
            PULUMI_BACKEND_URL: "https://api.example.com",
            PULUMI_CONFIG_PASSPHRASE: "mine",
            PULUMI_CONFIG_PASSPHRASE_FILE: "/home/ana/passphrase",
            DOCKER_HOST: "unix:///var/run/docker.sock",
            DOCKER_CONTEXT: "production",
            PULUMI_HOME: "/home/ana/.pulumi",
        };
        const own = throwAwayVariables(users, "/tmp/copy");
        expect(own).toMatchObject({
            PULUMI_BACKEND_URL: "file:///tmp/copy/.backend",
            PULUMI_CONFIG_PASSPHRASE_FILE: "",
            DOCKER_HOST: noEngine,
            DOCKER_CONTEXT: "",
            PULUMI_HOME: "/home/ana/.pulumi",
        });
        expect(own.PULUMI_CONFIG_PASSPHRASE).toMatch(/^[0-9a-f]{32}$/);
        expect(throwAwayVariables(users, "/tmp/copy").PULUMI_CONFIG_PASSPHRASE).not.toBe(own.PULUMI_CONFIG_PASSPHRASE);
    });

    it("knows no host whose ports and directories could be looked at without an engine", () => {
        expect(isLocal(noEngine)).toBe(false);
    });

    it("knows the stacks by their files, which Pulumi.yaml is not", () => {
        expect(stacksWithFile(commands.places.project)).toEqual(["dev", "staging"]);
    });

    it("gives an error of the CLI as its first line", () => {
        expect(firstError(new Error("code: 255\n stdout: \n stderr: error: incorrect passphrase\nmore"))).toBe(
            "incorrect passphrase",
        );
        expect(firstError(new Error("code: 255\nerror: incorrect passphrase\nmore"))).toBe("incorrect passphrase");
        expect(firstError(new Error("something else\nmore"))).toBe("something else");
    });
});
