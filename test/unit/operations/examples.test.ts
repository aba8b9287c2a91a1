/** The stacks' files that come with the project. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Configuration, isLoopback, keys, parseConfiguration, publishedPorts } from "../../../config.ts";
import { asTexts, readSettings } from "../../../operations/stacks/stackFile.ts";

const project = join(import.meta.dirname, "../../..");
const committed = execFileSync("git", ["ls-files", "Pulumi.*.yaml"], { cwd: project, encoding: "utf8" })
    .split("\n")
    .filter((file) => file !== "")
    // What a stack that runs from this checkout has left there is no part of the example.
    .map((file) => [file, readFileSync(join(project, file), "utf8").replace(/^encryptionsalt:.*\n?/m, "")] as const);
const textOf = (file: string) => new Map(committed).get(file) ?? "";

function parsed(text: string): { value: Configuration; problems: string[] } {
    return parseConfiguration({ values: asTexts(readSettings("file", text).plain), secrets: new Set() });
}

const secretKeys = Object.entries<{ secret?: true }>(keys).flatMap(([name, { secret }]) => (secret ? [name] : []));

describe.each(committed)("%s", (file, text) => {
    it("sets known keys only, and nothing that belongs to one passphrase", () => {
        const { plain, secure } = readSettings(file, text);
        expect(Object.keys(keys)).toEqual(expect.arrayContaining(Object.keys(plain)));
        expect(secure).toEqual([]);
        expect(Object.keys(plain).filter((key) => secretKeys.includes(key))).toEqual([]);
        // As committed, whatever a stack has left in this checkout since.
        const index = execFileSync("git", ["show", `:${file}`], { cwd: project, encoding: "utf8" });
        expect(readSettings(file, index)).toMatchObject({ secure: [], salted: false });
    });

    it("lacks nothing but secrets, and names the command that sets each", () => {
        const missing = parsed(text).problems.map((problem) => {
            const [, key = "", what = ""] = /^(\w+): (.*)$/.exec(problem) ?? [];
            return { key, what };
        });
        for (const { key, what } of missing) {
            expect(secretKeys, what).toContain(key);
            expect(what).toMatch(/^is needed with /);
            const stack = file.replace(/^Pulumi\.(.*)\.yaml$/, "$1");
            expect(text).toContain(`npm run pulumi -- config set --secret ${key} --stack ${stack}\n`);
        }
    });

    it("uses names for examples only", () => {
        for (const [name] of text.matchAll(/\b[\w-]+(\.[\w-]+)*\.(com|org|net|io|dev|local)\b/g)) {
            expect(name).toMatch(/(^|\.)example\.com$/);
        }
    });
});

describe("the three stacks", () => {
    const [dev, staging, production] = ["dev", "staging", "production"].map(
        (name) => parsed(textOf(`Pulumi.${name}.yaml`)).value,
    ) as [Configuration, Configuration, Configuration];

    it("are committed", () => {
        expect(committed.map(([file]) => file)).toEqual(
            expect.arrayContaining(["Pulumi.dev.yaml", "Pulumi.production.yaml", "Pulumi.staging.yaml"]),
        );
    });

    it("dev is one person's: loopback, no login, no gateway, everything runs here", () => {
        expect(dev).toMatchObject({ mlflowAuth: false, bindAddress: "127.0.0.1" });
        expect([dev.publicHost, dev.pgHost, dev.minioHost]).toEqual([undefined, undefined, undefined]);
    });

    it("staging has login and TLS by its own authority, and lives beside dev in less room", () => {
        expect(staging.mlflowAuth).toBe(true);
        expect(staging.publicHost).toBeDefined();
        expect([staging.tlsEmail, staging.tlsCertificateFile, staging.pgHost]).toEqual([
            undefined,
            undefined,
            undefined,
        ]);
        const taken = Object.values(publishedPorts(dev));
        expect(Object.values(publishedPorts(staging)).filter((port) => taken.includes(port))).toEqual([]);
        for (const key of ["mlflowMemory", "minioMemory", "pgMemory", "gatewayMemory", "mlflowCpus"] as const) {
            expect(staging[key]).toBeLessThan(dev[key]);
        }
    });

    it("production is for others: login, a certificate of an authority, somebody else's database by checked TLS", () => {
        expect(production.mlflowAuth).toBe(true);
        expect(isLoopback(production.bindAddress)).toBe(false);
        expect(production.publicHost).toBeDefined();
        expect(production.publicHost).not.toBe(staging.publicHost);
        expect(production.tlsEmail ?? production.tlsCertificateFile).toBeDefined();
        expect(production).toMatchObject({ pgSslMode: "verify-full", artifactTransfer: "presigned" });
        expect(production.pgHost).toBeDefined();
        const roles = [production.pgUser, production.pgOwnerUser, production.pgAuthUser];
        expect(new Set(roles).size).toBe(3);
        for (const key of ["mlflowWorkers", "mlflowMemory", "minioMemory", "artifactTempSize"] as const) {
            expect(production[key]).toBeGreaterThan(dev[key]);
        }
    });
});
