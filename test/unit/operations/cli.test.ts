/** What the list of commands loads before one of them is chosen. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const operations = join(import.meta.dirname, "../../../operations");

/** The modules outside the project that a file loads with what it imports; types alone load nothing. */
function packagesOf(file: string, seen = new Set<string>()): string[] {
    if (seen.has(file)) {
        return [];
    }
    seen.add(file);
    const imports = [...readFileSync(file, "utf8").matchAll(/^import (?!type )[^;]*?"([^"]+)";/gm)];
    return imports.flatMap(([, from = ""]) =>
        from.startsWith(".") ? packagesOf(join(dirname(file), from), seen) : [from],
    );
}

it("needs nothing but commander for --help: a command's own modules are loaded with the command", () => {
    const packages = packagesOf(join(operations, "cli.ts")).filter((name) => !name.startsWith("node:"));
    expect([...new Set(packages)]).toEqual(["commander"]);
    // What every command that changes something does load.
    expect(packagesOf(join(operations, "start.ts"))).toContain("@pulumi/pulumi/automation/index.js");
});
