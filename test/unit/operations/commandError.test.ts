/** Errors of Pulumi's CLI and docker reach the user in words: no stack, no arguments, no standard output. */
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unknownStack } from "../../../operations/backend.ts";
import { userErrorOf } from "../../../operations/commandError.ts";
import { UserError } from "../../../operations/userError.ts";
import { cliRoot, requireReadable } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";

describe("an error of a command", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
    });
    afterEach(() => {
        commands.remove();
    });
    const thrown = (script: string) =>
        execa("sh", ["-c", script, "a secret argument"]).then(
            () => undefined,
            (error: unknown) => userErrorOf(error),
        );

    it.each([
        ["echo no space left on device >&2; exit 1", "sh failed: no space left on device", /Make room/],
        [
            "echo 'error: incorrect passphrase' >&2; exit 255",
            "sh failed: error: incorrect passphrase",
            /PULUMI_CONFIG_PASSPHRASE/,
        ],
        [
            "echo 'the stack is currently locked by 1 lock(s)' >&2; exit 1",
            "sh failed: the stack is currently locked by 1 lock(s)",
            /cancel/,
        ],
        [
            "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1",
            "sh failed: Cannot connect to the Docker daemon at unix:///x.",
            /engine went away/,
        ],
        ["echo something else >&2; exit 1", "sh failed: something else", /npm run doctor/],
        ["echo secret; exit 3", "sh failed: exit code 3", /npm run doctor/],
        [
            "printf 'Error: x\\n    at f (/a/b.js:1:2)\\n    at /c.js:3:4\\n' >&2; exit 1",
            "sh failed: Error: x",
            /doctor/,
        ],
    ])("%s", async (script, message, cure) => {
        const error = await thrown(script);
        expect(error?.message).toBe(message);
        expect(error?.cure).toMatch(cure);
        expect(`${error?.message ?? ""}${error?.cure ?? ""}`).not.toContain("secret");
    });

    it("that is not there is named", async () => {
        const error = await execa("there-is-no-such-program").catch((some: unknown) => userErrorOf(some));
        expect((error as UserError).message).toBe("there-is-no-such-program failed: ENOENT");
    });

    it("is the same by the Automation API", async () => {
        commands.add(join(cliRoot(commands.places), "bin/pulumi"), { version: "v3.276.0\n" });
        const workspace = await LocalWorkspace.create({
            workDir: commands.places.project,
            pulumiCommand: await PulumiCommand.get({ root: cliRoot(commands.places) }),
            envVars: commands.variables,
        });
        const error = await workspace.listStacks().catch((some: unknown) => userErrorOf(some));
        expect((error as UserError).message).toMatch(/^pulumi failed: unexpected: stack ls --json/);
    });

    it("is none where it is a defect of this project, and itself where it is for the user", () => {
        expect(userErrorOf(new TypeError("x is not a function"))).toBeUndefined();
        const known = new UserError("a", "b");
        expect(userErrorOf(known)).toBe(known);
    });
});

describe("a stack that there is not", () => {
    it.each([
        ["prd", ["dev", "prod"], "Did you mean prod? There are: dev, prod."],
        ["production", ["dev", "prod"], "There are: dev, prod."],
        ["x", ["dev"], "There are: dev."],
        ["dev", [], "There is none at all: npm start makes one."],
    ])("%s, where there are %j", (name, names, cure) => {
        expect(unknownStack(name, names, "file:///b")).toMatchObject({
            message: `There is no stack ${name} in file:///b.`,
            cure,
        });
    });
});

describe("a stack's file", () => {
    it.each(["", "config:\n", "config: {}\n", "encryptionsalt: v1:a\nconfig:\n  a:b: c\n", "# nothing\n"])(
        "%j can be read",
        (content) => {
            expect(() => {
                requireReadable("prod", content);
            }).not.toThrow();
        },
    );

    it.each([
        ["config:\n  a: [\n", /is no valid YAML: line \d+: /],
        ["config:\n\ta: b\n", /is no valid YAML: line 2: /],
        ["config:\n  a: b\n  a: c\n", /is no valid YAML: line \d+: .*unique/],
        ["just a text", /has no map of keys/],
        ["- a\n", /has no map of keys/],
        ["config: text\n", /has no map of keys under "config:"/],
        ["<<<<<<< HEAD\nconfig:\n", /is no valid YAML|no map of keys/],
    ])("%j is refused, with the line and how to mend it", (content, message) => {
        expect(() => {
            requireReadable("prod", content);
        }).toThrow(
            expect.objectContaining({
                name: "UserError",
                message: expect.stringMatching(message) as string,
                cure: "Mend Pulumi.prod.yaml in an editor, or bring it back as it was (git checkout Pulumi.prod.yaml).",
            }),
        );
    });
});
