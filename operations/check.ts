/** A look at the running platform from outside, as a client on this host sees it: MLflow's REST API by HTTP. */
import { randomUUID } from "node:crypto";

/** What the check needs of the stack's outputs. */
export interface Platform {
    readonly trackingUri: string;
}

/** The experiment of the check's runs; it is deleted whenever no check is under way. */
const experimentName = "platform-check";

async function request(uri: string, method: string, path: string, body?: unknown): Promise<Response> {
    const raw = body instanceof Uint8Array;
    const response = await fetch(new URL(path, uri), {
        method,
        ...(body === undefined
            ? {}
            : {
                  body: raw ? Buffer.from(body) : JSON.stringify(body),
                  headers: { "content-type": raw ? "application/octet-stream" : "application/json" },
              }),
        signal: AbortSignal.timeout(60_000),
    });
    if (!response.ok) {
        throw new Error(`${method} ${path} answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
    }
    return response;
}

interface Experiment {
    experiment_id: string;
    lifecycle_stage: string;
}

/** The id of the check's experiment, made or restored. */
async function openExperiment(uri: string): Promise<string> {
    const found = await fetch(
        new URL(`/api/2.0/mlflow/experiments/get-by-name?experiment_name=${experimentName}`, uri),
    );
    if (found.status === 404) {
        const made = await request(uri, "POST", "/api/2.0/mlflow/experiments/create", { name: experimentName });
        return ((await made.json()) as { experiment_id: string }).experiment_id;
    }
    if (!found.ok) {
        throw new Error(`experiments/get-by-name answered ${found.status}: ${(await found.text()).slice(0, 500)}`);
    }
    const { experiment } = (await found.json()) as { experiment: Experiment };
    if (experiment.lifecycle_stage === "deleted") {
        await request(uri, "POST", "/api/2.0/mlflow/experiments/restore", { experiment_id: experiment.experiment_id });
    }
    return experiment.experiment_id;
}

/** Logs a run with a metric and an artifact, reads both back, and deletes them again. Throws what went wrong. */
export async function checkRoundTrip({ trackingUri }: Platform): Promise<void> {
    const experimentId = await openExperiment(trackingUri);
    try {
        const { run } = (await (
            await request(trackingUri, "POST", "/api/2.0/mlflow/runs/create", {
                experiment_id: experimentId,
                run_name: "check from outside",
                start_time: Date.now(),
            })
        ).json()) as { run: { info: { run_id: string; artifact_uri: string } } };
        const { run_id: runId, artifact_uri: artifactUri } = run.info;
        await request(trackingUri, "POST", "/api/2.0/mlflow/runs/log-metric", {
            run_id: runId,
            key: "check",
            value: 42,
            timestamp: Date.now(),
        });
        const artifact = `/api/2.0/mlflow-artifacts/artifacts${new URL(artifactUri).pathname}/check.txt`;
        const content = randomUUID();
        await request(trackingUri, "PUT", artifact, new TextEncoder().encode(content));
        const back = await (await request(trackingUri, "GET", artifact)).text();
        if (back !== content) {
            throw new Error(`the artifact came back as ${JSON.stringify(back.slice(0, 80))}`);
        }
        const read = (await (await request(trackingUri, "GET", `/api/2.0/mlflow/runs/get?run_id=${runId}`)).json()) as {
            run: { data: { metrics?: { key: string; value: number }[] } };
        };
        if (read.run.data.metrics?.find(({ key }) => key === "check")?.value !== 42) {
            throw new Error("the metric did not come back");
        }
        await request(trackingUri, "DELETE", artifact);
        await request(trackingUri, "POST", "/api/2.0/mlflow/runs/delete", { run_id: runId });
    } finally {
        await request(trackingUri, "POST", "/api/2.0/mlflow/experiments/delete", { experiment_id: experimentId });
    }
}

/** Reads from the database and changes nothing. Throws what went wrong. */
export async function checkReading({ trackingUri }: Platform): Promise<void> {
    await request(trackingUri, "GET", "/api/2.0/mlflow/experiments/search?max_results=1");
}
