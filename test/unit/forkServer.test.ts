/** The tests' own server of Python scripts, with a module that stands for MLflow: what one script does, another does not see. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ForkServer } from "../stack/support/forkServer.ts";

const directory = mkdtempSync(join(tmpdir(), "fork-server-"));
const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
};
beforeAll(() => {
    copyFileSync(join(import.meta.dirname, "../stack/scripts/fork_server.py"), join(directory, "fork_server.py"));
    file("mlflow.py", "import os\n\nprocess, used = os.getpid(), 0\n");
    file(
        "probe.py",
        `import json, os, sys, mlflow
mlflow.used += 1
print("a line before")
print(json.dumps([sys.argv[1:], mlflow.used, mlflow.process, os.environ.get("GIVEN"), sys.stdin.read()]))
os.environ["GIVEN"] = "left"
sys.exit(int(os.environ.get("CODE", "0")))
`,
    );
});
afterAll(() => {
    rmSync(directory, { recursive: true });
});

describe("a fork server", () => {
    it("runs each script as if it were the first, in the order of the calls, from one import", async () => {
        const server = new ForkServer(["python3"], directory);
        const texts = await Promise.all([
            server.run("probe.py", ["one", "ü '\n"], { GIVEN: "value" }),
            server.run("probe.py", []),
        ]);
        const [first, second] = texts.map((text) => JSON.parse(text.split("\n").at(-1) ?? "") as unknown[]);
        expect(first).toEqual([["one", "ü '\n"], 1, first?.[2], "value", ""]);
        expect(second).toEqual([[], 1, first?.[2], null, ""]);
        await server.close();
    });

    it("says how a script failed, and goes on", async () => {
        const server = new ForkServer(["python3"], directory);
        await expect(server.run("probe.py", ["x"], { CODE: "3" })).rejects.toThrow("probe.py x ended with 3:");
        await expect(server.run("nothing.py", [])).rejects.toThrow(/ended with 1:[^]*No such file/);
        expect(await server.run("probe.py", [])).toMatch(/^a line before\n\[\[\], 1, \d+, null, ""\]$/);
        await server.close();
    });

    it("says why it does not run", async () => {
        const server = new ForkServer(["python3"], directory);
        file("mlflow.py", "import threading, time\n\nthreading.Thread(target=time.sleep, args=[1]).start()\n");
        await expect(server.run("probe.py", [])).rejects.toThrow("importing MLflow has started threads");
    });
});
