/** What this project is run by: Node.js, npm's packages, Pulumi's CLI and plugins. */
import { advice, fits } from "../../toolchain/node/version.mjs";
import { installed } from "../installed.mjs";
import type { Places } from "../places.ts";
import type { Problem } from "../stackProblems.ts";
import { planToolchain } from "../toolchain.ts";
import { type Finding, findingsOf } from "./finding.ts";

export interface VersionFacts {
    readonly node: string;
    /** Whether node_modules is what package-lock.json says. */
    readonly packagesFit: boolean;
    /** Pulumi's tools that are not there, such as "the docker provider 5.2.0". */
    readonly missingTools: readonly string[];
    readonly pulumiHome: string;
}

export async function versionFacts(places: Places, env: NodeJS.ProcessEnv): Promise<VersionFacts> {
    const { missing } = await planToolchain({ pulumiHome: places.pulumiHome, env });
    return {
        node: process.versions.node,
        packagesFit: installed(places.project),
        missingTools: missing,
        pulumiHome: places.pulumiHome,
    };
}

export function judgeVersions({ node, packagesFit, missingTools, pulumiHome }: VersionFacts): Finding[] {
    const problems: Problem[] = [];
    if (!fits(node)) {
        problems.push({ level: "fault", what: `Node.js ${node} is too old`, cure: advice });
    }
    if (!packagesFit) {
        problems.push({ level: "fault", what: "node_modules is not what package-lock.json says", cure: "npm ci" });
    }
    if (missingTools.length > 0) {
        const what = `not in ${pulumiHome}: ${missingTools.join(", ")}`;
        problems.push({ level: "fault", what, cure: "npm start fetches or builds what is missing." });
    }
    return findingsOf(
        "versions",
        problems,
        `Node.js ${node}, npm's packages, Pulumi's CLI and plugins are as they should be`,
    );
}
