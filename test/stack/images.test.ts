import { execa } from "execa";
import { describe, expect, inject, it } from "vitest";
import { publicMirrors } from "../../components/buildSecrets.ts";
import { container, docker } from "./engine.ts";

const { stack } = inject("generated");

interface Image {
    readonly Size: number;
    readonly Config: { readonly User: string; readonly Env: string[] | null };
}

async function image(name: string): Promise<Image> {
    const [found] = JSON.parse(await docker("image", "inspect", (await container(stack, name)).Image)) as Image[];
    if (found === undefined) {
        throw new Error(`no image of ${name}`);
    }
    return found;
}

it("the MLflow server's image is at most 700 MB", async () => {
    expect((await image("mlflow")).Size).toBeLessThanOrEqual(700e6);
});

it("PostgreSQL refuses the data of another major version in words, and leaves it as it is", async () => {
    const { Image } = await container(stack, "postgres");
    const volume = `mlflow-platform-test-${stack}-major`;
    const data = ["--volume", `${volume}:/var/lib/postgresql`];
    try {
        const old = "mkdir -m 0700 /var/lib/postgresql/data && echo 16 > /var/lib/postgresql/data/PG_VERSION";
        await docker("run", "--rm", ...data, "--entrypoint", "bash", Image, "-c", old);
        const secrets = ["--volume", `mlflow-platform-${stack}-postgres-secrets:/run/secrets/platform:ro`];
        const settings = ["DATABASE=mlflow", "OWNER_USER=owner", "SERVER_USER=server"].flatMap((one) => ["--env", one]);
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

describe.each(["mlflow", "minio", "postgres"])("the image of %s", (name) => {
    const run = async (script: string) => docker("exec", `mlflow-platform-${stack}-${name}`, "bash", "-c", script);

    it("has a numeric user that is not root", async () => {
        expect((await image(name)).Config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    });

    it("has no compiler, package installer or client that the service does not need", async () => {
        const found = await run(
            "for p in gcc cc make go git curl wget pip pip3 uv npm ssh; do command -v $p; done; true",
        );
        expect(found).toBe("");
    });

    it("holds nothing of the host that built it: its own certificates, Debian's own mirror, no proxy", async () => {
        // Debian's bundle is made of the files in its package, and of nothing else.
        const own = "find /usr/share/ca-certificates -name '*.crt' | wc -l";
        const bundle = "grep -c 'BEGIN CERTIFICATE' /etc/ssl/certs/ca-certificates.crt || true";
        const [packaged, bundled] = [await run(own), await run(bundle)];
        expect(Number(bundled)).toBe(Number(packaged));
        expect(
            await run("grep -rhE '^(URIs:|deb )' /etc/apt/sources.list.d /etc/apt/sources.list 2>/dev/null | sort -u"),
        ).toBe(`URIs: ${publicMirrors.archive}\nURIs: ${publicMirrors.security}`);
        expect((await image(name)).Config.Env?.filter((line) => /proxy|index_url|goproxy/i.test(line))).toEqual([]);
    });
});
