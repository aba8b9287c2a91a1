import { execa } from "execa";
import { expect, inject, it } from "vitest";
import { container, docker, services } from "../support/engine.ts";
import { describeImage, inspectImage } from "../support/imageRules.ts";

const { stack } = inject("generated");

it.each([
    ["mlflow", 700],
    ["minio", 190],
])("the image of %s is at most %i MB", async (name, megabytes) => {
    const { Image } = await container(stack, name);
    expect((await inspectImage(Image)).Size).toBeLessThanOrEqual(megabytes * 1e6);
});

it("PostgreSQL refuses the data of another major version in words, and leaves it as it is", async () => {
    const { Image } = await container(stack, "postgres");
    const volume = `mlflow-platform-test-${stack}-major`;
    const data = ["--volume", `${volume}:/var/lib/postgresql`];
    try {
        const old = "mkdir -m 0700 /var/lib/postgresql/data && echo 16 > /var/lib/postgresql/data/PG_VERSION";
        await docker("run", "--rm", ...data, "--entrypoint", "bash", Image, "-c", old);
        const secrets = ["--volume", `mlflow-platform-${stack}-postgres-secrets:/run/secrets/platform:ro`];
        const settings = ["DATABASE=mlflow", "OWNER_USER=owner", "SERVER_USER=server", "AUTH_USER=auth"].flatMap(
            (one) => ["--env", one],
        );
        const refused = await execa("docker", ["run", "--rm", ...data, ...secrets, ...settings, Image], {
            reject: false,
            all: true,
        });
        expect(refused.exitCode).toBe(78);
        expect(refused.all).toContain("the data is of PostgreSQL 16, this image is PostgreSQL 17.");
        const read = "cat /var/lib/postgresql/data/PG_VERSION; ls /var/lib/postgresql/data";
        expect(await docker("run", "--rm", ...data, "--entrypoint", "bash", Image, "-c", read)).toBe("16\nPG_VERSION");
    } finally {
        await docker("volume", "rm", volume);
    }
});

for (const name of services) {
    describeImage(name, async () => (await container(stack, name)).Image);
}
