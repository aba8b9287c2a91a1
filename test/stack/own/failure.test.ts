import { execa } from "execa";
import { afterEach, describe, expect, it } from "vitest";
import { container, docker, healthy, sql } from "../support/engine.ts";
import { own } from "../support/own.ts";
import { makePlanted, plantedSecrets, plantedValues } from "../support/platforms.ts";

const {
    checkout,
    made: { stack },
} = await own(makePlanted);
const database = plantedValues.pgDatabase?.value;

describe("an update is red until it works", () => {
    afterEach(async ({ task }) => {
        // Each leaves the stack as it was; one that failed may not have got there.
        if (task.result?.state === "fail") {
            await checkout.ok("start", ["--stack", stack]);
        }
        await healthy(stack);
    });

    it("a job that fails: with its output, again and again, and green when the cause is gone", async () => {
        // The schema of a newer MLflow than the image's.
        const [head = ""] = await sql(stack, "select version_num from alembic_version", database);
        await sql(stack, "update alembic_version set version_num = 'ffffffffffff'", database);
        // Another owner password makes the job run again.
        await checkout.pulumi(stack, "config", "set", "--secret", "pgOwnerPassword", "another-owner-password");
        const first = await checkout.cli(stack, ["up", "--yes", "--skip-preview"]);
        expect(first.code).not.toBe(0);
        expect(first.output).toContain("job mlflow-migrate ended with exit code");
        expect(first.output).toContain("ffffffffffff");
        for (const value of [...Object.values(plantedSecrets), "another-owner-password"]) {
            expect(first.output).not.toContain(value);
        }
        const ran = (await container(stack, "mlflow-migrate")).Id;

        const second = await checkout.cli(stack, ["up", "--yes", "--skip-preview"]);
        expect(second.code).not.toBe(0);
        expect(second.output).toContain("job mlflow-migrate ended with exit code");
        const ranAgain = (await container(stack, "mlflow-migrate")).Id;
        expect(ranAgain).not.toBe(ran);

        await sql(stack, `update alembic_version set version_num = '${head}'`, database);
        await checkout.pulumi(
            stack,
            "config",
            "set",
            "--secret",
            "pgOwnerPassword",
            plantedSecrets.pgOwnerPassword ?? "",
        );
        await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        await checkout.pulumi(stack, "preview", "--expect-no-changes");
    });

    it("a job that prints its credentials: the error has its words without them, and so has the state", async () => {
        const { Image } = await container(stack, "minio-provision");
        const reference = `mlflow-platform-test/talkative:${stack}`;
        const talk = "cd /run/secrets/platform; echo a word before; cat *; base64 --wrap=0 *; exit 3";
        await execa("docker", ["build", "--tag", reference, "-"], {
            input:
                `FROM ${Image}\nUSER 0:0\n` +
                `RUN cd /usr/local/bin; rm provision; printf '#!/bin/bash\\n%s\\n' '${talk}' >provision; chmod +x provision\n` +
                "USER 1000:1000\n",
            env: { DOCKER_BUILDKIT: "0" },
        });
        const secrets = plantedSecrets;
        // From the last awkward character on; resources have the rest in their names.
        const ends = [secrets.minioRootPassword ?? "", secrets.minioSecretAccessKey ?? ""].map((value) =>
            value.slice(value.lastIndexOf("=")),
        );
        await checkout.configured(stack, { minioImage: reference }, async () => {
            for (const attempt of [1, 2]) {
                const { code, output } = await checkout.cli(stack, ["up", "--yes", "--skip-preview"]);
                expect([attempt, code === 0]).toEqual([attempt, false]);
                expect(output).toContain("job minio-provision ended with exit code 3");
                expect(output).toContain("a word before");
                expect(output).toContain("[secret]");
                const state = JSON.stringify(await checkout.state(stack));
                for (const end of ends) {
                    expect(output).not.toContain(end);
                    expect(state).not.toContain(end);
                }
            }
        });
        await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        await checkout.pulumi(stack, "preview", "--expect-no-changes");
        await docker("image", "rm", "--force", reference);
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
            await checkout.pulumi(stack, "config", "set", "mlflowWaitSeconds", "10");
            await checkout.pulumi(stack, "config", "set", "mlflowImage", reference);
            const plain = await checkout.cli(stack, ["up", "--yes", "--skip-preview"]);
            expect(plain.code).not.toBe(0);
            expect(plain.output).toContain("Container (mlflow)");
            const { code, output } = await checkout.run("start", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain(`The last log lines of mlflow-platform-${stack}-mlflow:`);
            expect(output).toContain("a word before the end");
            for (const value of Object.values(plantedSecrets)) {
                expect(output).not.toContain(value);
            }
        } finally {
            await checkout.pulumi(stack, "config", "rm", "mlflowImage");
            await checkout.pulumi(stack, "config", "rm", "mlflowWaitSeconds");
        }
        await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        await healthy(stack);
        await docker("image", "rm", "--force", reference);
    });
});
