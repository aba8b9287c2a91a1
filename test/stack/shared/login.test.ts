/** Login: who is let in, to what, and how people are added and taken away. */
import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { docker, sql } from "../support/engine.ts";
import { basic, plantedValues } from "../support/platforms.ts";

const platform = inject("planted");
const { stack, trackingUri } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);
const value = (key: string) => plantedValues[key]?.value ?? "";
const server = `mlflow-platform-${stack}-mlflow`;

const administrator = basic(value("adminUsername"), value("adminPassword"));

async function ask(
    path: string,
    headers: Record<string, string> = {},
    method = "GET",
    body?: unknown,
): Promise<{ status: number; text: string; headers: Headers }> {
    const response = await fetch(new URL(path, trackingUri), {
        method,
        headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "manual",
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
}

/** Every route of the running server, Flask's and FastAPI's, with its methods; parameters are filled in. */
async function routes(): Promise<{ method: string; path: string }[]> {
    const output = await docker("exec", server, "/opt/mlflow/bin/python", "-m", "platform_server.routes");
    return output.split("\n").flatMap((line) => {
        const [, method = "", path = ""] = /^([A-Z]+) (\/.*)$/.exec(line) ?? [];
        return method === "" || method === "WEBSOCKET"
            ? []
            : [{ method, path: path.replaceAll(/<[^>]+>|\{[^}]+\}/g, "x") }];
    });
}

describe("without credentials", () => {
    it("every route of the server's own table answers 401 but health, static files and server-info", async () => {
        const all = await routes();
        // Flask's and FastAPI's are both there.
        expect(all.length).toBeGreaterThan(300);
        const open: string[] = [];
        for (const { method, path } of all) {
            const { status } = await ask(path, {}, method);
            if (status !== 401) {
                open.push(`${method} ${path} ${status}`);
            }
        }
        expect(
            open.filter(
                (line) =>
                    !/^(GET|HEAD|OPTIONS) \/(health|static-files\/|favicon.ico|(ajax-)?api\/3.0\/mlflow\/server-info)/.test(
                        line,
                    ),
            ),
        ).toEqual([]);
        expect(open).toContain("GET /health 200");
    });

    it.each(["/", "/version", "/metrics", "/graphql", "/no/such/path", "/signup"])("%s is closed", async (path) => {
        const { status, headers } = await ask(path);
        expect(status).toBe(401);
        expect(headers.get("www-authenticate")).toMatch(/^Basic /);
    });
});

it.each([
    ["a wrong password", value("adminUsername"), "not the password"],
    ["somebody who is not there", "nobody", "not the password"],
    ["MLflow's former default", "admin", "password1234"],
    ["an empty password", value("adminUsername"), ""],
])("%s is 401", async (_, name, password) => {
    for (const path of [
        "/",
        "/api/2.0/mlflow/experiments/search?max_results=1",
        "/api/2.0/mlflow-artifacts/artifacts",
    ]) {
        expect([path, (await ask(path, basic(name, password))).status]).toEqual([path, 401]);
    }
});

it("the administrator is the one of the configuration, in tables of their own", async () => {
    expect((await ask("/api/2.0/mlflow/experiments/search?max_results=1", administrator)).status).toBe(200);
    const database = value("pgDatabase");
    expect(await sql(stack, "select username, is_admin from mlflow_auth.users", database)).toContain(
        `${value("adminUsername")}|t`,
    );
    expect(await sql(stack, "select to_regclass('public.users')", database)).toEqual([]);
    const owners = "select distinct tableowner from pg_tables where schemaname = 'mlflow_auth'";
    expect(await sql(stack, owners, database)).toEqual(["mlflow_platform_owner"]);
    const may = (role: string) =>
        sql(stack, `select has_schema_privilege('${role}', 'mlflow_auth', 'usage')`, database);
    expect(await may(value("pgUser"))).toEqual(["f"]);
    expect(await may(value("pgAuthUser"))).toEqual(["t"]);
});

describe("people", () => {
    const tag = randomBytes(3).toString("hex");
    const experiment = `shared ${tag}`;
    const hidden = `hidden ${tag}`;
    const model = `model-${tag}`;
    const name = `ana-${tag}`;
    let ids: string[];
    let mine: Record<string, string>;

    /** The credentials in a printed script. */
    const credentials = async (script: string) => {
        const { stdout } = await execa("sh", [
            "-euc",
            `${script}\nprintf '%s\\0' "$MLFLOW_TRACKING_USERNAME" "$MLFLOW_TRACKING_PASSWORD"`,
        ]);
        const [username = "", password = ""] = stdout.split("\0");
        return basic(username, password);
    };

    beforeAll(async () => {
        const make = async (title: string) =>
            (
                JSON.parse(
                    (await ask("/api/2.0/mlflow/experiments/create", administrator, "POST", { name: title })).text,
                ) as { experiment_id: string }
            ).experiment_id;
        ids = [await make(experiment), await make(hidden)];
        await ask("/api/2.0/mlflow/registered-models/create", administrator, "POST", { name: model });
        mine = await credentials(
            await checkout.printed("user", "add", name, "--read", experiment, "--edit", model, "--stack", stack),
        );
    });
    afterAll(async () => {
        await checkout.ok("user", ["remove", name, "--stack", stack]);
    });

    it("may what they were given, and what everybody may (defaultPermission)", async () => {
        const get = (id: string | undefined) => ask(`/api/2.0/mlflow/experiments/get?experiment_id=${id ?? ""}`, mine);
        expect((await get(ids[0])).status).toBe(200);
        const rename = (id: string | undefined) =>
            ask("/api/2.0/mlflow/experiments/update", mine, "POST", { experiment_id: id, new_name: `x ${tag}` });
        expect((await rename(ids[0])).status).toBe(403);
        // This platform lets everybody read (READ).
        expect((await get(ids[1])).status).toBe(200);
        const describe = await ask("/api/2.0/mlflow/registered-models/update", mine, "PATCH", {
            name: model,
            description: "hers",
        });
        expect(describe.status).toBe(200);
        expect((await ask("/api/2.0/mlflow/registered-models/delete", mine, "DELETE", { name: model })).status).toBe(
            403,
        );
        expect(
            (await ask("/api/2.0/mlflow/users/create", mine, "POST", { username: "x", password: "y".repeat(12) }))
                .status,
        ).toBe(403);
    });

    it("are listed with what they may", async () => {
        expect(await checkout.printed("user", "list", name, "--stack", stack)).toBe(
            `${name}\tREAD experiment ${ids[0] ?? ""}\tEDIT model ${model}`,
        );
        expect(await checkout.printed("user", "list", "--stack", stack)).toContain(
            `${value("adminUsername")}\tadministrator`,
        );
    });

    it("get another password, and the earlier one is no longer good", async () => {
        const before = mine;
        mine = await credentials(await checkout.printed("user", "reset", name, "--admin", "--stack", stack));
        await expect.poll(async () => (await ask("/", before)).status, { timeout: 20_000 }).toBe(401);
        expect((await ask("/api/2.0/mlflow/users/list", mine)).status).toBe(200);
    });

    it("are not changed by a command that makes no sense: it says why", async () => {
        const refused: [string[], string][] = [
            [["add", name], `There is a user ${name} already.`],
            [
                ["add", `other-${tag}`, "--read", "no such experiment"],
                'There is no experiment or registered model called "no such experiment".',
            ],
            [["reset", `nobody-${tag}`], `There is no user nobody-${tag} in stack ${stack}.`],
            [["remove", value("adminUsername")], `${value("adminUsername")} is the administrator of stack ${stack}`],
            [["add", "a:b"], '"a:b" is not of 1 to 255 ASCII characters without a colon'],
        ];
        const before = await checkout.printed("user", "list", "--stack", stack);
        await Promise.all(
            refused.map(async ([args, words]) => {
                const { code, output } = await checkout.run("user", [...args, "--stack", stack]);
                expect(code).toBe(1);
                expect(output).toContain(words);
                expect(output).not.toContain("MLFLOW_TRACKING_PASSWORD");
            }),
        );
        expect(await checkout.printed("user", "list", "--stack", stack)).toBe(before);
    });

    it("taken away, are out", async () => {
        const leaver = await credentials(await checkout.printed("user", "add", `leaver-${tag}`, "--stack", stack));
        expect((await ask("/", leaver)).status).toBe(200);
        await checkout.ok("user", ["remove", `leaver-${tag}`, "--stack", stack]);
        // A server process may remember a login for some seconds.
        await expect.poll(async () => (await ask("/", leaver)).status, { timeout: 20_000 }).toBe(401);
    });

    it("without login there are none: the command says what to set", async () => {
        const { code, output } = await checkout.run("user", ["list", "--stack", inject("generated").stack]);
        expect(code).toBe(1);
        expect(output).toContain("has no login, so it has no users.");
        expect(output).toContain("mlflowAuth true");
    });
});
