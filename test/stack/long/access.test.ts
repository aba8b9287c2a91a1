/**
 * The way in: login × transfer × TLS × client version × place, pairwise, on one platform that is brought from one combination to
 * the next; the plain combination (neither login nor TLS, through the server) is that of `generated`.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { issueCertificate, makeAuthority } from "../../../components/certificates.ts";
import { patience, withBrowser } from "../support/browser.ts";
import { Checkout } from "../support/checkout.ts";
import { type Block, clientBlocks, runBlock } from "../support/clientBlocks.ts";
import { bucketKey, container, containersOf, docker } from "../support/engine.ts";
import { ForkServer } from "../support/forkServer.ts";
import { describeImage } from "../support/imageRules.ts";
import { basic, freePorts, initStack } from "../support/platforms.ts";
import { earlierVersions, lastLine, mlflowVersion, packagesForImage, runPython, scripts } from "../support/python.ts";
import { Registry, eventually } from "../support/served.ts";

const { directory, stateHome } = inject("checkout");
const checkout = Checkout.at(directory, stateHome);
const stack = `access-${randomBytes(2).toString("hex")}`;
const [old, recent] = earlierVersions;

/** Name and address by which the platform is called; no DNS knows the name. */
const publicHost = "mlflow.example.test";
const address = "127.0.0.4";

/** Home of a client on this host: scripts write the authority's file there. */
const home = mkdtempSync(join(tmpdir(), "client-"));
let ports: { mlflow: number; s3: number; console: number };
/** The stack's file before any combination. */
let bare: string;

beforeAll(async () => {
    ports = await initStack(checkout, stack);
    await checkout.set(stack, { bindAddress: address });
    bare = checkout.read(`Pulumi.${stack}.yaml`);
});
afterAll(async () => {
    // The stack's network cannot go before them.
    await Promise.all([...containers.values()].map(async (started) => (await started).close()));
    await checkout.ok("delete-data", [stack]);
    rmSync(home, { recursive: true });
});

/** Brings the platform to a combination. */
async function bring(values: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
    writeFileSync(join(checkout.directory, `Pulumi.${stack}.yaml`), bare);
    await checkout.set(stack, values);
    await checkout.ok("start", ["--stack", stack]);
    return checkout.outputs(stack);
}

/** The variables that a shell has after a script, without those it had before. */
async function environmentOf(script: string): Promise<Record<string, string>> {
    const { stdout } = await execa("sh", ["-euc", `${script}\nenv -0`], {
        env: { HOME: home, PATH: process.env.PATH ?? "" },
        extendEnv: false,
    });
    return Object.fromEntries(
        stdout.split("\0").flatMap((entry) => {
            const [name = "", ...rest] = entry.split("=");
            return /^(MLFLOW|REQUESTS)_/.test(name) ? [[name, rest.join("=")]] : [];
        }),
    );
}

/** What a client did. */
interface Transfer {
    readonly version: string;
    readonly runId: string;
    readonly experimentId: string;
    readonly same: boolean;
    /** Server → methods of the requests that went there. */
    readonly origins: Readonly<Record<string, string[]>>;
}

const experiment = () => `transfer ${randomBytes(4).toString("hex")}`;

/** A client on this host. */
function onHost(version: string, env: Record<string, string>): Promise<Transfer> {
    return runPython<Transfer>("transfer.py", [experiment(), `${publicHost}=${address}`], env, version);
}

const containers = new Map<string, Promise<ForkServer>>();

/** A container with a client of that version in the stack's network, which knows nothing but what it is given. */
async function clientContainer(version: string): Promise<ForkServer> {
    const { Config } = await container(stack, "mlflow");
    const packages = version === mlflowVersion ? undefined : await packagesForImage(version);
    return new ForkServer(
        [
            ...[
                "docker",
                "run",
                "--rm",
                "--interactive",
                "--no-healthcheck",
                `--network=mlflow-platform-${stack}-backend`,
            ],
            ...["--entrypoint", packages === undefined ? "/opt/mlflow/bin/python" : "/usr/bin/python3"],
            ...["--volume", `${home}:${home}:ro`, "--volume", `${scripts}:/scripts:ro`],
            ...(packages === undefined
                ? []
                : ["--volume", `${packages}:/packages:ro`, "--env", "PYTHONPATH=/packages"]),
            ...["--env", "MLFLOW_DISABLE_TELEMETRY=true", "--env", "TMPDIR=/tmp", Config.Image],
        ],
        "/scripts",
    );
}

/** A client in such a container. */
async function inContainer(version: string, env: Record<string, string>): Promise<Transfer> {
    const started = containers.get(version) ?? clientContainer(version);
    containers.set(version, started);
    return lastLine(await (await started).run("transfer.py", [experiment()], env)) as Transfer;
}

/** Lets any user read the file of the authority, which containers need. */
async function readableByContainers(): Promise<void> {
    await execa("chmod", ["-R", "a+rX", home]);
}

/** A request by TLS, whatever name it is for. */
async function ask(
    outputs: Record<string, unknown>,
    port: number,
    path: string,
    options: { method?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
    return new Promise((resolve, reject) => {
        const sent = request(
            {
                host: address,
                port,
                path,
                method: options.method ?? "GET",
                ca: String(outputs.caCertificate),
                servername: publicHost,
                headers: { host: `${publicHost}:${port}`, ...options.headers },
                agent: false,
            },
            (response) => {
                let text = "";
                response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
                response.on("end", () => {
                    resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
                });
            },
        );
        sent.on("error", reject).end();
    });
}

/** Opens a run's page, looks at its figure and downloads its note; returns where the note came from. */
async function browse(
    outputs: Record<string, unknown>,
    { experimentId, runId }: Transfer,
    login?: { username: string; password: string },
): Promise<string[]> {
    return withBrowser(
        {
            authority: outputs.caCertificate as string | undefined,
            host: { name: publicHost, address },
        },
        async (browser) => {
            const url = `${String(outputs.trackingUri)}/#/experiments/${experimentId}/runs/${runId}/artifacts`;
            if (login !== undefined) {
                const stranger = await browser.newPage();
                expect((await stranger.goto(url).catch(() => undefined))?.status() ?? 401).toBe(401);
            }
            const context = await browser.newContext({
                acceptDownloads: true,
                ...(login === undefined ? {} : { httpCredentials: login }),
            });
            context.setDefaultTimeout(patience);
            const page = await context.newPage();
            const origins = new Set<string>();
            page.on("request", (sent) => {
                if (new URL(sent.url()).protocol !== "blob:" && sent.url().includes("curve.png")) {
                    origins.add(new URL(sent.url()).origin);
                }
            });
            await page.goto(url);
            await page.getByText("curve.png").first().click();
            const figure = page.locator('img[alt="curve.png"]');
            await figure.waitFor();
            expect(await figure.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(
                640,
            );
            const downloaded = page.waitForEvent("download");
            await page.locator('button[data-component-id*="artifactview"]').first().click();
            const path = await (await downloaded).path();
            expect(readFileSync(path).subarray(1, 4).toString()).toBe("PNG");
            origins.add(new URL((await downloaded).url().replace(/^blob:/, "")).origin);
            return [...origins];
        },
    );
}

describe("login, through the server, TLS by a name", () => {
    let outputs: Record<string, unknown>;
    let person: Record<string, string>;
    let seen: Transfer;
    const url = () => `https://${publicHost}:${ports.mlflow}`;
    beforeAll(async () => {
        outputs = await bring({ mlflowAuth: "true", publicHost });
        person = await environmentOf(await checkout.printed("user", "add", "ana", "--stack", stack));
        await readableByContainers();
    });

    it("one command gave ana all she needs, and the output has all but name and password", async () => {
        const { MLFLOW_TRACKING_PASSWORD: password, ...rest } = person;
        expect(password).toMatch(/^[\w-]{24}$/);
        expect(rest).toEqual({
            MLFLOW_TRACKING_URI: url(),
            MLFLOW_TRACKING_USERNAME: "ana",
            MLFLOW_TRACKING_SERVER_CERT_PATH: join(home, ".mlflow-platform", `${publicHost}-${ports.mlflow}.pem`),
        });
        expect(outputs.clientEnv).toEqual({
            MLFLOW_TRACKING_URI: url(),
            MLFLOW_TRACKING_SERVER_CERT_PATH: "mlflow-platform-ca.pem",
            MLFLOW_PLATFORM_CA: outputs.caCertificate,
        });
        expect(await environmentOf(await checkout.printed("client-env", "--stack", stack))).toEqual({
            MLFLOW_TRACKING_URI: url(),
            MLFLOW_TRACKING_SERVER_CERT_PATH: join(home, ".mlflow-platform", `${publicHost}-${ports.mlflow}.pem`),
        });
    });

    it.concurrent.each([
        [old, onHost],
        [recent, inContainer],
        [mlflowVersion, onHost],
    ] as const)("client %s moves artifacts through the server (%o)", async (version, place) => {
        const found = await place(version, person);
        expect(found).toMatchObject({ version, same: true, origins: { [url()]: ["GET", "POST", "PUT"] } });
        expect(Object.keys(found.origins)).toEqual([url()]);
        // Only this one draws a figure.
        seen = version === mlflowVersion ? found : seen;
    });

    it("MLflow and MinIO are not published themselves", async () => {
        const published = (await containersOf(stack)).flatMap(({ Name, HostConfig }) =>
            Object.values(HostConfig.PortBindings ?? {}).flatMap((list) =>
                (list ?? []).map(({ HostIp, HostPort }) => `${Name} ${HostIp}:${HostPort}`),
            ),
        );
        expect(published.sort()).toEqual(
            [ports.mlflow, ports.s3, ports.console]
                .map((port) => `/mlflow-platform-${stack}-gateway ${address}:${port}`)
                .sort(),
        );
    });

    const [firstBlock, ...otherBlocks] = clientBlocks().map((block) => [block.title, block] as const);
    async function expectBlock(block: Block): Promise<void> {
        const { MLFLOW_TRACKING_USERNAME = "", MLFLOW_TRACKING_PASSWORD = "" } = person;
        // A job has the output, and writes the authority's file itself.
        const env =
            block.language === "sh"
                ? {
                      ...(outputs.clientEnv as Record<string, string>),
                      MLFLOW_TRACKING_USERNAME,
                      MLFLOW_TRACKING_PASSWORD,
                  }
                : person;
        const network = `mlflow-platform-${stack}-backend`;
        expect(await runBlock(block, { env, network, home, address })).toMatch(/^Read back: .+, loss 0\.\d+/m);
    }
    // The first one makes the experiment that all of them share.
    it.each(firstBlock === undefined ? [] : [firstBlock])("docs/clients.md, verbatim: %s", (_, block) =>
        expectBlock(block),
    );
    it.concurrent.each(otherBlocks)("docs/clients.md, verbatim: %s", (_, block) => expectBlock(block));

    // With those: a browser and slow clients mostly wait.
    it.concurrent("a browser signs in, opens a run, sees its figure and downloads it", async () => {
        const login = { username: "ana", password: person.MLFLOW_TRACKING_PASSWORD ?? "" };
        expect(await browse(outputs, seen, login)).toEqual([url()]);
    });

    it.concurrent("no block of docs/clients.md is missed", () => {
        const fences = checkout.read("docs/clients.md").match(/^\s*```/gm) ?? [];
        expect(clientBlocks()).toHaveLength(fences.length / 2);
        expect(new Set(clientBlocks().map(({ language }) => language))).toEqual(new Set(["python", "r", "java", "sh"]));
    });

    it.concurrent(
        "the gateway runs as the documented user with the documented capabilities, read-only and limited",
        async () => {
            const { State, HostConfig, Config } = await container(stack, "gateway");
            const status = readFileSync(`/proc/${State.Pid}/status`, "utf8");
            const field = (key: string) => new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "";
            expect([field("Uid"), BigInt(`0x${field("CapBnd")}`), field("NoNewPrivs")]).toEqual(["1000", 0n, "1"]);
            expect(checkout.read("docs/security.md")).toContain("| `gateway` | 1000 | none |");
            expect([HostConfig.ReadonlyRootfs, HostConfig.Memory, HostConfig.MemorySwap]).toEqual([
                true,
                256 * 2 ** 20,
                256 * 2 ** 20,
            ]);
            expect(Config.Healthcheck?.Test).toEqual(["CMD", "/usr/local/bin/healthy"]);
        },
    );

    it.concurrent("only known names are answered, and only known origins may write", async () => {
        const login = basic("ana", person.MLFLOW_TRACKING_PASSWORD);
        const status = async (headers: Record<string, string>, method = "GET") =>
            (await ask(outputs, ports.mlflow, "/api/2.0/mlflow/experiments/search?max_results=1", { method, headers }))
                .status;
        expect(await status(login)).toBe(200);
        for (const host of ["127.0.0.1", "localhost", address].map((name) => `${name}:${ports.mlflow}`)) {
            expect([host, await status({ ...login, host })]).toEqual([host, 200]);
        }
        expect(await status({ ...login, host: "evil.example.com" })).toBe(403);
        expect(await status({ ...login, origin: "https://evil.example.com" }, "POST")).toBe(403);
        expect(await status({ ...login, origin: url() }, "POST")).not.toBe(403);
    });

    it.concurrent("tells browsers to keep to https, and says nothing of what it is made of", async () => {
        const { status, headers } = await ask(outputs, ports.mlflow, "/health");
        expect(status).toBe(200);
        expect(headers["strict-transport-security"]).toBe("max-age=31536000");
        expect(headers["x-content-type-options"]).toBe("nosniff");
        expect(headers["x-frame-options"]).toBe("SAMEORIGIN");
        expect(headers["referrer-policy"]).toBeDefined();
        expect(headers.server).not.toBe("Caddy");
        expect(headers.via).toBeUndefined();
    });

    it.concurrent("speaks HTTP/2, and sends plain HTTP on", async () => {
        const protocol = await new Promise((resolve, reject) => {
            const socket = connectTls(
                {
                    host: address,
                    port: ports.mlflow,
                    servername: publicHost,
                    ca: String(outputs.caCertificate),
                    ALPNProtocols: ["h2", "http/1.1"],
                },
                () => {
                    resolve(socket.alpnProtocol);
                    socket.destroy();
                },
            ).on("error", reject);
        });
        expect(protocol).toBe("h2");
        const plain = await fetch(`http://${address}:${ports.mlflow}/health`, { redirect: "manual" });
        expect(plain.status).toBeGreaterThanOrEqual(301);
        expect(plain.headers.get("location")).toBe(`https://${address}:${ports.mlflow}/health`);
    });

    it.concurrent(
        "a 10 MB header gets an error, slow clients do not keep others waiting, and are sent away",
        async () => {
            const large = await ask(outputs, ports.mlflow, "/health", {
                headers: { "x-large": "a".repeat(10_000_000) },
            })
                .then(({ status }) => status)
                .catch((error: unknown) => (error as NodeJS.ErrnoException).code);
            expect([431, "EPIPE", "ECONNRESET"]).toContain(large);

            const slow = Array.from({ length: 60 }, () => {
                const socket = connectTls({
                    host: address,
                    port: ports.mlflow,
                    servername: publicHost,
                    ca: String(outputs.caCertificate),
                });
                socket.on("secureConnect", () => socket.write("GET /health HTTP/1.1\r\nHost: "));
                return new Promise<void>((resolve) => {
                    socket
                        .on("close", resolve)
                        .on("error", () => undefined)
                        .resume();
                });
            });
            expect((await ask(outputs, ports.mlflow, "/health")).status).toBe(200);
            await Promise.all(slow);
        },
    );

    it.concurrent(
        "S3 keeps its signatures on the way through, whatever a key looks like; strangers and old URLs are refused",
        async () => {
            const answers = lastLine(
                await docker(
                    "run",
                    "--rm",
                    `--network=mlflow-platform-${stack}-backend`,
                    ...["--entrypoint", "/opt/mlflow/bin/python"],
                    ...["--volume", `${home}:${home}:ro`, "--volume", `${scripts}:/scripts:ro`],
                    ...["AWS_CA_BUNDLE", "SSL_CERT_FILE"].flatMap((name) => [
                        "--env",
                        `${name}=${person.MLFLOW_TRACKING_SERVER_CERT_PATH ?? ""}`,
                    ]),
                    ...["--volume", `mlflow-platform-${stack}-mlflow-secrets:/secrets:ro`, "--user", "1000:1000"],
                    ...["--env", "AWS_SHARED_CREDENTIALS_FILE=/secrets/aws_credentials"],
                    (await container(stack, "mlflow")).Config.Image,
                    "/scripts/s3_through_gateway.py",
                    String(outputs.minioEndpoint),
                    String(outputs.bucketName),
                ),
            );
            expect(answers).toEqual({
                keys: true,
                parts: true,
                empty: true,
                presigned: 200,
                tampered: 403,
                expired: 403,
                otherBucket: 403,
                anonymous: 403,
            });
        },
    );

    it.concurrent("MinIO's console: the bucket's key signs in and sees its bucket", async () => {
        const { id, secret } = await bucketKey(stack);
        await withBrowser(
            { authority: String(outputs.caCertificate), host: { name: publicHost, address } },
            async (browser) => {
                const page = await browser.newPage();
                page.setDefaultTimeout(patience);
                await page.goto(String(outputs.minioConsoleUrl));
                await page.locator("#accessKey").fill(id);
                await page.locator("#secretKey").fill(secret);
                await page.locator("#do-login").click();
                await page.getByText("mlflow", { exact: true }).first().waitFor();
            },
        );
    });

    describeImage("gateway", async () => (await container(stack, "gateway")).Image);

    it("a certificate by ACME is got before the update ends", async () => {
        const name = `mlflow-platform-test-${stack}-acme`;
        const { Image } = await container(stack, "gateway");
        const network = `mlflow-platform-${stack}-backend`;
        const authority = await makeAuthority("acme", new Date());
        const server = await issueCertificate(authority, ["acme.example.test"], new Date());
        const directory = join(home, "acme");
        mkdirSync(directory);
        const configuration = {
            admin: { disabled: true },
            apps: {
                http: {
                    servers: {
                        acme: {
                            listen: [":443"],
                            tls_connection_policies: [{}],
                            automatic_https: { disable: true },
                            routes: [{ handle: [{ handler: "acme_server", ca: "local" }] }],
                        },
                    },
                },
                tls: { certificates: { load_files: [{ certificate: "/acme/cert.pem", key: "/acme/key.pem" }] } },
                pki: { certificate_authorities: { local: { install_trust: false } } },
            },
        };
        for (const [file, content] of Object.entries({
            "caddy.json": JSON.stringify(configuration),
            "cert.pem": server.certificate,
            "key.pem": server.privateKey,
        })) {
            writeFileSync(join(directory, file), content);
        }
        await readableByContainers();
        await docker(
            ...["run", "--detach", "--name", name, "--network", network, "--network-alias", "acme.example.test"],
            ...["--volume", `${directory}:/acme:ro`, "--tmpfs", "/data:uid=1000", "--entrypoint", "caddy"],
            ...[Image, "run", "--config", "/acme/caddy.json"],
        );
        try {
            writeFileSync(join(checkout.directory, "acme-ca.pem"), authority.certificate);
            writeFileSync(join(checkout.directory, `Pulumi.${stack}.yaml`), bare);
            await checkout.set(stack, {
                mlflowAuth: "true",
                publicHost,
                gatewayHttpPort: "80",
                tlsEmail: "it@example.test",
                tlsAcmeDirectory: "https://acme.example.test/acme/local/directory",
                tlsAcmeCaFile: "acme-ca.pem",
            });
            await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
            const issuer = await new Promise<string>((resolve, reject) => {
                const socket = connectTls(
                    { host: address, port: ports.mlflow, servername: publicHost, rejectUnauthorized: false },
                    () => {
                        const { issuer: found, subjectaltname } = socket.getPeerCertificate();
                        socket.destroy();
                        resolve(`${String(found.CN)} ${subjectaltname ?? ""}`);
                    },
                ).on("error", reject);
            });
            expect(issuer).toMatch(/^Caddy Local Authority.* DNS:mlflow\.example\.test$/);
            const redirected = await fetch(`http://${address}:80/some/where?x=1`, {
                redirect: "manual",
                headers: { host: "evil.example.com" },
            });
            expect(redirected.headers.get("location")).toBe(`https://${publicHost}:${ports.mlflow}/some/where?x=1`);
        } finally {
            await docker("rm", "--force", "--volumes", name);
        }
    });
});

describe("no login, by signed URLs, TLS by an address", () => {
    let outputs: Record<string, unknown>;
    let env: Record<string, string>;
    let seen: Transfer;
    const url = () => `https://${address}:${ports.mlflow}`;
    const s3 = () => `https://${address}:${ports.s3}`;
    let modelPort: number;
    // The key as one piece of JSON, which is the same as by --path.
    const modelServers = (tokenVersion: number) =>
        JSON.stringify([{ name: "doubled", port: modelPort, aliasPollSeconds: 1, requestSize: 1, tokenVersion }]);
    let token: string;
    let registry: Registry;
    beforeAll(async () => {
        [modelPort = 0] = await freePorts(1);
        outputs = await bring({ artifactTransfer: "presigned", publicHost: address, modelServers: modelServers(1) });
        token = (outputs.modelServerTokens as Record<string, string>).doubled ?? "";
        registry = new Registry(stack, url(), String(outputs.modelImage), { username: "nobody", password: "" });
        env = await environmentOf(await checkout.printed("client-env", "--stack", stack));
    });
    afterAll(async () => {
        await registry.close();
    });

    /** A request by TLS to the address itself. */
    const askAddress = (port: number, path: string, authorization?: string, body?: string) =>
        new Promise<{ status: number; text: string; version: unknown }>((resolve, reject) => {
            const headers = {
                "content-type": "application/json",
                ...(authorization === undefined ? {} : { authorization }),
            };
            const sent = request(
                `https://${address}:${port}${path}`,
                { method: body === undefined ? "GET" : "POST", headers, ca: String(outputs.caCertificate) },
                (response) => {
                    let text = "";
                    response.on("data", (data: Buffer) => (text += data.toString()));
                    response.on("end", () => {
                        const version = response.headers["x-model-version"];
                        resolve({ status: response.statusCode ?? 0, text, version });
                    });
                },
            ).on("error", reject);
            sent.end(body);
        });

    it("what clients need says so", () => {
        expect(outputs.adminPassword).toBeUndefined();
        expect(outputs.clientEnv).toEqual({
            MLFLOW_TRACKING_URI: url(),
            MLFLOW_TRACKING_SERVER_CERT_PATH: "mlflow-platform-ca.pem",
            REQUESTS_CA_BUNDLE: "mlflow-platform-ca.pem",
            MLFLOW_PLATFORM_CA: outputs.caCertificate,
        });
    });

    it.concurrent("the image's client on the host moves bytes straight to the store and back, in parts", async () => {
        seen = await onHost(mlflowVersion, env);
        expect(seen).toMatchObject({ same: true, origins: { [s3()]: ["GET", "PUT"] } });
        expect(Object.keys(seen.origins).sort()).toEqual([url(), s3()].sort());
    });

    it.concurrent("in a container of the network it does so by the store's own name there", async () => {
        const inside = { MLFLOW_TRACKING_URI: "http://mlflow:5000" };
        const { same, origins } = await inContainer(mlflowVersion, inside);
        expect(same).toBe(true);
        expect(origins).toMatchObject({ "http://minio:9000": ["GET", "PUT"] });
    });

    it.concurrent.each([
        [recent, onHost],
        [old, inContainer],
    ] as const)("client %s goes through the server, as it always did (%o)", async (version, place) => {
        const given = place === onHost ? env : { MLFLOW_TRACKING_URI: "http://mlflow:5000" };
        const { same, origins } = await place(version, given);
        expect(same).toBe(true);
        expect(Object.keys(origins)).toEqual([given.MLFLOW_TRACKING_URI]);
    });

    it.concurrent("a served model is asked by TLS with its bearer token, and by nobody without", async () => {
        expect(outputs.modelServerUrls).toEqual({ doubled: `https://${address}:${modelPort}` });
        expect(token).toMatch(/^[\w-]{43}$/);
        expect(await registry.log("good", "doubled", "2")).toBe("1");
        const alias = JSON.stringify({ name: "doubled", alias: "production", version: "1" });
        const promoted = await askAddress(ports.mlflow, "/api/2.0/mlflow/registered-models/alias", undefined, alias);
        expect(promoted.status).toBe(200);
        const ask = (...request: [path: string, authorization?: string, body?: string]) =>
            askAddress(modelPort, ...request);
        await eventually(
            async () => JSON.parse((await ask("/status", `Bearer ${token}`)).text) as { state: string },
            ({ state }) => state === "serving",
        );
        const body = JSON.stringify({ dataframe_split: { columns: ["x"], data: [[1], [3]] } });
        expect(await ask("/invocations", `Bearer ${token}`, body)).toEqual({
            status: 200,
            text: '{"predictions": [2.0, 6.0]}',
            version: "1",
        });
        for (const wrong of [undefined, "Bearer", `Bearer ${token}x`, `Basic ${token}`, token, "Bearer {env.PATH}"]) {
            expect((await ask("/invocations", wrong, body)).status).toBe(401);
            expect((await ask("/status", wrong)).status).toBe(401);
        }
        // The model itself is not told the token.
        const { Config } = await container(stack, "model-doubled");
        expect(Config.Env?.join("\n")).not.toContain(token);
        const files = await docker(
            "exec",
            `mlflow-platform-${stack}-model-doubled`,
            "sh",
            "-c",
            "cat /run/secrets/*/*",
        );
        expect(files).not.toContain(token);
        expect((await container(stack, "model-doubled")).HostConfig.PortBindings ?? {}).toEqual({});
    });

    it("a browser sees a figure and downloads it", async () => {
        const origins = await browse(outputs, seen);
        expect(origins).toContain(url());
    });

    it("another token and a given certificate with its key are what clients see after the next update", async () => {
        const authority = await makeAuthority("somebody's", new Date());
        const { certificate, privateKey } = await issueCertificate(authority, [publicHost], new Date());
        writeFileSync(join(checkout.directory, "given.pem"), `${certificate}${authority.certificate}`);
        writeFileSync(join(checkout.directory, `Pulumi.${stack}.yaml`), bare);
        await checkout.set(stack, {
            publicHost,
            tlsCertificateFile: "given.pem",
            tlsPrivateKey: privateKey,
            modelServers: modelServers(2),
        });
        await checkout.pulumi(stack, "up", "--yes", "--skip-preview");
        const now = await checkout.outputs(stack);
        expect(now.caCertificate).toBeUndefined();
        expect(now.clientEnv).toEqual({ MLFLOW_TRACKING_URI: `https://${publicHost}:${ports.mlflow}` });
        const trusting = { caCertificate: authority.certificate };
        expect((await ask(trusting, ports.mlflow, "/health")).status).toBe(200);
        expect((await ask(trusting, ports.s3, "/minio/health/live")).status).toBe(200);
        const another = (now.modelServerTokens as Record<string, string>).doubled ?? "";
        const status = async (bearer: string) =>
            (await ask(trusting, modelPort, "/status", { headers: { authorization: `Bearer ${bearer}` } })).status;
        expect([await status(token), await status(another)]).toEqual([401, 200]);
    });
});

describe("login, by signed URLs, no gateway, and MinIO itself by TLS", () => {
    let outputs: Record<string, unknown>;
    let person: Record<string, string>;
    beforeAll(async () => {
        outputs = await bring({ mlflowAuth: "true", artifactTransfer: "presigned", minioStorageUseHttps: "true" });
        person = await environmentOf(await checkout.printed("user", "reset", "ana", "--stack", stack));
        await readableByContainers();
    });

    it("ana, who was added before, gets another password; S3 is by https, and so it is between MLflow and MinIO", async () => {
        expect(person.MLFLOW_TRACKING_URI).toBe(`http://${address}:${ports.mlflow}`);
        expect(person.MLFLOW_TRACKING_SERVER_CERT_PATH).toBeUndefined();
        expect(outputs.minioEndpoint).toBe(`https://${address}:${ports.s3}`);
        const { Config } = await container(stack, "mlflow");
        expect(Config.Env).toContain("MLFLOW_S3_ENDPOINT_URL=https://minio:9000");
        await expect(fetch(`http://${address}:${ports.s3}/minio/health/live`)).resolves.toMatchObject({ status: 400 });
    });

    it.concurrent.each([
        [mlflowVersion, onHost, true],
        [mlflowVersion, inContainer, true],
        [recent, inContainer, false],
        [old, onHost, false],
    ] as const)("client %s (%o) moves its artifacts", async (version, place, straight) => {
        const env = place === onHost ? person : { ...person, MLFLOW_TRACKING_URI: "http://mlflow:5000" };
        const { same, origins } = await place(version, env);
        expect(same).toBe(true);
        const store = place === onHost ? `https://${address}:${ports.s3}` : "https://minio:9000";
        expect(Object.keys(origins).includes(store)).toBe(straight);
    });

    it.concurrent("the console, by TLS, lets the bucket's key in", async () => {
        const { id, secret } = await bucketKey(stack);
        const body = JSON.stringify({ accessKey: id, secretKey: secret });
        const status = await new Promise((resolve, reject) => {
            const sent = request(
                {
                    host: address,
                    port: ports.console,
                    path: "/api/v1/login",
                    method: "POST",
                    ca: String(outputs.caCertificate),
                    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
                    agent: false,
                },
                (response) => {
                    resolve(response.resume().statusCode);
                },
            );
            sent.on("error", reject).end(body);
        });
        expect(status).toBe(204);
    });
});

describe("exposed means protected", () => {
    beforeAll(() => {
        writeFileSync(join(checkout.directory, `Pulumi.${stack}.yaml`), bare);
    });
    // Neither login nor TLS is a row of refusals.test.ts; every combination is one of config.test.ts.
    it("a login without TLS is refused", async () => {
        await checkout.configured(stack, { bindAddress: "0.0.0.0", mlflowAuth: "true" }, async () => {
            const { code, output } = await checkout.cli(stack, ["preview"]);
            expect(code).not.toBe(0);
            expect(output).toContain("set TLS (publicHost), or 127.0.0.1");
        });
    });

    const allowed: Record<string, string>[] = [{ mlflowAuth: "true", publicHost }, { allowInsecureExposure: "true" }];
    it.concurrent.each(allowed)("%o is planned", async (values) => {
        expect(await checkout.plan(stack, { bindAddress: "0.0.0.0", ...values })).toHaveProperty("Container mlflow");
    });
});

it("a port that is not TLS answers nothing to strangers: the engine's other addresses have none of it", async () => {
    const reached = await new Promise((resolve) => {
        const socket = connectTcp({ host: "127.0.0.5", port: ports.mlflow }, () => {
            socket.destroy();
            resolve("reached");
        }).on("error", () => {
            resolve("refused");
        });
    });
    expect(reached).toBe("refused");
});
