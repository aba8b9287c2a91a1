/** A monitor of a served model: exactly what it registers, which files of a project it takes, and how it logs in. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Monitor, type MonitorArgs, credentialsFile, projectFiles } from "../../components/monitor.ts";
import { containerOptions, filesOf, labelInputs, labels, secretsMount, service, tree } from "./support/containers.ts";
import { project, record, revealed, secret, stack, textsInSight } from "./support/recording.ts";
import { text } from "./support/texts.ts";

let directory: string;
beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
    for (const [path, content] of Object.entries({
        "python/MLproject": "name: lifecycle\n",
        "python/tests/a.py": "a = 'ä'\n",
        "lifecycle/drift.py": "drift",
        // What tools leave there.
        ".gitignore": "x",
        ".venv/bin/python": "x",
        "python/.coverage": "x",
        "python/.pytest_cache/v": "x",
        "python/__pycache__/a.pyc": "x",
        "python/tests/__pycache__/a.pyc": "x",
        "python/mlruns/0/meta.yaml": "x",
        "python/mlflow.db": "x",
        // And what is called alike.
        "lifecycle/mlruns.py": "runs",
        "lifecycle/a.b": "a dot",
        "lifecycle/my_mlflow.db": "other",
    })) {
        mkdirSync(dirname(join(directory, path)), { recursive: true });
        writeFileSync(join(directory, path), content);
    }
    mkdirSync(join(directory, "empty"));
    symlinkSync("/etc/hostname", join(directory, "link"));
});
afterAll(() => {
    rmSync(directory, { recursive: true });
});

/** What it takes of that. */
const taken = {
    "lifecycle/a.b": "a dot",
    "lifecycle/drift.py": "drift",
    "lifecycle/mlruns.py": "runs",
    "lifecycle/my_mlflow.db": "other",
    "python/MLproject": "name: lifecycle\n",
    "python/tests/a.py": "a = 'ä'\n",
};

const args: Omit<MonitorArgs, "project"> = {
    image: "model:1",
    seedImage: "seed:1",
    networkId: "network id",
    recordsVolume: pulumi.output("iris_records"),
    schedule: "*/30 * * * *",
    model: "Iris flowers",
    alias: "champion",
    minimumSamples: 120,
    promote: "auto",
    trackingUri: "http://mlflow:5000",
    login: { username: "watch%man", password: pulumi.secret("hunter%2") },
    after: [],
    labels,
};
const name = "model-iris-monitor";
const make = (more: Partial<MonitorArgs> = {}) =>
    record(() => new Monitor(name, { ...args, project: directory, ...more }));
const credentials = "/run/secrets/platform/.mlflow/credentials";

describe("a monitor", () => {
    it("is a service, the project's files and its secrets", async () => {
        const made = await make();
        expect(tree(made)).toEqual([
            "docker:Container model-iris-monitor < mlflow-platform:Monitor model-iris-monitor",
            "docker:Container model-iris-monitor-project-seed < mlflow-platform:Monitor model-iris-monitor",
            "docker:Container model-iris-monitor-secrets-seed < mlflow-platform:SecretFiles model-iris-monitor-secrets",
            "docker:Volume model-iris-monitor-project < mlflow-platform:Monitor model-iris-monitor",
            "docker:Volume model-iris-monitor-secrets < mlflow-platform:SecretFiles model-iris-monitor-secrets",
            "mlflow-platform:Monitor model-iris-monitor < stack",
            "mlflow-platform:SecretFiles model-iris-monitor-secrets < mlflow-platform:Monitor model-iris-monitor",
        ]);
        expect(made.get(`mlflow-platform:Monitor ${name}`).type).toBe("mlflow-platform:index:Monitor");
        expect(made.warnings).toEqual([]);
    });

    it("runs the project's entry point at set times, and reads what was recorded", async () => {
        const { get } = await make();
        expect(get(`docker:Container ${name}`).inputs).toStrictEqual({
            ...service,
            image: "model:1",
            labels: labelInputs,
            user: "1000:1000",
            command: [
                ...["python", "-m", "model_server.schedule", "--cron", "*/30 * * * *", "--"],
                ...["mlflow", "run", "/project/python", "--env-manager", "local", "--entry-point", "monitor"],
                ...["--param-list", "model=Iris flowers"],
                ...["--param-list", "alias=champion"],
                ...["--param-list", "records=/var/lib/records"],
                ...["--param-list", "minimum_samples=120"],
                ...["--param-list", "promote=auto"],
            ],
            envs: [
                "HOME=/run/secrets/platform",
                "MLFLOW_EXPERIMENT_NAME=monitor of Iris flowers",
                "MLFLOW_TRACKING_URI=http://mlflow:5000",
                "PYTHONDONTWRITEBYTECODE=1",
            ],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=512m" },
            memory: 2048,
            memorySwap: 2048,
            cpus: "1.0",
            volumes: [
                {
                    volumeName: `${project}-${stack}-model-iris-monitor-project`,
                    containerPath: "/project",
                    readOnly: true,
                },
                { volumeName: "iris_records", containerPath: "/var/lib/records", readOnly: true },
                secretsMount("model-iris-monitor-secrets"),
            ],
            networksAdvanced: [{ name: "network id", aliases: [] }],
            ports: [],
            healthcheck: {
                tests: ["CMD", "test", "-f", "/tmp/next-run"],
                interval: "5s",
                timeout: "5s",
                startPeriod: "2h0m0s",
                retries: 5,
            },
            waitTimeout: 300,
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
    });

    it("starts after the model server, and is replaced with its files and with nothing else", async () => {
        const { get } = await record(() => {
            const server = new docker.Container("model-iris", { image: "model" });
            return new Monitor(name, { ...args, project: directory, after: [server] });
        });
        const { options, takes } = get(`docker:Container ${name}`);
        const seeds = [
            "docker:Container model-iris-monitor-project-seed",
            "docker:Container model-iris-monitor-secrets-seed",
        ];
        const volumes = ["docker:Volume model-iris-monitor-project", "docker:Volume model-iris-monitor-secrets"];
        expect(options).toStrictEqual({
            ...containerOptions,
            dependencies: ["docker:Container model-iris", ...seeds, ...volumes],
            replaceWith: seeds,
        });
        expect(takes).toEqual({ volumes });
    });

    it("gets the project's files by a seed, readable for its user alone", async () => {
        const made = await make();
        expect(filesOf(made, `${name}-project-seed`)).toStrictEqual({
            owner: ["1000:1000"],
            files: Object.fromEntries(Object.entries(taken).map(([path, content]) => [`/project/${path}`, content])),
        });
        expect(made.get(`docker:Container ${name}-project-seed`).inputs).toMatchObject({
            image: "seed:1",
            volumes: [
                {
                    volumeName: `${project}-${stack}-model-iris-monitor-project`,
                    containerPath: "/project",
                    readOnly: false,
                },
            ],
        });
    });

    it("has another volume for another list of files, which nobody would miss", async () => {
        const { get } = await make();
        expect(get(`docker:Volume ${name}-project`).inputs).toStrictEqual({
            labels: [...labelInputs, { label: "mlflow-platform.files", value: Object.keys(taken).join(" ") }],
        });
        expect(get(`docker:Volume ${name}-project`).options).toStrictEqual({ deleteBeforeReplace: true });
    });

    it("logs in by a file, and has the password nowhere else", async () => {
        const made = await make();
        expect(filesOf(made, `${name}-secrets-seed`)).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                [credentials]: secret(
                    "[mlflow]\nmlflow_tracking_username = watch%%man\nmlflow_tracking_password = hunter%%2\n",
                ),
            },
        });
        for (const { key, inputs } of made.registrations) {
            const found = textsInSight(revealed(inputs)).some((some) => some.includes("hunter"));
            expect([key, found]).toEqual([key, key === `docker:Container ${name}-secrets-seed`]);
            expect([key, textsInSight(inputs).filter((some) => some.includes("hunter"))]).toEqual([key, []]);
        }
    });

    it("has the password secret also where nobody marked it", async () => {
        const made = await make({ login: { username: "watchman", password: "hunter2" } });
        expect(filesOf(made, `${name}-secrets-seed`).files[credentials]).toEqual(
            secret("[mlflow]\nmlflow_tracking_username = watchman\nmlflow_tracking_password = hunter2\n"),
        );
    });

    it("is nobody where there is no login, and otherwise the same", async () => {
        const [withLogin, without] = [await make(), await make({ login: undefined })];
        expect(filesOf(without, `${name}-secrets-seed`).files).toStrictEqual({ [credentials]: secret("[mlflow]\n") });
        expect(without.get(`docker:Container ${name}`).inputs).toStrictEqual(
            withLogin.get(`docker:Container ${name}`).inputs,
        );
    });
});

describe("the files of a project", () => {
    it("are those that its author wrote, by their paths, in order", () => {
        expect(projectFiles(directory)).toStrictEqual(taken);
        expect(Object.keys(projectFiles(directory))).toEqual(Object.keys(taken));
    });

    it("are the same however the directory is named", () => {
        expect(projectFiles(relative(process.cwd(), directory))).toStrictEqual(taken);
        expect(projectFiles(`${directory}/`)).toStrictEqual(taken);
        expect(projectFiles(join(directory, "python"))).toStrictEqual({
            MLproject: "name: lifecycle\n",
            "tests/a.py": "a = 'ä'\n",
        });
    });

    it("may be below a directory whose name begins with a dot", () => {
        const hidden = join(directory, ".venv");
        expect(projectFiles(hidden)).toStrictEqual({ "bin/python": "x" });
    });
});

describe("a file of credentials", () => {
    it.each([
        ["watchman", "hunter2", "watchman", "hunter2"],
        ["100%", "%(x)s %% $", "100%%", "%%(x)s %%%% $"],
        ["a=b", "p : ; # w", "a=b", "p : ; # w"],
    ])("has %s and %s in it", (username, password, name, word) => {
        expect(credentialsFile(username, password)).toBe(
            `[mlflow]\nmlflow_tracking_username = ${name}\nmlflow_tracking_password = ${word}\n`,
        );
    });

    const hasPython = spawnSync("python3", ["--version"]).status === 0;
    it.skipIf(!hasPython)("is read by Python, as MLflow's client does, as the very values", () => {
        const script =
            "import configparser, json, sys\n" +
            "def read(text):\n" +
            "    config = configparser.ConfigParser()\n" +
            "    config.read_string(text)\n" +
            "    return [config['mlflow'].get('mlflow_tracking_' + key) for key in ('username', 'password')]\n" +
            "print(json.dumps([read(text) for text in json.load(sys.stdin)]))\n";
        // As configuration takes them.
        const username = text.filter((some) => /^[ -~]*$/.test(some) && !some.includes(":"));
        fc.assert(
            fc.property(fc.array(fc.tuple(username, text), { minLength: 50, maxLength: 50 }), (logins) => {
                const { stdout, stderr } = spawnSync("python3", ["-c", script], {
                    input: JSON.stringify(logins.map(([user, word]) => credentialsFile(user, word))),
                    encoding: "utf8",
                });
                expect(stderr).toBe("");
                expect(JSON.parse(stdout)).toEqual(logins);
            }),
            { numRuns: 8 },
        );
    });
});
