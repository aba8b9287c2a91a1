/** What is made from the table of keys is in the repository as it would be made now. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Key, keys } from "../../config.ts";
import { servedModelFields } from "../../servedModels.ts";
import { configurationReference, projectFile, rulesReference } from "../../operations/reference.ts";
import { rules } from "../../rules/judge.ts";

const file = (name: string) => readFileSync(join(import.meta.dirname, "../..", name), "utf8");

const fieldsTitle = "## Fields of an entry of `modelServers`";
/** The rows of the tables in a text, cell by cell. */
const rowsOf = (text: string) =>
    text
        .split("\n")
        .filter((line) => line.startsWith("| `"))
        .map((line) => line.slice(2, -2).split(" | "));

describe("npm run reference", () => {
    it("would not change docs/configuration.md", () => {
        expect(file("docs/configuration.md")).toBe(configurationReference());
    });

    it("would not change docs/rules.md", () => {
        expect(file("docs/rules.md")).toBe(rulesReference());
    });

    it("describes each rule once, in their order", () => {
        const titles = [...rulesReference().matchAll(/^## (.*)$/gm)].map(([, title]) => title);
        expect(titles).toEqual(rules.map(({ id }) => id));
    });

    it("would not change Pulumi.yaml", () => {
        expect(file("Pulumi.yaml")).toBe(projectFile(file("Pulumi.yaml")));
    });

    it("describes each key once, secrets as such, with its Compose variable, default and meaning", () => {
        const rows = rowsOf(configurationReference().split(fieldsTitle)[0] ?? "");
        const cells = new Map(rows.map((row) => [row[row.length - 5], row]));
        expect(rows).toHaveLength(Object.keys(keys).length);
        for (const [name, key] of Object.entries<Key<unknown>>(keys)) {
            const row = cells.get(`\`${name}\``) ?? [];
            expect(row.slice(0, -5)).toEqual(key.compose === undefined ? [] : [`\`${key.compose}\``]);
            expect(row.slice(-4)[0]).toBe(key.secret ? "yes" : "");
            expect(row.at(-2)).toBe(key.default === undefined ? key.unset : `\`${key.default}\``);
            expect(row.at(-1)).toBe(key.doc);
        }
    });

    it("describes each field of a served model once, with its default and meaning, in their order", () => {
        const [, fields = "", ...others] = configurationReference().split(fieldsTitle);
        expect(others).toEqual([]);
        expect(fields).toMatch(/^\n\n\| field \| default \| meaning \|\n\| --- \| --- \| --- \|\n\| `name` \|/);
        expect(rowsOf(fields)).toEqual(
            Object.entries<{ doc: string; default?: string; required?: true }>(servedModelFields).map(
                ([name, field]) => [
                    `\`${name}\``,
                    field.required ? "required" : field.default === undefined ? "" : `\`${field.default}\``,
                    field.doc,
                ],
            ),
        );
    });

    it("declares in Pulumi.yaml every key that has a default, and no other", () => {
        const declared = [...file("Pulumi.yaml").matchAll(/^ {4}(\w+):\n {8}description: .*\n {8}default: "(.*)"$/gm)];
        expect(Object.fromEntries(declared.map(([, name, value]) => [name, value]))).toEqual(
            Object.fromEntries(
                Object.entries<Key<unknown>>(keys).flatMap(([name, key]) =>
                    key.default === undefined ? [] : [[name, key.default]],
                ),
            ),
        );
    });
});

describe("the stack files in the repository", () => {
    const git = (...args: string[]) =>
        execFileSync("git", args, { cwd: join(import.meta.dirname, "../.."), encoding: "utf8" });
    const files = git("ls-files", "Pulumi.*.yaml").trim().split("\n");

    it.each(files)("%s holds no salt and no encrypted value, which belong to one user's passphrase", (name) => {
        // As committed: in a checkout where the stack runs the file has that user's salt.
        expect(git("show", `HEAD:${name}`)).not.toMatch(/encryptionsalt|secure:/);
    });
});
