import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { containersOf, docker, dockerLines, serverFile } from "../support/engine.ts";
import { plantedSecrets } from "../support/platforms.ts";

const platform = inject("planted");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);

/** Base64 of a value that stands anywhere in a longer text: three alignments, without the characters that depend on neighbours. */
function base64Forms(value: string): string[] {
    return [0, 1, 2].map((shift) => {
        const encoded = Buffer.from("\0".repeat(shift) + value)
            .toString("base64")
            .replace(/=+$/, "");
        return encoded.slice(shift === 0 ? 0 : shift + 1, -1);
    });
}

/**
 * How a value may appear: plain, URL-encoded, in JSON once or twice over, in base64. Each escapes the awkward characters of a
 * planted value in its own way and leaves its plain end alone, so that end is enough.
 */
function forms(value: string): string[] {
    const end = /[A-Za-z0-9-]+$/.exec(value)?.[0] ?? value;
    return [end, ...base64Forms(end)];
}

/** Name → value of every secret of the stack. */
let secrets: Record<string, string>;

beforeAll(async () => {
    const planted = plantedSecrets;
    expect((await checkout.outputs(stack)).minioRootPassword).toBe(planted.minioRootPassword);
    // What is always generated: two files of the server, and the authority's key.
    const kek = await serverFile(stack, "kek_passphrase");
    expect(kek).toMatch(/^[A-Za-z0-9]{32}$/);
    const flask = await serverFile(stack, "flask_secret_key");
    expect(flask).toMatch(/^[A-Za-z0-9]{32}$/);
    const { resources } = (await checkout.state(stack, true)).deployment as {
        resources: { urn: string; outputs?: { keepers?: { plaintext: string } } }[];
    };
    const keepers =
        resources.find(({ urn }) => urn.endsWith(":RandomId::authority"))?.outputs?.keepers?.plaintext ?? "{}";
    const { privateKey: pem = "" } = JSON.parse(keepers) as { privateKey?: string };
    // Every key of this kind begins with the same 48 characters; those of its own go on until one that JSON or a URI may
    // write otherwise.
    const [privateKey = ""] = /^MIGHAgEA[A-Za-z0-9]{40,}/.exec(pem.split("\n")[1] ?? "") ?? [];
    expect(privateKey).not.toBe("");
    secrets = { ...planted, kek, flask, privateKey };
});

/** Names of the secrets that stand in a text. */
function leaks(text: string): string[] {
    return Object.entries(secrets)
        .filter(([, value]) => forms(value).some((form) => text.includes(form)))
        .map(([name]) => name);
}

function filesUnder(directory: string): string[] {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
}

describe("no secret value is", () => {
    it("missed by the search itself", () => {
        const [name = "", value = ""] = Object.entries(plantedSecrets)[0] ?? [];
        for (const text of [
            `x${value}y`,
            JSON.stringify({ a: value }),
            `postgresql://u:${encodeURIComponent(value)}@h`,
            JSON.stringify(JSON.stringify({ a: value })),
            // As Go's encoding/json writes it.
            JSON.stringify(value).replaceAll("&", "\\u0026"),
            Buffer.from(`ab${value}cd`).toString("base64"),
            Buffer.from(`abc${value}d`).toString("base64"),
            Buffer.from(`abcd${value}`).toString("base64"),
        ]) {
            expect(leaks(text)).toEqual([name]);
        }
    });

    it("in docker inspect of any container", async () => {
        const containers = await containersOf(stack);
        expect(containers.length).toBe(10);
        expect(leaks(JSON.stringify(containers))).toEqual([]);
    });

    it("in the history of any image", async () => {
        const images = [...new Set((await containersOf(stack)).map(({ Image }) => Image))];
        expect(images.length).toBe(4);
        for (const image of images) {
            expect(leaks(await docker("history", "--no-trunc", image))).toEqual([]);
            expect(leaks(await docker("image", "inspect", image))).toEqual([]);
        }
    });

    it("in the arguments of any process while the platform is made", () => {
        const seen = inject("seenArguments");
        // The watch worked: it saw Pulumi, and programs inside containers.
        expect(seen.some((line) => line.includes("pulumi"))).toBe(true);
        expect(seen.some((line) => line.startsWith("/usr/local/bin/provision "))).toBe(true);
        expect(leaks(seen.join("\n"))).toEqual([]);
    });

    it("in the log of any container", async () => {
        let logs = "";
        for (const id of await dockerLines(
            "ps",
            "--all",
            "--quiet",
            "--filter",
            `label=mlflow-platform.stack=${stack}`,
        )) {
            logs += (await execa("docker", ["logs", id], { all: true })).all;
        }
        // Both streams of each are there.
        expect(logs).toContain("postgres: database");
        expect(logs).toContain("provision: bucket");
        expect(logs).toContain("migrate: database");
        expect(leaks(logs)).toEqual([]);
    });

    it("in what npm start printed", () => {
        expect(leaks(platform.startOutput)).toEqual([]);
    });

    it("in a preview that changes a secret, or in what up prints when it does", async () => {
        const value = "another-planted-password";
        await checkout.pulumi(stack, "config", "set", "--secret", "pgPassword", value);
        try {
            const preview = await checkout.pulumi(stack, "preview", "--diff");
            expect(preview).toContain("[secret]");
            expect(leaks(preview)).toEqual([]);
            expect(preview).not.toContain(value);
            const up = await checkout.pulumi(stack, "up", "--yes", "--diff");
            expect(up).toContain("[secret]");
            expect(leaks(up)).toEqual([]);
            expect(up).not.toContain(value);
        } finally {
            await checkout.pulumi(stack, "config", "set", "--secret", "pgPassword", plantedSecrets.pgPassword ?? "");
            await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        }
    });

    it("in plain text in the state, its history and its backups, or in the stack's file", async () => {
        const files = filesUnder(join(platform.stateHome, "mlflow-platform", "backend"));
        expect(files.some((file) => file.includes("history"))).toBe(true);
        for (const file of files) {
            expect(leaks(readFileSync(file, "utf8")), file).toEqual([]);
        }
        expect(leaks(checkout.read(`Pulumi.${stack}.yaml`))).toEqual([]);
        expect(leaks(await checkout.pulumi(stack, "stack", "export"))).toEqual([]);
        expect(leaks(await checkout.pulumi(stack, "stack", "output"))).toEqual([]);
    });
});
