/** Vitest's global set-up: makes the shared platforms that a selected file asks for by `inject`, and nothing where none does. */
import { readFileSync } from "node:fs";
import type { ProvidedContext } from "vitest";
import type { TestProject } from "vitest/node";

export default async function setUp(project: TestProject): Promise<(() => Promise<void>) | undefined> {
    const wanted = project.vitest.state
        .getPaths()
        .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/\binject\("(\w+)"\)/g)])
        .map(([, key]) => key as keyof ProvidedContext);
    if (wanted.length === 0) {
        return undefined;
    }
    // It loads what the rules' tests do without.
    const { provideShared } = await import("./sharedPlatforms.ts");
    return provideShared(project, new Set(wanted));
}
