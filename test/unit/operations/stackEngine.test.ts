/** Which engine a stack names, and what it may not say of one. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { planEngine } from "../../../operations/engine.ts";
import { stackEngine } from "../../../operations/stackEngine.ts";
import { stackFile } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";

let commands: Commands;
beforeEach(() => {
    commands = new Commands();
});
afterEach(() => {
    commands.remove();
});
const stack = (text: string) => {
    writeFileSync(stackFile(commands.places, "team"), text);
};
const project = (text: string) => {
    writeFileSync(join(commands.places.project, "Pulumi.yaml"), text);
};
const named = (env: NodeJS.ProcessEnv = {}) => stackEngine(commands.places, "team", env);

describe("the engine of a stack", () => {
    it.each(["", "config:\n", "config:\n  mlflow-platform:mlflowPort: 5001\n", "encryptionsalt: v1:x\n"])(
        "is not named by %j",
        (text) => {
            stack(text);
            expect(named({ DOCKER_HOST: "ssh://elsewhere" })).toBeUndefined();
        },
    );

    it("is not named by a stack without a file", () => {
        expect(named()).toBeUndefined();
    });

    it("is what the stack's file says, else the project's", () => {
        project("config:\n  docker:host:\n    value: ssh://all\n");
        expect(named()).toBe("ssh://all");
        stack("config:\n  docker:host: ssh://mine\n");
        expect(named()).toBe("ssh://mine");
    });

    it("may be what DOCKER_HOST says too, and nothing else", () => {
        stack("config:\n  docker:host: ssh://ana@desk\n");
        expect(named({ DOCKER_HOST: "ssh://ana@desk/" })).toBe("ssh://ana@desk");
        expect(named({ DOCKER_HOST: "" })).toBe("ssh://ana@desk");
        expect(() => named({ DOCKER_HOST: "tcp://other:2376" })).toThrow(
            expect.objectContaining({
                message:
                    "Stack team is on the engine ssh://ana@desk (docker:host in its configuration), and DOCKER_HOST says tcp://other:2376.",
                cure: "Unset DOCKER_HOST, or name the other engine to the stack: npm run pulumi -- config set docker:host tcp://other:2376 --stack team",
            }),
        );
    });

    it.each(["context", "sshOpts", "certPath", "caMaterial", "certMaterial", "keyMaterial"])(
        "is not to be reached by docker:%s, which the provider alone would read",
        (name) => {
            stack(`config:\n  docker:${name}: x\n  docker:host: ssh://mine\n`);
            expect(() => named()).toThrow(`Stack team sets docker:${name}, which only Pulumi's Docker provider reads.`);
        },
    );

    it("is no secret", () => {
        stack("config:\n  docker:host:\n    secure: v1:abc\n");
        expect(() => named()).toThrow("Stack team has docker:host encrypted.");
    });

    it("is the one that is asked, before any other", async () => {
        const environment = { ...process.env };
        process.env.PATH = commands.variables.PATH;
        try {
            commands.add("docker", { "--host ssh://mine version": "28.0" });
            expect(await planEngine({ DOCKER_HOST: "tcp://127.0.0.1:1" }, "ssh://mine")).toEqual({
                action: "running",
                host: "ssh://mine",
                reason: "engine 28.0 answers at ssh://mine (docker:host of the stack's configuration)",
            });
        } finally {
            process.env = environment;
        }
    });
});
