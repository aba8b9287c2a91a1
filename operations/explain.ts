/** `--explain`: what would be used for engine, CLI, plugins and base image, and why. Changes nothing. */
import type { Plan } from "./platform.ts";
import type { Places } from "./places.ts";

/** The explanation as text. */
export function explanation(plan: Plan, places: Places, variables: Record<string, string>, toBuild: string[]): string {
    const { engine, toolchain, base } = plan;
    const engineText = { running: "used as it is", start: "started by this", install: "installed and started by this" };
    const rows: [string, string][] = [
        ["Docker engine", `${engineText[engine.action]}: ${engine.reason}`],
        [
            "Pulumi CLI, plugins",
            `${toolchain.source === "official" ? "official downloads" : "built from Go modules"}${toolchain.ready ? ", ready" : ""}: ${toolchain.reason}`,
        ],
        ...(toolchain.missing.length > 0 ? [["  still to get", toolchain.missing.join(", ")] as [string, string]] : []),
        ["Base image", `${base.reference ?? "the one pinned in the Dockerfiles"}: ${base.reason}`],
        ["Images to build", toBuild.length === 0 ? "none" : toBuild.join(", ")],
        ["Backend", variables.PULUMI_BACKEND_URL ?? ""],
        ["Pulumi home", places.pulumiHome],
    ];
    const width = Math.max(...rows.map(([name]) => name.length));
    return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
