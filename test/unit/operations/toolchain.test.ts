/** Fetching Pulumi's CLI and plugins, from a stand-in for get.pulumi.com behind a proxy. */
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { issueCertificate, makeAuthority } from "../../../components/certificates.ts";
import { type ToolchainPlan, installToolchain, planToolchain } from "../../../operations/toolchain.ts";
import { cliRoot } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";
import { type Served, serve } from "../support/servers.ts";

// Each starts Node.js, beside whatever else runs on the machine.
vi.setConfig({ testTimeout: 60_000 });

const checkout = join(import.meta.dirname, "../../..");
const { "@pulumi/pulumi": release, "@pulumi/docker": docker } = JSON.parse(
    readFileSync(join(checkout, "toolchain/versions.json"), "utf8"),
) as Record<string, string>;

/** As Pulumi's own script calls it and lays it out: a CLI that answers with its version, and installs a plugin. */
const script = `#!/bin/sh
set -e
[ "$1 $2 $4" = "--no-edit-path --install-root --version" ]
mkdir -p "$3/bin"
touch "$(mktemp)"
cat >"$3/bin/pulumi" <<'END'
#!/bin/sh
case "$*" in
version) echo "v${release ?? ""}" ;;
"plugin install resource docker ${docker ?? ""}")
    mkdir -p "$PULUMI_HOME/plugins/resource-docker-v$5"
    echo "by $0" >"$PULUMI_HOME/plugins/resource-docker-v$5/pulumi-resource-docker" ;;
*) exit 1 ;;
esac
END
chmod +x "$3/bin/pulumi"
echo "$5" >"$3/bin/pulumi-language-nodejs"
`;

let commands: Commands;
let site: Served;
/** Hosts that the proxy was asked for. */
const reached: string[] = [];
const proxy = createServer();
let answer: { status?: number; body: string };
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
    commands = new Commands();
    const authority = await makeAuthority("Stand-in", new Date());
    site = await serve(() => answer, await issueCertificate(authority, ["get.pulumi.com"], new Date()));
    proxy.on("connect", ({ url }, client) => {
        reached.push(url ?? "");
        const server = connect(site.port, "127.0.0.1", () => {
            client.write("HTTP/1.1 200 OK\r\n\r\n");
            server.pipe(client).pipe(server);
        });
        server.on("error", () => client.destroy());
        client.on("error", () => server.destroy());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const bundle = join(commands.directory, "authority.pem");
    writeFileSync(bundle, authority.certificate);
    env = {
        PATH: process.env.PATH,
        HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
        NODE_EXTRA_CA_CERTS: bundle,
    };
});
afterAll(async () => {
    await site.close();
    proxy.closeAllConnections();
    proxy.close();
    commands.remove();
});

const cli = `the Pulumi CLI ${release ?? ""}`;
const plan = (...missing: string[]): ToolchainPlan => ({
    source: "official",
    reason: "asked for",
    ready: false,
    missing,
});

describe("fetching the CLI", () => {
    let pulumiHome: string;
    let said: string[];
    beforeEach(() => {
        pulumiHome = commands.places.pulumiHome;
        said = [];
        reached.length = 0;
        site.asked.length = 0;
        answer = { body: script };
    });
    const install = (missing: readonly string[], signal?: AbortSignal) =>
        installToolchain(plan(...missing), {
            projectDir: checkout,
            pulumiHome,
            env,
            say: (words) => said.push(words),
            ...(signal === undefined ? {} : { signal }),
        });
    const kept = () => readdirSync(join(pulumiHome, "versions", release ?? "", "bin")).sort();

    it("leaves nothing behind where the script fails, and says what that said", async () => {
        answer = { body: `${script}echo "no room" >&2\nexit 3\n` };
        await expect(install([cli])).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: expect.stringMatching(/^fetching the Pulumi CLI \S+ failed: [^]*no room/) as unknown,
                cure: expect.stringContaining(
                    "Check that this machine reaches get.pulumi.com and github.com",
                ) as unknown,
            }),
        );
        expect(readdirSync(pulumiHome)).toEqual([]);
    });

    it("leaves nothing behind where the script is not to be had, and says so", async () => {
        answer = { status: 503, body: "" };
        await expect(install([cli])).rejects.toThrow(
            /failed: Failed to download https:\/\/get\.pulumi\.com\/install\.sh: 503 /,
        );
        expect(readdirSync(pulumiHome)).toEqual([]);
    });

    it("ends the script where it is interrupted, and leaves nothing behind", async () => {
        const mark = join(commands.directory, "pid");
        answer = { body: `${script}echo $$ >'${mark}'\nwhile :; do sleep 0.1; done\n` };
        const interruption = new AbortController();
        const installed = install([cli], interruption.signal);
        installed.catch(() => undefined);
        await vi.waitFor(() => {
            expect(readFileSync(mark, "utf8")).toMatch(/\n$/);
        }, 60_000);
        expect(readdirSync(pulumiHome)).toEqual([expect.stringMatching(/^download-/)]);
        interruption.abort();
        await expect(installed).rejects.toThrow();
        expect(readdirSync(pulumiHome)).toEqual([]);
        const shell = Number(readFileSync(mark, "utf8"));
        await vi.waitFor(() => {
            expect(() => process.kill(shell, 0)).toThrow("ESRCH");
        }, 10_000);
    });

    it("puts the script's directory in the place of an earlier one, by the proxy and with the CA of the environment", async () => {
        mkdirSync(join(pulumiHome, "versions", release ?? "", "bin"), { recursive: true });
        writeFileSync(join(pulumiHome, "versions", release ?? "", "bin", "earlier"), "");
        await install([cli, "its Node.js language host", `the docker provider ${docker ?? ""}`]);
        expect(cliRoot(commands.places)).toBe(join(pulumiHome, "versions", release ?? ""));
        expect(kept()).toEqual(["pulumi", "pulumi-language-nodejs"]);
        expect(readFileSync(join(cliRoot(commands.places), "bin/pulumi-language-nodejs"), "utf8")).toBe(
            `${release ?? ""}\n`,
        );
        expect(
            readFileSync(join(pulumiHome, `plugins/resource-docker-v${docker ?? ""}/pulumi-resource-docker`), "utf8"),
        ).toBe(`by ${join(cliRoot(commands.places), "bin/pulumi")}\n`);
        expect(readdirSync(pulumiHome).sort()).toEqual(["plugins", "versions"]);
        expect(reached).toEqual(["get.pulumi.com:443"]);
        expect(site.asked.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /install.sh"]);
        expect(said).toEqual([
            `fetching the Pulumi CLI ${release ?? ""} (about a minute)`,
            `fetching the docker provider ${docker ?? ""} (about a minute)`,
        ]);
    });
});

describe("the choice", () => {
    it("goes by the hosts that the script and the CLI fetch from, each named once", async () => {
        reached.length = 0;
        vi.stubEnv("HTTPS_PROXY", env.HTTPS_PROXY);
        vi.stubEnv("https_proxy", undefined);
        vi.stubEnv("NO_PROXY", undefined);
        vi.stubEnv("no_proxy", undefined);
        const home = join(commands.directory, "nowhere");
        const { source, reason, ready } = await planToolchain({ pulumiHome: home, env }).finally(() => {
            vi.unstubAllEnvs();
        });
        // Nobody trusts the stand-in here.
        expect({ source, ready }).toEqual({ source: "modules", ready: false });
        expect(reason).toMatch(/^no official downloads here \(get\.pulumi\.com: \w+, github\.com: \w+\)$/);
        expect(reached.sort()).toEqual(["get.pulumi.com:443", "github.com:443", "github.com:443"]);
        expect(existsSync(home)).toBe(false);
    });
});
