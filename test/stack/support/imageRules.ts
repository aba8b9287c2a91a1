/** What holds for each image that the project builds. */
import { describe, expect, it } from "vitest";
import { publicMirrors } from "../../../components/buildSecrets.ts";
import { docker } from "./engine.ts";

/** What `docker image inspect` says, as far as it is read here. */
export interface InspectedImage {
    readonly Size: number;
    readonly Config: { readonly User: string; readonly Env: string[] | null };
}

/** An image by its reference or id. */
export async function inspectImage(reference: string): Promise<InspectedImage> {
    const [found] = JSON.parse(await docker("image", "inspect", reference)) as InspectedImage[];
    if (found === undefined) {
        throw new Error(`no image ${reference}`);
    }
    return found;
}

/** Tests of one image; its reference is asked for when they run. `needed` are programs that its service is for. */
export function describeImage(name: string, reference: () => Promise<string>, needed: readonly string[] = []): void {
    describe(`the image of ${name}`, () => {
        const run = async (script: string) =>
            docker("run", "--rm", "--network=none", "--entrypoint", "bash", await reference(), "-c", script);

        it("has a numeric user that is not root", async () => {
            expect((await inspectImage(await reference())).Config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
        });

        it("has no compiler, package installer or client that the service does not need", async () => {
            const programs = [
                "gcc",
                "cc",
                "make",
                "go",
                "git",
                "curl",
                "wget",
                "pip",
                "pip3",
                "uv",
                "npm",
                "ssh",
                "mc",
                "jq",
            ];
            const others = programs.filter((program) => !needed.includes(program));
            const found = await run(`for p in ${others.join(" ")}; do command -v $p; done; true`);
            expect(found).toBe("");
        });

        it("holds nothing of the host that built it: its own certificates, Debian's own mirror, no proxy", async () => {
            // Debian's bundle is made of the files in its package, and of nothing else.
            const own = "find /usr/share/ca-certificates -name '*.crt' | wc -l";
            const bundle = "grep -c 'BEGIN CERTIFICATE' /etc/ssl/certs/ca-certificates.crt || true";
            const [packaged, bundled] = [await run(own), await run(bundle)];
            expect(Number(bundled)).toBe(Number(packaged));
            expect(
                await run(
                    "grep -rhE '^(URIs:|deb )' /etc/apt/sources.list.d /etc/apt/sources.list 2>/dev/null | sort -u",
                ),
            ).toBe(`URIs: ${publicMirrors.archive}\nURIs: ${publicMirrors.security}`);
            const { Config } = await inspectImage(await reference());
            expect(Config.Env?.filter((line) => /proxy|index_url|goproxy/i.test(line))).toEqual([]);
        });
    });
}
