import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { container, containersOf, services } from "../support/engine.ts";
import { plantedValues } from "../support/platforms.ts";

const { stack, directory, ports } = inject("planted");
const address = plantedValues.bindAddress?.value ?? "";

/** Rows of the table "Capabilities" in docs/security.md: container → capabilities that stay. */
function documentedCapabilities(): Record<string, string> {
    const text = readFileSync(join(directory, "docs", "security.md"), "utf8");
    const table = /\| container \| user \| capabilities \|\n\|[-| ]+\|\n((?:\|.*\|\n)+)/i.exec(text)?.[1] ?? "";
    return Object.fromEntries(
        table
            .trimEnd()
            .split("\n")
            .map((row) => row.split("|").map((cell) => cell.trim().replaceAll("`", "")))
            .map(([, name = "", user = "", capabilities = ""]) => [name, `${user} ${capabilities}`]),
    );
}

/** A mask of /proc/<pid>/status as the names that the documentation uses. */
function capabilityNames(mask: string): string {
    return BigInt(`0x${mask}`) === 0n ? "none" : mask;
}

describe.each(services)("the long-running container %s", (name) => {
    it("runs as the documented user with the documented capabilities", async () => {
        const { State } = await container(stack, name);
        // The first process is the init; the service is its child.
        const children = readFileSync(`/proc/${State.Pid}/task/${State.Pid}/children`, "utf8").trim().split(" ");
        for (const pid of [String(State.Pid), ...children.filter((child) => child !== "")]) {
            const status = readFileSync(`/proc/${pid}/status`, "utf8");
            const field = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
            const [uid] = field("Uid").split("\t");
            expect(`${uid ?? ""} ${capabilityNames(field("CapEff"))}`).toBe(documentedCapabilities()[name]);
            expect(`${uid ?? ""} ${capabilityNames(field("CapBnd"))}`).toBe(documentedCapabilities()[name]);
            expect(field("NoNewPrivs")).toBe("1");
        }
    });

    it("has a read-only root, limits without swap, a health check, a restart policy and rotated logs", async () => {
        const { HostConfig, Config, State } = await container(stack, name);
        expect(HostConfig.ReadonlyRootfs).toBe(true);
        expect(HostConfig.Privileged).toBe(false);
        expect(HostConfig.SecurityOpt).toEqual(["no-new-privileges"]);
        expect(HostConfig.Memory).toBeGreaterThan(0);
        expect(HostConfig.MemorySwap).toBe(HostConfig.Memory);
        expect(HostConfig.NanoCpus).toBeGreaterThan(0);
        expect(HostConfig.Init).toBe(true);
        expect(HostConfig.RestartPolicy.Name).toBe("unless-stopped");
        expect(HostConfig.LogConfig).toEqual({ Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } });
        expect(Config.Healthcheck?.Test).toEqual(["CMD", "/usr/local/bin/healthy"]);
        expect(State.Health?.Status).toBe("healthy");
    });
});

it("publishes on the address that is set, and nothing but what is asked for", async () => {
    const bindings = (await containersOf(stack)).flatMap(({ HostConfig }) =>
        Object.values(HostConfig.PortBindings ?? {}).flatMap((list) => list ?? []),
    );
    expect(bindings.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}`).sort()).toEqual(
        [ports.mlflow, ports.s3, ports.console].map((port) => `${address}:${port}`).sort(),
    );
});

describe("containers that do not run on", () => {
    it("are the jobs, hardened but for what only a service has", async () => {
        for (const name of ["minio-provision", "mlflow-migrate"]) {
            const { HostConfig, Config, State } = await container(stack, name);
            expect(State.Status).toBe("exited");
            expect(Config.User).toBe("1000:1000");
            expect(HostConfig.ReadonlyRootfs).toBe(true);
            expect(HostConfig.CapDrop).toEqual(["ALL"]);
            expect(HostConfig.SecurityOpt).toEqual(["no-new-privileges"]);
            expect(HostConfig.Memory).toBeGreaterThan(0);
            expect(HostConfig.RestartPolicy.Name).toBe("no");
        }
    });

    it("are the seeds, without network, capabilities or program", async () => {
        const seeds = (await containersOf(stack)).filter(({ Name }) => Name.endsWith("-seed"));
        expect(seeds.map(({ Name }) => Name.replace(`/mlflow-platform-${stack}-`, "")).sort()).toEqual([
            "minio-provision-secrets-seed",
            "minio-secrets-seed",
            "mlflow-migrate-secrets-seed",
            "mlflow-secrets-seed",
            "postgres-secrets-seed",
        ]);
        for (const { HostConfig, State } of seeds) {
            expect(State.Status).toBe("created");
            expect(HostConfig.NetworkMode).toBe("none");
            expect(HostConfig.CapDrop).toEqual(["ALL"]);
        }
    });
});
