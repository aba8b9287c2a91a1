/** The lifecycle of the flowchart on a real stack: every arrow, seen by MLflow's API and the model server's answers. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { buildTag, builds } from "../../../components/image.ts";
import { patience, withBrowser } from "../support/browser.ts";
import { Checkout, type Ended } from "../support/checkout.ts";
import { ForkServer } from "../support/forkServer.ts";
import { freePorts, initStack } from "../support/platforms.ts";
import { lastLine, python, scripts } from "../support/python.ts";
import { type Answer, Registry, Served, eventually, isMonotonous, setModels } from "../support/served.ts";

const { directory, stateHome } = inject("checkout");
const checkout = Checkout.at(directory, stateHome);
const stack = `lifecycle-${randomBytes(2).toString("hex")}`;
const model = "breast-cancer";

let trackingUri: string;
let image: string;
let registry: Registry;
let served: Served;
let load: ReturnType<Served["load"]> | undefined;

/** A step of the lifecycle, by the command that users have. */
async function step(name: string, ...parameters: string[]): Promise<Ended> {
    const options = parameters.flatMap((parameter) => ["--param", parameter]);
    return checkout.run("lifecycle", [name, "--stack", stack, ...options]);
}

/** One that succeeds; returns the id of the last run that a line of its output names for this step. */
async function done(name: string, ...parameters: string[]): Promise<string> {
    const { code, output } = await step(name, ...parameters);
    expect(`${name} ${code}${code === 0 ? "" : output}`).toBe(`${name} 0`);
    return idIn(output, name);
}

function idIn(output: string, name: string): string {
    const [id] = [...output.matchAll(new RegExp(`^${name}\\s+([0-9a-f]{32})`, "gm"))]
        .map((match) => match[1])
        .slice(-1);
    return id ?? "";
}

interface Run {
    readonly info: { readonly run_id: string; readonly experiment_id: string; readonly status: string };
    readonly data: {
        readonly metrics?: readonly { key: string; value: number }[];
        readonly params?: readonly { key: string; value: string }[];
        readonly tags?: readonly { key: string; value: string }[];
    };
    readonly inputs?: { readonly dataset_inputs?: readonly { dataset: { digest: string; name: string } }[] };
    readonly outputs?: { readonly model_outputs?: readonly { model_id: string }[] };
}

async function run(id: string): Promise<Run> {
    return (await registry.mlflow<{ run: Run }>("GET", `runs/get?run_id=${id}`)).run;
}

function tag({ data }: Run, key: string): string | undefined {
    return data.tags?.find((entry) => entry.key === key)?.value;
}

async function experiment(name: string): Promise<{ experiment_id: string; tags?: { key: string; value: string }[] }> {
    const path = `experiments/get-by-name?experiment_name=${name}`;
    return (
        await registry.mlflow<{ experiment: { experiment_id: string; tags?: { key: string; value: string }[] } }>(
            "GET",
            path,
        )
    ).experiment;
}

async function runs(name: string, filter: string): Promise<Run[]> {
    const { experiment_id: id } = await experiment(name);
    const body = { experiment_ids: [id], filter, max_results: 500, order_by: ["attributes.start_time ASC"] };
    return (await registry.mlflow<{ runs?: Run[] }>("POST", "runs/search", body)).runs ?? [];
}

async function artifacts(id: string, path = ""): Promise<string[]> {
    const { files = [] } = await registry.mlflow<{ files?: { path: string; is_dir: boolean }[] }>(
        "GET",
        `artifacts/list?run_id=${id}&path=${path}`,
    );
    const below = await Promise.all(files.map(async (file) => (file.is_dir ? artifacts(id, file.path) : [file.path])));
    return below.flat();
}

/** Runs one of the tests' scripts with the project, in the model image, where it reaches MLflow and the model server. */
function inProject(script: string, ...args: string[]): Promise<string> {
    project ??= new ForkServer(
        [
            ...[
                "docker",
                "run",
                "--rm",
                "--interactive",
                "--no-healthcheck",
                `--network=mlflow-platform-${stack}-model-${model}`,
            ],
            ...["--volume", `${scripts}:/scripts:ro`],
            ...["--volume", `${join(checkout.directory, "examples", "lifecycle")}:/project:ro`],
            ...["--volume", `mlflow-platform-${stack}-model-${model}-records:/var/lib/records:ro`],
            ...["--env", "PYTHONPATH=/project", "--env", "PYTHONDONTWRITEBYTECODE=1"],
            ...["--env", "MLFLOW_TRACKING_URI=http://mlflow:5000", image, "python"],
        ],
        "/scripts",
    );
    return project.run(script, args);
}
let project: ForkServer | undefined;
const inside = `http://model-${model}:8080`;

beforeAll(async () => {
    await initStack(checkout, stack);
    // Where nothing is served no model image is made; a step of the lifecycle makes it.
    const { tag } = buildTag("model", builds.model, process.env.MLFLOW_PLATFORM_BASE_IMAGE);
    const tags = [tag, builds.model.stableTag];
    await execa("docker", ["image", "rm", "--force", ...tags], { reject: false });
    await checkout.ok("start", ["--stack", stack]);
    expect((await execa("docker", ["image", "inspect", ...tags], { reject: false })).exitCode).toBe(1);
    expect(await checkout.outputs(stack)).not.toHaveProperty("modelImage");
    const { output: made } = await step("define");
    expect(made).toContain(`making the model image ${tag}, which the engine does not have`);
    await execa("docker", ["image", "inspect", ...tags]);
    expect(Object.keys(await checkout.plan(stack, {}))).toEqual([]);
    // The first served model, on a stack that is up.
    const [port = 0] = await freePorts(1);
    await setModels(checkout, stack, [{ name: model, port, aliasPollSeconds: 1, recordSampleRate: 1 }]);
    const output = await checkout.ok("start", ["--stack", stack]);
    // Nobody logs in to this stack, and that is said.
    expect(output).toContain(
        `model-${model}: without login (mlflowAuth) the code of a served model can read and write everything in MLflow`,
    );
    const outputs = await checkout.outputs(stack);
    trackingUri = String(outputs.trackingUri);
    image = String(outputs.modelImage);
    expect(image).toBe(tag);
    registry = new Registry(stack, trackingUri, image, { username: "nobody", password: "" });
    served = new Served(`http://127.0.0.1:${port}`);
});
afterAll(async () => {
    await load?.stop();
    await project?.close();
    await checkout.ok("delete-data", [stack]);
});

let dataRun: string;
let weakRun: string;
let interruptedTuning: string;
let tuningRun: string;
let goodRun: string;
/** The same once more, which is no better. */
let anotherRun: string;

describe("define experiment", () => {
    it("makes it once, with description, tags and owner", async () => {
        await done("define", "owner=ana", "description=Which tumours are malignant");
        await done("define", "owner=ana", "description=Which tumours are malignant");
        const { tags = [] } = await experiment("lifecycle");
        const values = Object.fromEntries(tags.map(({ key, value }) => [key, value]));
        expect(values["mlflow.note.content"]).toBe("Which tumours are malignant");
        expect(values.owner).toBe("ana");
    });
});

describe("prepare data", () => {
    it("makes tables with digests, as datasets of a run", async () => {
        dataRun = await done("prepare");
        const { inputs } = await run(dataRun);
        expect(inputs?.dataset_inputs?.map(({ dataset }) => dataset.name).sort()).toEqual([
            "breast_cancer-test",
            "breast_cancer-training",
            "breast_cancer-validation",
        ]);
        expect(await artifacts(dataRun)).toEqual(
            expect.arrayContaining(["data/digests.json", "data/training.parquet", "data/test.parquet"]),
        );
    });
});

describe("train, and whether that is satisfactory", () => {
    it("takes the data by its run, and logs parameters, steps, plots and the model", async () => {
        // Beside a search that needs nothing of it.
        [weakRun, interruptedTuning] = await Promise.all([
            done("train", `data=${dataRun}`),
            done("tune", `data=${dataRun}`, "trials=5"),
        ]);
        const { data, outputs } = await run(weakRun);
        expect(data.params?.length).toBeGreaterThan(4);
        expect(outputs?.model_outputs).toHaveLength(1);
        expect((await artifacts(weakRun)).some((path) => path.endsWith(".png"))).toBe(true);
        const { metrics = [] } = await registry.mlflow<{ metrics?: { step: number }[] }>(
            "GET",
            `metrics/get-history?run_id=${weakRun}&metric_key=${data.metrics?.find(({ key }) => key.includes("loss"))?.key ?? ""}`,
        );
        expect(metrics.length).toBeGreaterThan(5);
    });

    it("no: the gate refuses with exit code 3, a tag and a reason, and nothing can be registered", async () => {
        const { code, output } = await step("evaluate", `run=${weakRun}`);
        expect(code).toBe(3);
        expect(output).toContain("refused: accuracy_score");
        const refused = await run(weakRun);
        expect(tag(refused, "satisfactory")).toBe("false");
        expect(tag(refused, "refusal_reason")).toContain("accuracy_score");
        expect((await step("register", `run=${weakRun}`)).code).toBe(3);
        expect(
            (await registry.mlflow<{ registered_models?: unknown[] }>("GET", "registered-models/search"))
                .registered_models ?? [],
        ).toEqual([]);
    });

    it("no → tune hyperparameters: a real search, as nested runs under one parent, that goes on where it was", async () => {
        // It takes over what was tried, and goes on to the number that is wanted.
        tuningRun = await done("tune", `data=${dataRun}`, `resume=${interruptedTuning}`, "trials=20");
        expect(tag(await run(tuningRun), "resumes")).toBe(interruptedTuning);
        const trials = await runs("lifecycle", `tags.mlflow.parentRunId = '${tuningRun}'`);
        expect(trials).toHaveLength(20);
    });

    it("→ train: refused by another file with thresholds, and by that file alone", async () => {
        const train = () => done("train", `data=${dataRun}`, `params_from=${tuningRun}`);
        [goodRun, anotherRun] = await Promise.all([train(), train()]);
        const path = join(checkout.directory, "examples", "lifecycle", "thresholds.yaml");
        const before = readFileSync(path, "utf8");
        try {
            writeFileSync(path, before.replace("accuracy_score: { at_least: 0.9 }", "accuracy_score: { at_least: 1 }"));
            expect((await step("evaluate", `run=${goodRun}`)).code).toBe(3);
        } finally {
            writeFileSync(path, before);
        }
    });

    it("yes", async () => {
        await Promise.all([goodRun, anotherRun].map((id) => done("evaluate", `run=${id}`)));
        expect(tag(await run(goodRun), "satisfactory")).toBe("true");
    });
});

/** Rows of the test table, and what the first version itself answers to them. */
interface OwnAnswers {
    readonly columns: string[];
    readonly data: number[][];
    readonly answers: number[];
}
let own: OwnAnswers;

describe("register and promote", () => {
    it("registers a candidate, which nobody serves yet", async () => {
        await done("register", `run=${goodRun}`);
        expect(await registry.version(model, "candidate")).toBe("1");
        expect(await registry.version(model, "production")).toBeUndefined();
        const { state, reason } = await served.status();
        expect({ state, reason }).toEqual({
            state: "waiting",
            reason: `registered model "${model}" has no alias "production"`,
        });
        // From before the first promotion until after the last.
        own = lastLine(await inProject("own_answers.py", model, "1")) as OwnAnswers;
        load = served.load({ dataframe_split: firstRows() });
    });

    it("→ production, and it is deployed: the model server gives the model's own answers", async () => {
        await done("promote");
        expect(await registry.version(model, "production")).toBe("1");
        await served.serves("1");
        const { columns, data, answers } = own;
        expect(answers).toHaveLength(20);
        expect(await served.predict(columns, data)).toEqual(answers);
    });

    it("refuses what is not better, and leaves production alone", async () => {
        await done("register", `run=${anotherRun}`);
        expect(await registry.version(model, "candidate")).toBe("2");
        const { code, output } = await step("promote");
        expect(code).toBe(3);
        expect(output).toContain("version 2 is not better");
        expect(await registry.version(model, "production")).toBe("1");
    });
});

/** A few rows as a request has them. */
const firstRows = () => ({ columns: own.columns, data: own.data.slice(0, 2) });

describe("monitor, and whether that is adequate", () => {
    it("yes: twenty windows without drift raise one false alarm at most, and production is kept", async () => {
        // What was asked until now is not a sample of anything.
        const load10 = await load?.stop();
        expect(load10?.length).toBeGreaterThan(20);
        load = undefined;
        earlier = load10 ?? [];
        await inProject("windows.py", "calm", inside, "20");
        const verdicts = (await runs("lifecycle-monitoring", "tags.step = 'monitor'")).map((found) =>
            tag(found, "verdict"),
        );
        expect(verdicts).toHaveLength(20);
        expect(verdicts.filter((verdict) => verdict !== "adequate").length).toBeLessThanOrEqual(1);
        expect(await registry.version(model, "production")).toBe("1");
    });

    it("no → retrain → promoted: what came true shows that it is wrong, and a better version takes over", async () => {
        const { id, labels } = lastLine(await inProject("windows.py", "drifted", inside)) as {
            id: string;
            labels: number[];
        };
        const { code } = await step("monitor", "window=200", "retrain=false");
        expect(code).toBe(3);
        const drifted = (await runs("lifecycle-monitoring", "tags.step = 'monitor'")).at(-1);
        expect(drifted === undefined ? "" : tag(drifted, "reason")).toContain("drift of");

        const directory = mkdtempSync(join(tmpdir(), "labels-"));
        const file = join(directory, "labels.csv");
        writeFileSync(
            file,
            `prediction_id,row,label\n${labels.map((label, row) => `${id},${row},${label}\n`).join("")}`,
        );
        expect(await checkout.ok("labels", [model, file, "--stack", stack])).toContain("200 labels joined");
        rmSync(directory, { recursive: true });
        load = served.load({ dataframe_split: firstRows() });
        // What is asked meanwhile fills the window; predictions with labels count whenever they were made.
        await done("monitor", "window=200", "promote=auto");
        expect(await registry.version(model, "production")).toBe("3");
        expect(await registry.version(model, "previous")).toBe("1");
        await served.serves("3");
        // A few requests more, which it answers.
        await new Promise((resolve) => setTimeout(resolve, 1000));
    });

    it("goes back by one command", async () => {
        const answers = [...earlier, ...((await load?.stop()) ?? [])];
        load = undefined;
        const first = answers.findIndex(({ status }) => status === 200);
        // Before there was a version, the reason; from the first answer on nothing but answers.
        expect(answers.slice(0, first).filter(({ status }) => status !== 503)).toEqual([]);
        expect(answers.slice(first).filter(({ status }) => status !== 200)).toEqual([]);
        const versions = answers.slice(first).map(({ version }) => version);
        expect(isMonotonous(versions)).toBe(true);
        expect(new Set(versions)).toEqual(new Set(["1", "3"]));
        await done("rollback");
        expect(await registry.version(model, "production")).toBe("1");
        await served.serves("1");
    });
});
let earlier: Answer[] = [];

// Side by side: none needs what another one makes.
describe.concurrent("the loop", () => {
    it("passes with another seed and another data set, given by parameters, and promotes by itself if told to", async () => {
        await done("loop", "dataset=diabetes", "seed=7", "trials=20", "promote=auto");
        expect(await registry.version("diabetes", "production")).toBe("1");
    });

    it("runs by mlflow run in the image's container, too", async () => {
        const prepared = async () =>
            (await runs("lifecycle", "tags.step = 'prepare' and tags.dataset = 'wine'")).length;
        const before = await prepared();
        await execa(
            await python(),
            [
                ...["-m", "mlflow", "run", join(checkout.directory, "examples", "lifecycle"), "--build-image"],
                ...["--docker-args", "network=host", "--entry-point", "prepare", "--param-list", "dataset=wine"],
                ...["--experiment-name", "lifecycle"],
            ],
            { env: { MLFLOW_TRACKING_URI: trackingUri, MLFLOW_DISABLE_TELEMETRY: "true" } },
        );
        expect(await prepared()).toBe(before + 1);
    });

    const wrong: [string, string, string[], string][] = [
        ["a dataset that there is not", "prepare", ["dataset=tulips"], 'there is no dataset "tulips"'],
        ["a run that there is not", "train", ["data=nothing"], 'there is no run "nothing"'],
        ["a file that there is not", "evaluate", ["run=x", "thresholds=nothing.yaml"], "nothing.yaml"],
    ];
    it.each(process.env.MLFLOW_PLATFORM_TEST_LONG === undefined ? wrong.slice(0, 1) : wrong)(
        "says what is wrong with %s, and ends with 2",
        async (_, name, parameters, words) => {
            const { code, output } = await step(name, ...parameters);
            expect({ code, said: output.includes(words) }).toEqual({ code: 2, said: true });
        },
    );
});

/** Where screenshots go: named by this variable they are those of the documentation. */
const screenshots = process.env.MLFLOW_PLATFORM_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "screenshots-"));

describe.concurrent("in a real browser", () => {
    it("everything can be seen", async () => {
        mkdirSync(screenshots, { recursive: true });
        const { experiment_id: id } = await experiment("lifecycle");
        const { experiment_id: monitoring } = await experiment("lifecycle-monitoring");
        const [series] = await runs("lifecycle-monitoring", "tags.step = 'monitor-series'");
        const plot = (await artifacts(weakRun)).find((path) => path.endsWith(".png")) ?? "";
        await withBrowser({}, async (browser) => {
            const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
            page.setDefaultTimeout(patience);
            // The parts of the UI that are for training, and no assistant beside them.
            await page.addInitScript(() => {
                localStorage.setItem("mlflow.workflowType_v1", '"machine_learning"');
                localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
                localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
            });
            const open = async (path: string, ...texts: string[]) => {
                // Another fragment alone would not be another page.
                await page.goto("about:blank");
                await page.goto(`${trackingUri}/#/${path}`);
                for (const text of texts) {
                    await shown(page, text);
                }
            };
            const shoot = async (name: string) => page.screenshot({ path: join(screenshots, `${name}.png`) });
            const see = async (name: string, path: string, ...texts: string[]) => {
                await open(path, ...texts);
                await shoot(name);
            };
            await see("experiment", `experiments/${id}/runs`, "promote", "evaluate");
            const nested = encodeURIComponent(`tags.mlflow.parentRunId = '${tuningRun}'`);
            await open(`experiments/${id}/runs?searchFilter=${nested}`, "tune");
            await page.locator('button[data-component-id*="runnamecellrenderer"]').first().click();
            await shown(page, "trial 19");
            await shoot("tuning");
            await see("plot", `experiments/${id}/runs/${weakRun}/artifacts/${plot}`, plot.split("/").at(-1) ?? "");
            await see("model", `models/${model}`, model, "@ production");
            await open(`experiments/${monitoring}/runs/${series?.info.run_id ?? ""}/model-metrics`, "largest_psi");
            await page.locator(".js-plotly-plot .main-svg").first().waitFor();
            await shoot("monitoring");
        });
    });
});

/** Waits until a text is to be seen. */
async function shown(page: Page, text: string): Promise<void> {
    await eventually(
        () => page.getByText(text, { exact: false }).first().isVisible(),
        (visible) => visible,
        60,
    );
}
