// Whether the npm dependencies are those of the lock file. Plain JavaScript, because it is asked before any is there.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whether node_modules is what package-lock.json describes: npm leaves a copy of the lock file there, last of all. */
export function installed(project) {
    const copy = join(project, "node_modules", ".package-lock.json");
    if (!existsSync(copy)) {
        return false;
    }
    const versions = (file, packages) =>
        JSON.stringify(
            Object.entries(JSON.parse(readFileSync(file, "utf8")).packages)
                .filter(([path, entry]) => path !== "" && packages(path, entry))
                .map(([path, entry]) => [path, entry.version])
                .sort(),
        );
    // Optional packages are for other platforms; npm leaves them out.
    const present = (path) => existsSync(join(project, path));
    return (
        versions(join(project, "package-lock.json"), (path, entry) => !entry.optional || present(path)) ===
        versions(copy, () => true)
    );
}
