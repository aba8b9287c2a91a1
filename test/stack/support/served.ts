/** Served models of a stack, as tests make, promote and call them. */
import { Agent, fetch } from "undici";
import type { Checkout } from "./checkout.ts";
import { ForkServer } from "./forkServer.ts";
import { lastLine, scripts } from "./python.ts";

/** What a model server says of itself. */
export interface Status {
    readonly state: string;
    readonly version: string | null;
    readonly reason: string | null;
    readonly candidate: { readonly version: string; readonly state: string; readonly reason: string | null } | null;
    readonly recording: { readonly written: number; readonly dropped: number };
}

/** Entries of `modelServers` as keys for `config set-all --path`. */
export async function setModels(
    checkout: Checkout,
    stack: string,
    models: readonly Readonly<Record<string, string | number>>[],
): Promise<void> {
    await checkout.pulumi(stack, "config", "rm", "modelServers").catch(() => undefined);
    const args = models.flatMap((model, index) =>
        Object.entries(model).flatMap(([field, value]) => ["--plaintext", `modelServers[${index}].${field}=${value}`]),
    );
    if (args.length > 0) {
        await checkout.pulumi(stack, "config", "set-all", "--path", ...args);
    }
}

/** Asks until an answer is the wanted one; throws with the last answer when the time is over. */
export async function eventually<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean, seconds = 180): Promise<T> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
        const answer = await ask();
        if (wanted(answer)) {
            return answer;
        }
        if (Date.now() > deadline) {
            throw new Error(`still ${JSON.stringify(answer)} after ${seconds} s`);
        }
        await new Promise((resolve) => setTimeout(resolve, 250));
    }
}

/** Connections by TLS to what the stack's authority has signed. */
const trusting = (authority: string | undefined) =>
    authority === undefined ? {} : { dispatcher: new Agent({ connect: { ca: authority } }) };

/** A stack's registry and model servers, for its administrator. */
export class Registry {
    readonly #connections;
    readonly #stack;
    readonly #trackingUri;
    readonly #image;
    readonly #login;
    #python: ForkServer | undefined;

    constructor(
        stack: string,
        trackingUri: string,
        image: string,
        login: { readonly username: string; readonly password: string },
        authority?: string,
    ) {
        this.#stack = stack;
        this.#trackingUri = trackingUri;
        this.#image = image;
        this.#login = login;
        this.#connections = trusting(authority);
    }

    /** Registers a version of one kind by test/stack/log_model.py, with the Python of the model image. */
    async log(kind: string, model: string, setting?: string): Promise<string> {
        this.#python ??= new ForkServer(
            [
                ...[
                    "docker",
                    "run",
                    "--rm",
                    "--interactive",
                    "--no-healthcheck",
                    `--network=mlflow-platform-${this.#stack}-backend`,
                ],
                ...["--volume", `${scripts}:/scripts:ro`, "--env", "MLFLOW_TRACKING_URI=http://mlflow:5000"],
                ...["--env", "PYTHONDONTWRITEBYTECODE=1"],
                ...["--env", `MLFLOW_TRACKING_USERNAME=${this.#login.username}`],
                ...["--env", `MLFLOW_TRACKING_PASSWORD=${this.#login.password}`],
                ...[this.#image, "python"],
            ],
            "/scripts",
        );
        return lastLine(
            await this.#python.run("log_model.py", [kind, model, ...(setting === undefined ? [] : [setting])]),
        ) as string;
    }

    /** Ends the container that registers versions: the stack's network cannot go before it. */
    async close(): Promise<void> {
        await this.#python?.close();
    }

    /** A request to MLflow's REST API. */
    async mlflow<T>(method: string, path: string, body?: unknown): Promise<T> {
        const { username, password } = this.#login;
        const response = await fetch(`${this.#trackingUri}/api/2.0/mlflow/${path}`, {
            ...this.#connections,
            method,
            headers: {
                authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
                "content-type": "application/json",
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        if (!response.ok) {
            throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
        }
        return JSON.parse(text) as T;
    }

    /** Moves an alias. */
    async promote(model: string, version: string, alias = "production"): Promise<void> {
        await this.mlflow("POST", "registered-models/alias", { name: model, alias, version });
    }

    /** The version that has an alias; undefined where none has. */
    async version(model: string, alias: string): Promise<string | undefined> {
        const query = new URLSearchParams({ name: model, alias });
        try {
            const { model_version: found } = await this.mlflow<{ model_version: { version: string } }>(
                "GET",
                `registered-models/alias?${query}`,
            );
            return found.version;
        } catch {
            return undefined;
        }
    }
}

/** One model server at its published port, which is the gateway's where there is one. */
export class Served {
    readonly #connections;
    readonly #url;
    readonly #authorization: Readonly<Record<string, string>>;

    constructor(url: string, gateway?: { readonly authority: string; readonly token: string }) {
        this.#url = url;
        this.#connections = trusting(gateway?.authority);
        this.#authorization = gateway === undefined ? {} : { authorization: `Bearer ${gateway.token}` };
    }

    #fetch(path: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
        const headers = { ...this.#authorization, ...init.headers };
        return fetch(`${this.#url}${path}`, { ...this.#connections, ...init, headers });
    }

    /** What it says of itself; while its container starts, that. */
    async status(): Promise<Status> {
        try {
            return (await (await this.#fetch("/status")).json()) as Status;
        } catch (error) {
            const nothing = { version: null, candidate: null, recording: { written: 0, dropped: 0 } };
            return { state: "away", reason: String(error), ...nothing };
        }
    }

    /** Waits until a version answers. */
    async serves(version: string, seconds = 240): Promise<Status> {
        return eventually(
            () => this.status(),
            (status) => status.state === "serving" && status.version === version,
            seconds,
        );
    }

    /** Waits until a version has failed; returns why. */
    async refuses(version: string, seconds = 240): Promise<string> {
        const { candidate } = await eventually(
            () => this.status(),
            (status) => status.candidate?.version === version && status.candidate.state === "failed",
            seconds,
        );
        return candidate?.reason ?? "";
    }

    /** An answer of /invocations. */
    async ask(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
        const response = await this.#fetch("/invocations", {
            method: "POST",
            headers: { "content-type": "application/json", ...headers },
            body: typeof body === "string" ? body : JSON.stringify(body),
        });
        const text = await response.text();
        return {
            status: response.status,
            version: response.headers.get("x-model-version") ?? "",
            id: response.headers.get("x-prediction-id") ?? "",
            text,
        };
    }

    /** The predictions for rows of named columns. */
    async predict(columns: readonly string[], data: readonly (readonly number[])[]): Promise<unknown[]> {
        const { status, text } = await this.ask({ dataframe_split: { columns, data } });
        if (status !== 200) {
            throw new Error(`it answered ${status}: ${text}`);
        }
        return (JSON.parse(text) as { predictions: unknown[] }).predictions;
    }

    /** Asks ten times a second until `stop`, which returns every answer in the order of the requests. */
    load(body: unknown): { stop: () => Promise<Answer[]> } {
        const answers: Promise<Answer>[] = [];
        const send = () => {
            answers.push(
                this.ask(body).catch((error: unknown) => ({ status: 0, version: "", id: "", text: String(error) })),
            );
        };
        const timer = setInterval(send, 100);
        return {
            stop: () => {
                clearInterval(timer);
                return Promise.all(answers);
            },
        };
    }
}

/** What a model server answered. */
export interface Answer {
    readonly status: number;
    /** X-Model-Version. */
    readonly version: string;
    /** X-Prediction-Id. */
    readonly id: string;
    readonly text: string;
}

/** Whether versions never go back. */
export function isMonotonous(versions: readonly string[]): boolean {
    return versions.every((version, index) => index === 0 || Number(version) >= Number(versions[index - 1]));
}
