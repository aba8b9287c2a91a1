/** Pulumi's CLI, its Node.js language host and the provider plugins: downloaded, or built from Go modules. */
import { constants, existsSync, readFileSync } from "node:fs";
import { access, mkdir, mkdtemp, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { stopIfInterrupted } from "./interruption.ts";
import type { Say } from "./progress.ts";
import { ask } from "./reachability.ts";
import { UserError } from "./userError.ts";

/** `official`: what Pulumi publishes. `modules`: built from ordinary Go modules, see toolchain/README.md. */
export type ToolchainSource = "official" | "modules";

/** Where the tools come from, and what is still to be had. */
export interface ToolchainPlan {
    readonly source: ToolchainSource;
    /** Why that source, in words that can follow a colon. */
    readonly reason: string;
    /** Whether everything is in place. */
    readonly ready: boolean;
    /** What would be fetched or built. */
    readonly missing: readonly string[];
}

type Package = "@pulumi/pulumi" | "@pulumi/docker" | "@pulumi/random";
type Versions = Readonly<Record<Package, string>>;

/** Something that Pulumi needs to run this project. */
interface Tool {
    readonly name: string;
    /** Where Pulumi looks for it, below its home. */
    readonly file: string;
    /** Arguments of `pulumi plugin install`; the rest comes with the CLI. */
    readonly plugin?: readonly string[];
    /** How Go makes the file, after what it needs beside it. */
    readonly builds: readonly Build[];
    readonly cost: Cost;
}

interface Build {
    readonly file: string;
    /** Directory below toolchain/. */
    readonly module: string;
    readonly package: string;
    readonly flags: readonly string[];
}

/** What building takes with empty Go caches, on two cores that do nothing else. Disk in MB. */
interface Cost {
    readonly seconds: number;
    readonly moduleCache: number;
    readonly buildCache: number;
    readonly file: number;
}

/** What Go keeps in its temporary directory while it builds the largest of them, MB. */
const temporaryFiles = 1600;

const suffix = process.platform === "win32" ? ".exe" : "";

/** Lies beside what was built here, and says so. */
const builtMark = "built-from-go-modules";

function toolsOf(versions: Versions): Tool[] {
    const release = versions["@pulumi/pulumi"];
    const bin = join("versions", release, "bin");
    const languageHost = join(bin, `pulumi-language-nodejs${suffix}`);
    const cli = join(bin, `pulumi${suffix}`);
    const versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
    const provider = (kind: "docker" | "random", cost: Cost): Tool => {
        const version = versions[`@pulumi/${kind}`];
        const name = `pulumi-resource-${kind}`;
        const file = join("plugins", `resource-${kind}-v${version}`, name + suffix);
        return {
            name: `the ${kind} provider ${version}`,
            file,
            plugin: ["resource", kind, version],
            builds: [
                {
                    file,
                    module: "providers",
                    package: `./${name}`,
                    flags: ["-tags=no_compose", `-ldflags=-s -w -X main.version=${version}`],
                },
            ],
            cost,
        };
    };
    return [
        {
            name: `the Pulumi CLI ${release}`,
            file: cli,
            builds: [
                {
                    file: cli,
                    module: "cli",
                    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
                    flags: ["-tags=osusergo,grpcnotrace", `-ldflags=-s -w -X ${versionVariable}=v${release}`],
                },
            ],
            cost: { seconds: 200, moduleCache: 1400, buildCache: 1700, file: 115 },
        },
        {
            name: "its Node.js language host",
            file: languageHost,
            builds: [
                {
                    file: join(bin, `nodejs-language-host${suffix}`),
                    module: "language-nodejs",
                    package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
                    flags: ["-ldflags=-s -w"],
                },
                { file: languageHost, module: "language-nodejs", package: ".", flags: ["-ldflags=-s -w"] },
            ],
            cost: { seconds: 20, moduleCache: 400, buildCache: 110, file: 21 },
        },
        provider("random", { seconds: 130, moduleCache: 1000, buildCache: 950, file: 69 }),
        provider("docker", { seconds: 80, moduleCache: 210, buildCache: 570, file: 84 }),
    ];
}

/** Versions of the installed npm packages: the SDK, which is the CLI's as well, and the plugins asked for. */
function installedVersions(): Versions {
    const require = createRequire(import.meta.url);
    const version = (name: Package) => (require(`${name}/package.json`) as { version: string }).version;
    return {
        "@pulumi/pulumi": version("@pulumi/pulumi"),
        "@pulumi/docker": version("@pulumi/docker"),
        "@pulumi/random": version("@pulumi/random"),
    };
}

/** Where an installed tool came from; undefined if it is not there. */
async function sourceOf(tool: Tool, pulumiHome: string): Promise<ToolchainSource | undefined> {
    const file = join(pulumiHome, tool.file);
    // Pulumi keeps this file while it installs a plugin.
    if (existsSync(`${dirname(file)}.partial`)) {
        return undefined;
    }
    try {
        await access(file, constants.X_OK);
    } catch {
        return undefined;
    }
    return existsSync(join(dirname(file), builtMark)) ? "modules" : "official";
}

/** Decides quickly and without changing anything. `forced` comes from the user. */
export async function planToolchain(opts: {
    pulumiHome: string;
    forced?: ToolchainSource;
    env: NodeJS.ProcessEnv;
}): Promise<ToolchainPlan> {
    const { pulumiHome, forced } = opts;
    const versions = installedVersions();
    const tools = toolsOf(versions);
    const sources = await Promise.all(tools.map((tool) => sourceOf(tool, pulumiHome)));
    const missing = tools
        .filter((_tool, index) => sources[index] === undefined || (forced ?? sources[index]) !== sources[index])
        .map(({ name }) => name);
    if (missing.length === 0) {
        const source = sources.includes("modules") ? "modules" : "official";
        return { source, reason: `everything is in ${pulumiHome}`, ready: true, missing };
    }
    if (forced !== undefined) {
        return { source: forced, reason: "asked for", ready: false, missing };
    }
    const silent = (await Promise.all(downloadsOf(versions).map(obstacle))).filter((reason) => reason !== undefined);
    const silence = [...new Set(silent)].join(", ");
    return silent.length === 0
        ? { source: "official", reason: "Pulumi's downloads answer", ready: false, missing }
        : { source: "modules", reason: `no official downloads here (${silence})`, ready: false, missing };
}

/**
 * What `PulumiCommand.install` asks for (automation/cmd.js in the SDK), what that script does, and what the CLI does for a
 * plugin.
 */
function downloadsOf(versions: Versions): URL[] {
    const [cli, docker] = [`v${versions["@pulumi/pulumi"]}`, `v${versions["@pulumi/docker"]}`];
    const { platform, arch } = process;
    const plugin = `pulumi-resource-docker-${docker}-${platform}-${arch === "x64" ? "amd64" : arch}.tar.gz`;
    const releases = (repository: string) => `https://github.com/pulumi/${repository}/releases/download`;
    return [
        new URL("https://get.pulumi.com/install.sh"),
        new URL(`${releases("pulumi")}/${cli}/pulumi-${cli}-${platform}-${arch}.tar.gz`),
        new URL(`${releases("pulumi-docker")}/${docker}/${plugin}`),
    ];
}

/** Why nothing can be fetched from there; undefined if something can. */
async function obstacle(url: URL): Promise<string | undefined> {
    const answer = await ask(url);
    if ("silence" in answer) {
        return `${url.host}: ${answer.silence}`;
    }
    return answer.status >= 200 && answer.status < 300 ? undefined : `${url.host}: HTTP ${answer.status}`;
}

interface Installation {
    readonly projectDir: string;
    readonly pulumiHome: string;
    readonly env: NodeJS.ProcessEnv;
    readonly say: Say;
    readonly signal?: AbortSignal;
}

/**
 * Makes the plan true. Each tool is made beside its place and renamed into it, so an interruption leaves nothing half
 * done, a second run goes on where the first one ended, and two at once only do the same work twice.
 */
export async function installToolchain(plan: ToolchainPlan, opts: Installation): Promise<void> {
    const versions = installedVersions();
    const needed: Tool[] = [];
    for (const tool of toolsOf(versions)) {
        if (plan.missing.includes(tool.name) && (await sourceOf(tool, opts.pulumiHome)) !== plan.source) {
            needed.push(tool);
        }
    }
    if (needed.length === 0) {
        return;
    }
    await mkdir(opts.pulumiHome, { recursive: true });
    if (plan.source === "official") {
        await download(needed, versions, opts);
    } else {
        await build(needed, versions, plan.reason, opts);
    }
}

async function download(tools: readonly Tool[], versions: Versions, opts: Installation): Promise<void> {
    const { pulumiHome } = opts;
    const release = join(pulumiHome, "versions", versions["@pulumi/pulumi"]);
    const cure =
        "Check that this machine reaches get.pulumi.com and github.com, then run this again.\n" +
        "Where it cannot, everything can be built from Go modules: toolchain/README.md.";
    if (tools.some(({ plugin }) => plugin === undefined)) {
        const home = await mkdtemp(join(pulumiHome, "download-"));
        const what = `fetching the Pulumi CLI ${versions["@pulumi/pulumi"]}`;
        const installCli = join(import.meta.dirname, "installCli.ts");
        try {
            await run(what, "about a minute", opts, cure, process.execPath, [installCli, join(home, "cli")], {
                // The script's temporary files are among what is removed, and Node.js goes by the proxy that curl goes by.
                env: { PULUMI_HOME: home, TMPDIR: home, NODE_USE_ENV_PROXY: "1" },
            });
            await replaceDirectory(join(home, "cli"), release);
        } finally {
            // What an interruption ended may still be writing.
            await rm(home, { recursive: true, force: true, maxRetries: 5 });
        }
    }
    for (const { name, file, plugin } of tools) {
        if (plugin !== undefined) {
            await rm(join(pulumiHome, dirname(file)), { recursive: true, force: true });
            const cli = join(release, "bin", `pulumi${suffix}`);
            await run(`fetching ${name}`, "about a minute", opts, cure, cli, ["plugin", "install", ...plugin], {
                env: { PULUMI_HOME: pulumiHome },
            });
        }
    }
}

/** Puts a directory in the place of another one, or of none. */
async function replaceDirectory(from: string, to: string): Promise<void> {
    await mkdir(dirname(to), { recursive: true });
    await rm(to, { recursive: true, force: true });
    await rename(from, to);
}

async function build(tools: readonly Tool[], versions: Versions, reason: string, opts: Installation): Promise<void> {
    const { projectDir, pulumiHome, say } = opts;
    const sources = join(projectDir, "toolchain");
    checkPins(sources, versions);
    const go = await findGo(sources, reason, opts);
    await checkDisk(tools, pulumiHome, go);
    const total = tools.reduce((sum, { cost }) => sum + cost.seconds, 0);
    const disk = tools.reduce((sum, { cost }) => sum + cost.moduleCache + cost.buildCache + cost.file, temporaryFiles);
    say(
        `building ${tools.map(({ name }) => name).join(", ")} from Go modules: ` +
            `${typically(total)}, up to ${(disk / 1000).toFixed(1)} GB of disk`,
    );
    // Go leaves its temporary files behind when a signal ends it.
    const temporary = await mkdtemp(join(go.temporary, "mlflow-platform-go-"));
    try {
        for (const tool of tools) {
            for (const step of tool.builds) {
                await buildFile(tool, step, sources, temporary, opts);
            }
        }
    } finally {
        await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
    }
}

async function buildFile(tool: Tool, step: Build, sources: string, temporary: string, opts: Installation) {
    const file = join(opts.pulumiHome, step.file);
    const partial = `${file}.partial-${process.pid}`;
    await mkdir(dirname(file), { recursive: true });
    try {
        await run(
            `building ${tool.name} from Go modules`,
            typically(tool.cost.seconds),
            opts,
            "Check that go reaches its module proxy (go env GOPROXY GOSUMDB), then run this again: it goes on where it ended.",
            "go",
            ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", ...step.flags, "-o", partial, step.package],
            { cwd: join(sources, step.module), env: { GOTMPDIR: temporary } },
        );
        await writeFile(join(dirname(file), builtMark), "by toolchain/ of mlflow-platform\n");
        await rename(partial, file);
    } finally {
        await rm(partial, { force: true });
    }
}

function typically(seconds: number): string {
    return seconds < 60 ? "less than a minute on 2 cores" : `about ${Math.ceil(seconds / 60)} minutes on 2 cores`;
}

/** Throws if toolchain/ builds other versions than the npm packages ask for. */
function checkPins(sources: string, versions: Versions): void {
    const pinned = JSON.parse(readFileSync(join(sources, "versions.json"), "utf8")) as Versions;
    for (const name of Object.keys(versions) as Package[]) {
        if (pinned[name] !== versions[name]) {
            throw new UserError(
                `The npm package ${name} is ${versions[name]}, but toolchain/ builds ${pinned[name]}.`,
                `Bring the two together: npm ci, or see "Versions" in toolchain/README.md.`,
            );
        }
    }
}

/** Directories that Go writes into. */
interface Go {
    readonly moduleCache: string;
    readonly buildCache: string;
    readonly temporary: string;
}

/** Asks Go for its directories. Throws if there is no Go or an old one. */
async function findGo(sources: string, reason: string, { env }: Installation): Promise<Go> {
    const wanted = /^go (\S+)$/m.exec(readFileSync(join(sources, "cli", "go.mod"), "utf8"))?.[1] ?? "";
    const cure = `Install Go ${wanted} or later (https://go.dev/doc/install) and run this again.`;
    // In the module's directory, where a Go that may fetch a newer one (GOTOOLCHAIN=auto) has done so.
    const result = await execa("go", ["env", "GOVERSION", "GOMODCACHE", "GOCACHE", "GOTMPDIR"], {
        cwd: join(sources, "cli"),
        env,
        extendEnv: false,
        reject: false,
    });
    if (result.code === "ENOENT") {
        throw new UserError(
            `The Pulumi tools are to be built from Go modules (${reason}), and there is no go on the PATH.`,
            `${cure}\nOr let this machine reach get.pulumi.com and github.com.`,
        );
    }
    const [version = "", moduleCache = "", buildCache = "", temporary = ""] = result.stdout.split("\n");
    if (result.exitCode !== 0 || isOlder(version, wanted)) {
        throw new UserError(`Go is too old: ${version || result.stderr.trim()}; toolchain/ needs ${wanted}.`, cure);
    }
    return { moduleCache, buildCache, temporary: temporary || (env.TMPDIR ?? tmpdir()) };
}

/** Compares Go versions such as `go1.26.8` and `1.25.11`. */
function isOlder(version: string, wanted: string): boolean {
    const numbers = (text: string) => (/\d+(\.\d+)*/.exec(text)?.[0] ?? "").split(".").map(Number);
    const [have, want] = [numbers(version), numbers(wanted)];
    const index = want.findIndex((number, at) => number !== (have[at] ?? 0));
    return index >= 0 && (have[index] ?? 0) < (want[index] ?? 0);
}

/** Throws if a file system lacks the room that building takes with empty caches. */
async function checkDisk(tools: readonly Tool[], pulumiHome: string, go: Go): Promise<void> {
    const sum = (part: keyof Cost) => tools.reduce((total, { cost }) => total + cost[part], 0);
    const needs: [string, number][] = [
        [pulumiHome, sum("file")],
        [go.moduleCache, sum("moduleCache")],
        [go.buildCache, sum("buildCache")],
        [go.temporary, temporaryFiles],
    ];
    const fileSystems = new Map<number, { directories: string[]; needed: number; free: number }>();
    for (const [directory, megabytes] of needs) {
        const place = existing(directory);
        const { dev } = await stat(place);
        const { bavail, bsize } = await statfs(place);
        const entry = fileSystems.get(dev) ?? { directories: [], needed: 0, free: (bavail * bsize) / 1e6 };
        entry.directories.push(directory);
        entry.needed += megabytes;
        fileSystems.set(dev, entry);
    }
    for (const { directories, needed, free } of fileSystems.values()) {
        if (free < needed) {
            throw new UserError(
                `Building the tools takes ${(needed / 1000).toFixed(1)} GB in ${directories.join(", ")}; ` +
                    `${(free / 1000).toFixed(1)} GB are free.`,
                "Free some space, or point PULUMI_HOME, GOMODCACHE, GOCACHE and GOTMPDIR elsewhere, and run this again.",
            );
        }
    }
}

/** The directory, or the nearest one above it that exists. */
function existing(directory: string): string {
    return existsSync(directory) ? directory : existing(dirname(directory));
}

/** Runs a command that takes a while. Throws a UserError with its last lines if it fails. */
async function run(
    what: string,
    typical: string,
    { env, say, signal }: Installation,
    cure: string,
    file: string,
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> },
): Promise<void> {
    const started = Date.now();
    say(`${what} (${typical})`);
    const report = setInterval(() => {
        say(`${what}, ${Math.round((Date.now() - started) / 1000)} s so far (${typical})`);
    }, 15_000);
    try {
        const result = await execa(file, args, {
            ...options,
            env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true", ...options.env },
            extendEnv: false,
            reject: false,
            all: true,
            stdin: "ignore",
            ...(signal === undefined ? {} : { cancelSignal: signal }),
        });
        stopIfInterrupted();
        signal?.throwIfAborted();
        if (result.failed) {
            const last = result.all.trim().split("\n").slice(-8).join("\n");
            throw new UserError(`${what} failed: ${last || result.shortMessage}`, cure);
        }
    } finally {
        clearInterval(report);
    }
}
