/** Which Node.js runs a command: the host's, or one that npm fetches. The old ones are played by this one under another version. */
import { spawnSync } from "node:child_process";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    realpathSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { advice, fits } from "../../../toolchain/node/version.mjs";

const project = join(import.meta.dirname, "../../..");
const { engines } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as { engines: { node: string } };
const { packages } = JSON.parse(readFileSync(join(project, "toolchain/node/package-lock.json"), "utf8")) as {
    packages: Record<string, { version?: string; integrity?: string; os?: string; cpu?: string }>;
};
const pins = Object.entries(packages).filter(([place]) => place !== "");

describe("the range", () => {
    it.each([
        ["18.20.8", false],
        ["20.20.2", false],
        ["22.9.9", false],
        ["22.22.1", false],
        ["22.22.2", true],
        ["22.23.0", true],
        ["23.11.0", false],
        ["24.14.9", false],
        ["24.15.0", true],
        ["25.0.0", false],
        ["26.0.0", true],
        ["27.1.0", true],
    ])("%s: %s", (version, expected) => {
        expect(fits(version)).toBe(expected);
    });

    it("is that of package.json, and named by the advice", () => {
        expect(engines.node).toBe("^22.22.2 || ^24.15.0 || >=26");
        expect(advice).toContain("(or ^22.22.2, ^24.15.0, >=26)");
    });
});

describe("what can be fetched", () => {
    it("is a fitting Node.js for Linux and macOS on two architectures, locked by its hash", () => {
        expect(pins.map(([, { os, cpu }]) => `${os ?? ""} ${cpu ?? ""}`).sort()).toEqual([
            "darwin arm64",
            "darwin x64",
            "linux arm64",
            "linux x64",
        ]);
        for (const [place, { version = "", integrity = "", os = "", cpu = "" }] of pins) {
            expect(place.endsWith(`-${os}-${cpu}`)).toBe(true);
            expect(fits(version)).toBe(true);
            expect(integrity).toMatch(/^sha512-/);
        }
    });
});

let directory: string;
beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "mlflow-platform-")));
});
afterEach(() => {
    rmSync(directory, { recursive: true });
});

/** Writes a program into the directory's bin. */
function program(name: string, text: string): void {
    const file = join(directory, "bin", name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, 0o755);
}

/** `node` on the PATH, saying that it is this version. */
function hostNode(version: string): void {
    program("node", `#!/bin/sh\necho v${version}\n`);
}

/** `npm`, which installs a Node.js of this version as npm would, notes its arguments, and ends with the code. */
function hostNpm(installs: string, code = 0): void {
    program(
        "npm",
        `#!/bin/sh
echo "$@" >>'${directory}/npm-calls'
cp package.json package-lock.json '${directory}/'
name=$(sed 's/.*"\\(node-[a-z0-9-]*\\)":.*/\\1/' package.json)
mkdir -p "node_modules/$name/bin"
printf '#!/bin/sh\\necho v${installs}\\n' >"node_modules/$name/bin/node"
chmod +x "node_modules/$name/bin/node"
exit ${code}
`,
    );
}

/** Runs a file of toolchain/node by this Node.js, which takes itself for that version. */
function run(file: string, version: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    const disguise = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`;
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
            "--import",
            `data:text/javascript,${encodeURIComponent(disguise)}`,
            join(project, "toolchain/node", file),
            ...args,
        ],
        {
            encoding: "utf8",
            env: {
                PATH: [join(directory, "bin"), "/usr/bin", "/bin"].join(delimiter),
                XDG_CACHE_HOME: directory,
                ...env,
            },
        },
    );
    return { status, stdout, stderr };
}

/** Where the PATH that it prints begins. */
const first = (stdout: string) => stdout.split(delimiter)[0];
const own = packages[`node_modules/node-${process.platform}-${process.arch}`]?.version ?? "";
const place = () => join(directory, "mlflow-platform/node", `node-${process.platform}-${process.arch}-${own}`);

describe("node.mjs", () => {
    it("leaves a fitting Node.js that is first on the PATH alone", () => {
        hostNode("26.3.1");
        hostNpm(own);
        expect(run("node.mjs", "18.19.0")).toEqual({
            status: 0,
            stdout: `${join(directory, "bin")}:/usr/bin:/bin\n`,
            stderr: "",
        });
        expect(existsSync(join(directory, "npm-calls"))).toBe(false);
    });

    it("takes the one that runs it where that fits and the first on the PATH does not", () => {
        hostNode("20.20.2");
        const { stdout, stderr } = run("node.mjs", process.versions.node);
        expect(first(stdout)).toBe(dirname(realpathSync(process.execPath)));
        expect(stderr).toBe("");
    });

    it("fetches the pinned one once, by npm and by its hash, and says so in one line", () => {
        hostNode("18.19.0");
        hostNpm(own);
        const { status, stdout, stderr } = run("node.mjs", "18.19.0");
        expect(status).toBe(0);
        expect(first(stdout)).toBe(place());
        expect(stderr).toBe(
            `Node.js 18.19.0 is too old: fetching ${own} from npm, once (about 50 MB, to ${place()}) …\n`,
        );
        expect(readFileSync(join(directory, "npm-calls"), "utf8")).toBe("ci --ignore-scripts --no-audit --no-fund\n");
        const name = `node-${process.platform}-${process.arch}`;
        expect(JSON.parse(readFileSync(join(directory, "package-lock.json"), "utf8"))).toEqual({
            lockfileVersion: 3,
            packages: {
                "": { dependencies: { [name]: own } },
                [`node_modules/${name}`]: { version: own, integrity: packages[`node_modules/${name}`]?.integrity },
            },
        });
        // What npm made beside it is gone, and nobody asks npm again.
        expect(readdirSync(dirname(place()))).toEqual([`${name}-${own}`]);
        expect(run("node.mjs", "18.19.0")).toEqual({ status: 0, stdout, stderr: "" });
        expect(readFileSync(join(directory, "npm-calls"), "utf8").split("\n")).toHaveLength(2);
    });

    it("runs a command with it first on the PATH, and ends as that does", () => {
        hostNode("18.19.0");
        hostNpm(own);
        const { status, stdout } = run("node.mjs", "18.19.0", ["sh", "-c", "node --version; exit 7"]);
        expect([status, stdout]).toEqual([7, `v${own}\n`]);
    });

    it("runs npm by the Node.js at hand, whatever its own first line names", () => {
        hostNode("18.19.0");
        // As Debian has it: a file of JavaScript, whose interpreter here is not there.
        program(
            "npm",
            `#!/nowhere/node\nconst { mkdirSync, writeFileSync, readFileSync, chmodSync } = require("node:fs");
const [name] = Object.keys(JSON.parse(readFileSync("package.json")).dependencies);
mkdirSync("node_modules/" + name + "/bin", { recursive: true });
writeFileSync("node_modules/" + name + "/bin/node", "#!/bin/sh\\necho v${own}\\n");
chmodSync("node_modules/" + name + "/bin/node", 0o755);
`,
        );
        expect(first(run("node.mjs", "18.19.0").stdout)).toBe(place());
    });

    it.each<[string, string, number, RegExp]>([
        [
            "npm fails",
            own,
            1,
            /^Node\.js 18\.19\.0 is too old\. npm could not fetch Node\.js \S+; its messages are above\.$/m,
        ],
        [
            "what npm brings does not run here",
            "1.2.3",
            0,
            /^Node\.js 18\.19\.0 is too old\. npm's Node\.js \S+ does not run on this system\.$/m,
        ],
    ])("says what to do where %s, and leaves nothing", (_case, installs, code, message) => {
        hostNode("18.19.0");
        hostNpm(installs, code);
        const { status, stdout, stderr } = run("node.mjs", "18.19.0");
        expect([status, stdout]).toEqual([1, ""]);
        expect(stderr).toMatch(message);
        expect(stderr).toContain(`\n  ${advice}\n`);
        expect(readdirSync(join(directory, "mlflow-platform/node"))).toEqual([]);
    });
});

describe("preload.mjs", () => {
    it("refuses an old Node.js in words", () => {
        expect(run("preload.mjs", "22.22.1")).toEqual({
            status: 1,
            stdout: "",
            stderr: `Node.js 22.22.1 is too old for this program (${process.execPath}).\n  ${advice}\n`,
        });
    });

    it("keeps what V8 compiles in the cache, or where NODE_COMPILE_CACHE says", () => {
        expect(run("preload.mjs", process.versions.node).status).toBe(0);
        expect(readdirSync(join(directory, "mlflow-platform/compile-cache"))).toHaveLength(1);
        const elsewhere = join(directory, "elsewhere");
        rmSync(join(directory, "mlflow-platform"), { recursive: true });
        expect(run("preload.mjs", process.versions.node, [], { NODE_COMPILE_CACHE: elsewhere }).status).toBe(0);
        expect(existsSync(join(directory, "mlflow-platform"))).toBe(false);
        expect(readdirSync(elsewhere)).toHaveLength(1);
    });

    it.each(["Pulumi.yaml", "policy/PulumiPolicy.yaml"])("is loaded as %s says", (file) => {
        const path = /^ +nodeargs: --import (\S+)$/m.exec(readFileSync(join(project, file), "utf8"))?.[1] ?? "";
        expect(realpathSync(join(project, dirname(file), path))).toBe(join(project, "toolchain/node/preload.mjs"));
    });
});
