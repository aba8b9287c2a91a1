import { execa } from "execa";
import { afterEach, describe, expect, inject, it } from "vitest";
import { Checkout } from "./checkout.ts";
import { container, docker, healthy, sql } from "./engine.ts";
import { plantedValues } from "./platforms.ts";

const platform = inject("planted");
const { stack } = platform;
const database = plantedValues.pgDatabase?.value;
const checkout = Checkout.at(platform.directory, platform.stateHome);

describe("an update is red until it works", () => {
    afterEach(async () => {
        await checkout.ok("start", ["--stack", stack]);
        await healthy(stack);
    });

    it("a job that fails: with its output, again and again, and green when the cause is gone", async () => {
        // The schema of a newer MLflow than the image's.
        const [head = ""] = await sql(stack, "select version_num from alembic_version", database);
        await sql(stack, "update alembic_version set version_num = 'ffffffffffff'", database);
        // Another owner password makes the job run again.
        await checkout.pulumi(stack, "config", "set", "--secret", "pgOwnerPassword", "another-owner-password");
        const first = await checkout.run("pulumi", ["up", "--yes", "--skip-preview", "--stack", stack]);
        expect(first.code).not.toBe(0);
        expect(first.output).toContain("job mlflow-migrate ended with exit code");
        expect(first.output).toContain("ffffffffffff");
        for (const value of [...Object.values(inject("plantedSecrets")), "another-owner-password"]) {
            expect(first.output).not.toContain(value);
        }
        const ran = (await container(stack, "mlflow-migrate")).Id;

        const second = await checkout.run("pulumi", ["up", "--yes", "--skip-preview", "--stack", stack]);
        expect(second.code).not.toBe(0);
        expect(second.output).toContain("job mlflow-migrate ended with exit code");
        const ranAgain = (await container(stack, "mlflow-migrate")).Id;
        expect(ranAgain).not.toBe(ran);

        await sql(stack, `update alembic_version set version_num = '${head}'`, database);
        await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        await checkout.pulumi(stack, "preview", "--expect-no-changes");
        await checkout.pulumi(
            stack,
            "config",
            "set",
            "--secret",
            "pgOwnerPassword",
            inject("plantedSecrets").pgOwnerPassword ?? "",
        );
    });

    it("a service that cannot become healthy: by name with its last log lines, and green when the cause is gone", async () => {
        // An image that keeps no contract: it ends at once, with a word.
        const { Image } = await container(stack, "mlflow");
        const reference = `mlflow-platform-test/broken:${stack}`;
        await execa("docker", ["build", "--tag", reference, "-"], {
            input: `FROM ${Image}\nENTRYPOINT ["/bin/sh", "-c", "case $0$* in *migrate*) exec /usr/local/bin/migrate;; esac; echo a word before the end; exit 9"]\n`,
            env: { DOCKER_BUILDKIT: "0" },
        });
        try {
            await checkout.pulumi(stack, "config", "set", "mlflowWaitSeconds", "15");
            await checkout.pulumi(stack, "config", "set", "mlflowImage", reference);
            const { code, output } = await checkout.run("start", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain(`mlflow-platform-${stack}-mlflow`);
            expect(output).toContain("a word before the end");
            for (const value of Object.values(inject("plantedSecrets"))) {
                expect(output).not.toContain(value);
            }
            const again = await checkout.run("pulumi", ["up", "--yes", "--skip-preview", "--stack", stack]);
            expect(again.code).not.toBe(0);
        } finally {
            await checkout.pulumi(stack, "config", "rm", "mlflowImage");
            await checkout.pulumi(stack, "config", "rm", "mlflowWaitSeconds");
        }
        await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        await healthy(stack);
        await docker("image", "rm", "--force", reference);
    });
});
