/** The check from outside: what it asks of MLflow, in which order, and what it says where something does not come back. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkReading, checkRoundTrip } from "../../../operations/check.ts";
import { type Answer, type Asked, type Served, basic, serve } from "../support/servers.ts";

const login = { username: "admin", password: "word" };
const api = "/api/2.0/mlflow";

/** MLflow and the store, as far as the check sees them. */
let experiment: { id: string; stage: "active" | "deleted" } | undefined;
let artifacts: Record<string, string>;
/** Start of "METHOD path" → an answer instead of the usual one. */
let instead: Record<string, (usual: Answer) => Answer>;
let mlflow: Served;
let store: Served;

const usual = ({ method, path, body }: Asked): Answer => {
    const url = new URL(path, "http://mlflow");
    const none = { status: 404, body: "RESOURCE_DOES_NOT_EXIST" };
    const artifact = url.pathname.replace(/^\/api\/2\.0\/mlflow-artifacts\/(artifacts|presigned)/, "");
    if (artifact !== url.pathname) {
        if (url.pathname.includes("/presigned/")) {
            return { body: { url: `${store.url}/bucket${artifact}?X-Amz-Signature=planted` } };
        }
        if (method === "PUT") {
            artifacts[artifact] = body;
        }
        const content = artifacts[artifact];
        if (method === "DELETE") {
            artifacts = {};
        }
        return content === undefined ? none : { body: content };
    }
    switch (`${method} ${url.pathname}`) {
        case `GET ${api}/experiments/get-by-name`:
            return experiment === undefined
                ? none
                : { body: { experiment: { experiment_id: experiment.id, lifecycle_stage: experiment.stage } } };
        case `POST ${api}/experiments/create`:
            experiment = { id: "3", stage: "active" };
            return { body: { experiment_id: "3" } };
        case `POST ${api}/experiments/restore`:
            experiment = { id: "3", stage: "active" };
            return {};
        case `POST ${api}/experiments/delete`:
            experiment = { id: "3", stage: "deleted" };
            return {};
        case `POST ${api}/runs/create`:
            return { body: { run: { info: { run_id: "r1", artifact_uri: "mlflow-artifacts:/3/r1/artifacts" } } } };
        case `GET ${api}/runs/get`:
            return { body: { run: { data: { metrics: [{ key: "check", value: 42 }] } } } };
        default:
            return {};
    }
};

beforeEach(async () => {
    experiment = undefined;
    artifacts = {};
    instead = {};
    const answer = (asked: Asked): Answer => {
        const [, other] =
            Object.entries(instead).find(([start]) => `${asked.method} ${asked.path}`.startsWith(start)) ?? [];
        const first = usual(asked);
        return other === undefined ? first : other(first);
    };
    mlflow = await serve(answer);
    store = await serve((asked) => {
        const content = artifacts[new URL(asked.path, "http://store").pathname.replace("/bucket", "")];
        const first = content === undefined ? { status: 404 } : { body: content };
        return instead.store?.(first) ?? first;
    });
});
afterEach(async () => {
    await Promise.all([mlflow.close(), store.close()]);
});

const file = "/3/r1/artifacts/check.txt";
const requests = ({ asked }: Served) => asked.map(({ method, path }) => `${method} ${path.replace(`${api}/`, "/")}`);
const byName = "GET /experiments/get-by-name?experiment_name=platform-check";
const round = [
    "POST /runs/create",
    "POST /runs/log-metric",
    `PUT /api/2.0/mlflow-artifacts/artifacts${file}`,
    `GET /api/2.0/mlflow-artifacts/artifacts${file}`,
    "GET /runs/get?run_id=r1",
    `DELETE /api/2.0/mlflow-artifacts/artifacts${file}`,
    "POST /runs/delete",
    "POST /experiments/delete",
];
const way = () => ({ trackingUri: mlflow.url, login });

describe("the round trip", () => {
    it.each<[string, typeof experiment, string[]]>([
        ["makes its experiment at first", undefined, [byName, "POST /experiments/create"]],
        ["restores it later", { id: "3", stage: "deleted" }, [byName, "POST /experiments/restore"]],
        ["takes it as it is where a check was cut off", { id: "3", stage: "active" }, [byName]],
    ])("%s, and leaves nothing behind", async (_words, before, first) => {
        experiment = before;
        await checkRoundTrip(way(), false);
        expect(requests(mlflow)).toEqual([...first, ...round]);
        expect([experiment, artifacts]).toEqual([{ id: "3", stage: "deleted" }, {}]);
        expect(store.asked).toEqual([]);
    });

    it("is a client's: with the login, a run, a metric and an artifact", async () => {
        await checkRoundTrip(way(), false);
        expect(new Set(mlflow.asked.map(({ authorization }) => authorization))).toEqual(
            new Set([basic("admin", "word")]),
        );
        const bodies = Object.fromEntries(mlflow.asked.map(({ path, method, body }) => [`${method} ${path}`, body]));
        const sent = (path: string) => JSON.parse(bodies[`POST ${api}/${path}`] ?? "") as object;
        expect(sent("experiments/create")).toEqual({ name: "platform-check" });
        expect(sent("runs/create")).toEqual({
            experiment_id: "3",
            run_name: "check from outside",
            start_time: expect.any(Number) as number,
        });
        expect(sent("runs/log-metric")).toEqual({
            run_id: "r1",
            key: "check",
            value: 42,
            timestamp: expect.any(Number) as number,
        });
        expect(bodies[`PUT /api/2.0/mlflow-artifacts/artifacts${file}`]).toMatch(/^[0-9a-f-]{36}$/);
        expect(sent("runs/delete")).toEqual({ run_id: "r1" });
        expect(sent("experiments/delete")).toEqual({ experiment_id: "3" });
    });

    it("fetches the artifact from the store as well, without the login, where clients do", async () => {
        await checkRoundTrip(way(), true);
        expect(requests(mlflow)).toEqual([
            byName,
            "POST /experiments/create",
            ...round.slice(0, 4),
            `GET /api/2.0/mlflow-artifacts/presigned${file}`,
            ...round.slice(4),
        ]);
        expect(store.asked.map(({ path, authorization }) => [path, authorization])).toEqual([
            [`/bucket${file}?X-Amz-Signature=planted`, undefined],
        ]);
    });

    it.each<[string, string, (first: Answer) => Answer, boolean, string]>([
        [
            "an artifact that came back as another",
            "GET /api/2.0/mlflow-artifacts/artifacts",
            () => ({ body: `<html>${"x".repeat(100)}` }),
            false,
            `the artifact came back as "<html>${"x".repeat(74)}"`,
        ],
        ["the same of the store", "store", () => ({ body: "other" }), true, 'the artifact came back as "other"'],
        [
            "a metric that did not come back",
            `GET ${api}/runs/get`,
            () => ({ body: { run: { data: {} } } }),
            false,
            "the metric did not come back",
        ],
        [
            "a metric of another value",
            `GET ${api}/runs/get`,
            () => ({ body: { run: { data: { metrics: [{ key: "check", value: 41 }] } } } }),
            false,
            "the metric did not come back",
        ],
        [
            "an answer that is an error",
            `POST ${api}/runs/log-metric`,
            () => ({ status: 500, body: "no luck" }),
            false,
            `POST ${api}/runs/log-metric answered 500: no luck`,
        ],
    ])("ends in %s, and its experiment is deleted all the same", async (_words, start, other, presigned, message) => {
        instead[start] = other;
        await expect(checkRoundTrip(way(), presigned)).rejects.toThrow(expect.objectContaining({ message }) as Error);
        expect(requests(mlflow).at(-1)).toBe("POST /experiments/delete");
    });

    it("makes no experiment where it cannot tell whether there is one", async () => {
        instead[`GET ${api}/experiments/get-by-name`] = () => ({ status: 401, body: "who?" });
        await expect(checkRoundTrip(way(), false)).rejects.toThrow(
            `GET ${api}/experiments/get-by-name answered 401: who?`,
        );
        expect(requests(mlflow)).toEqual([byName]);
    });

    it.each<[string, () => Promise<void>, (port: number) => string]>([
        ["does not answer", () => store.close(), (port) => `connect ECONNREFUSED 127.0.0.1:${port}`],
        [
            "refuses what was signed",
            () => {
                instead.store = () => ({ status: 403, body: "SignatureDoesNotMatch" });
                return Promise.resolve();
            },
            () => `GET /bucket${file} answered 403: SignatureDoesNotMatch`,
        ],
    ])("names artifactTransfer and the store's address, not the signature, where that %s", async (_words, act, why) => {
        const { url, port } = store;
        await act();
        const error = await checkRoundTrip(way(), true).catch((some: unknown) => some as Error);
        expect((error as Error).message).toBe(
            `artifactTransfer is presigned, and S3 cannot be used at ${url}: ${why(port)}`,
        );
    });
});

describe("the reading", () => {
    it("asks for one experiment and changes nothing", async () => {
        await checkReading(way());
        expect(requests(mlflow)).toEqual(["GET /experiments/search?max_results=1"]);
        expect(mlflow.asked[0]?.authorization).toBe(basic("admin", "word"));
    });

    it("throws what went wrong", async () => {
        instead[`GET ${api}/experiments/search`] = () => ({ status: 503, body: "busy" });
        await expect(checkReading(way())).rejects.toThrow(`GET ${api}/experiments/search answered 503: busy`);
    });
});
