/** A look at the running platform from outside, as a client on this host sees it: MLflow's REST API by HTTP. */
import { randomUUID } from "node:crypto";
import { AnswerError, TrackingApi, type Way } from "./trackingApi.ts";

/** The experiment of the check's runs; it is deleted whenever no check is under way. */
const experimentName = "platform-check";

interface Experiment {
    experiment_id: string;
    lifecycle_stage: string;
}

/** The id of the check's experiment, made or restored. */
async function openExperiment(api: TrackingApi): Promise<string> {
    const path = `/api/2.0/mlflow/experiments/get-by-name?experiment_name=${experimentName}`;
    const found = await api.json<{ experiment: Experiment }>("GET", path).catch((error: unknown) => {
        if (error instanceof AnswerError && error.status === 404) {
            return undefined;
        }
        throw error;
    });
    if (found === undefined) {
        const name = { name: experimentName };
        return (await api.json<{ experiment_id: string }>("POST", "/api/2.0/mlflow/experiments/create", name))
            .experiment_id;
    }
    const { experiment_id: id, lifecycle_stage: stage } = found.experiment;
    if (stage === "deleted") {
        await api.request("POST", "/api/2.0/mlflow/experiments/restore", { experiment_id: id });
    }
    return id;
}

/** Fetches an artifact by a URL that the server signs for this host. */
async function fetchPresigned(api: TrackingApi, path: string): Promise<string> {
    const { url } = await api.json<{ url: string }>("GET", `/api/2.0/mlflow-artifacts/presigned${path}`);
    try {
        return await (await api.request("GET", url)).text();
    } catch (error) {
        throw new Error(
            `artifactTransfer is presigned, and S3 cannot be used at ${new URL(url).origin}: ${(error as Error).message}`,
            { cause: error },
        );
    }
}

/**
 * Logs a run with a metric and an artifact, reads both back, and deletes them again; with `presigned` the artifact also comes
 * straight from the store. Throws what went wrong.
 */
export async function checkRoundTrip(way: Way, presigned: boolean): Promise<void> {
    const api = new TrackingApi(way);
    try {
        const experimentId = await openExperiment(api);
        try {
            const { run } = await api.json<{ run: { info: { run_id: string; artifact_uri: string } } }>(
                "POST",
                "/api/2.0/mlflow/runs/create",
                { experiment_id: experimentId, run_name: "check from outside", start_time: Date.now() },
            );
            const { run_id: runId, artifact_uri: artifactUri } = run.info;
            const metric = { run_id: runId, key: "check", value: 42, timestamp: Date.now() };
            await api.request("POST", "/api/2.0/mlflow/runs/log-metric", metric);
            const path = `${new URL(artifactUri).pathname}/check.txt`;
            const artifact = `/api/2.0/mlflow-artifacts/artifacts${path}`;
            const content = randomUUID();
            await api.request("PUT", artifact, new TextEncoder().encode(content));
            const back = await (await api.request("GET", artifact)).text();
            const signed = presigned ? await fetchPresigned(api, path) : content;
            for (const text of [back, signed]) {
                if (text !== content) {
                    throw new Error(`the artifact came back as ${JSON.stringify(text.slice(0, 80))}`);
                }
            }
            const read = await api.json<{ run: { data: { metrics?: { key: string; value: number }[] } } }>(
                "GET",
                `/api/2.0/mlflow/runs/get?run_id=${runId}`,
            );
            if (read.run.data.metrics?.find(({ key }) => key === "check")?.value !== 42) {
                throw new Error("the metric did not come back");
            }
            await api.request("DELETE", artifact);
            await api.request("POST", "/api/2.0/mlflow/runs/delete", { run_id: runId });
        } finally {
            await api.request("POST", "/api/2.0/mlflow/experiments/delete", { experiment_id: experimentId });
        }
    } finally {
        await api.close();
    }
}

/** Reads from the database and changes nothing. Throws what went wrong. */
export async function checkReading(way: Way): Promise<void> {
    const api = new TrackingApi(way);
    try {
        await api.request("GET", "/api/2.0/mlflow/experiments/search?max_results=1");
    } finally {
        await api.close();
    }
}
