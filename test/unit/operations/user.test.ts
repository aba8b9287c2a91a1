/** The people who may log in: what each command asks of MLflow, what it prints where, and what it refuses. */
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { clientScript } from "../../../operations/clientScript.ts";
import { wayIn } from "../../../operations/trackingApi.ts";
import type { Rights } from "../../../operations/user.ts";
import { Commands } from "../support/commands.ts";
import { engineElsewhere } from "../support/platform.ts";
import { type Answer, type Asked, type Served, basic, serve } from "../support/servers.ts";

type Reach = typeof import("../../../operations/reach.ts").reach;
type User = typeof import("../../../operations/user.ts");
let user: User;
/** What `openExisting` gives. */
let opened: { stack: Stack; variables: Record<string, string> };
// Another query is another module: one whose stack is played.
beforeAll(async () => {
    vi.doMock("../../../operations/stop.ts", () => ({ openExisting: () => Promise.resolve(opened) }));
    const direct: Reach = (outputs, configuration, engine, act) => act(wayIn(outputs, configuration, engine), false);
    vi.doMock("../../../operations/reach.ts", () => ({ reach: direct }));
    const played = "../../../operations/user.ts?played";
    user = (await import(/* @vite-ignore */ played)) as User;
});
afterAll(() => {
    vi.doUnmock("../../../operations/stop.ts");
    vi.doUnmock("../../../operations/reach.ts");
});

interface Person {
    username: string;
    password: string;
    is_admin: boolean;
    permissions: { resource_type: string; resource_pattern: string; permission: string }[];
}

/** MLflow's users and permissions, as its API has them, for one administrator. */
class FakeMlflow {
    people: Person[] = [
        { username: "admin", password: "admin's word", is_admin: true, permissions: [] },
        {
            username: "bob",
            password: "bob's word",
            is_admin: false,
            permissions: [
                { resource_type: "experiment", resource_pattern: "7", permission: "READ" },
                { resource_type: "registered_model", resource_pattern: "churn", permission: "MANAGE" },
            ],
        },
    ];
    experiments: Record<string, string> = { churn: "7", "a b/ü?&=": "8", both: "9", "model:x": "10" };
    models = ["both", "lights"];
    /** What was asked for that changes something: method, end of the path, body. */
    changes: [string, string, unknown][] = [];
    /** Path → an answer instead of the usual one. */
    broken: Record<string, Answer> = {};

    readonly answer = ({ method, path, authorization, body }: Asked): Answer => {
        const url = new URL(path, "http://mlflow");
        if (this.broken[url.pathname] !== undefined) {
            return this.broken[url.pathname] ?? {};
        }
        if (authorization !== basic("admin", this.people[0]?.password ?? "")) {
            return { status: 401, body: "You are not authenticated." };
        }
        const parameters = (body === "" ? {} : JSON.parse(body)) as Record<string, string>;
        if (method !== "GET") {
            this.changes.push([method, url.pathname.replace(/^\/api\/.\.0\/mlflow\/users\//, ""), parameters]);
        }
        const person = this.people.find(
            ({ username }) => username === (parameters.username ?? url.searchParams.get("username")),
        );
        const none = { status: 404, body: { error_code: "RESOURCE_DOES_NOT_EXIST" } };
        const { resource_type: type = "", resource_id: id = "", permission = "" } = parameters;
        const given = person?.permissions.findIndex((one) => one.resource_type === type && one.resource_pattern === id);
        switch (`${method} ${url.pathname}`) {
            case "GET /api/2.0/mlflow/users/list":
                return { body: { users: this.people.map(({ username, is_admin }) => ({ username, is_admin })) } };
            case "POST /api/2.0/mlflow/users/create":
                this.people.push({ ...(parameters as unknown as Person), is_admin: false, permissions: [] });
                return {};
            case "PATCH /api/2.0/mlflow/users/update-password":
                Object.assign(person ?? {}, { password: parameters.password });
                return {};
            case "PATCH /api/2.0/mlflow/users/update-admin":
                Object.assign(person ?? {}, { is_admin: parameters.is_admin });
                return {};
            case "DELETE /api/2.0/mlflow/users/delete":
                this.people = this.people.filter((one) => one !== person);
                return {};
            case "GET /api/3.0/mlflow/users/permissions/list":
                return { body: { permissions: person?.permissions } };
            case "POST /api/3.0/mlflow/users/permissions/revoke":
                if (given === undefined || given < 0) {
                    return none;
                }
                person?.permissions.splice(given, 1);
                return {};
            case "POST /api/3.0/mlflow/users/permissions/grant":
                if (given === undefined || given >= 0) {
                    return { status: 400, body: "there is a permission already" };
                }
                person?.permissions.push({ resource_type: type, resource_pattern: id, permission });
                return {};
            case "GET /api/2.0/mlflow/experiments/get-by-name": {
                const found = this.experiments[url.searchParams.get("experiment_name") ?? ""];
                return found === undefined ? none : { body: { experiment: { experiment_id: found } } };
            }
            case "GET /api/2.0/mlflow/registered-models/get":
                return this.models.includes(url.searchParams.get("name") ?? "") ? { body: {} } : none;
            default:
                return { status: 500, body: `unexpected: ${method} ${path}` };
        }
    };
}

let commands: Commands;
let mlflow: FakeMlflow;
let server: Served;
/** What was printed: by console.log, on stdout itself, and by console.error. */
let said: string[];
let printed: string[];
let errors: string[];
beforeEach(async () => {
    commands = new Commands();
    mlflow = new FakeMlflow();
    server = await serve(mlflow.answer);
    said = [];
    printed = [];
    errors = [];
    vi.spyOn(console, "log").mockImplementation((line) => said.push(String(line)));
    vi.spyOn(console, "error").mockImplementation((line) => errors.push(String(line)));
    vi.spyOn(process.stdout, "write").mockImplementation((text) => printed.push(String(text)) > 0);
    open();
});
afterEach(async () => {
    vi.restoreAllMocks();
    await server.close();
    commands.remove();
});

const environment = () => ({ MLFLOW_TRACKING_URI: server.url });
/** Lets the stack be one with this configuration and these outputs. */
function open(configuration: Record<string, string> = {}, outputs?: Record<string, unknown>): void {
    const values = outputs ?? {
        trackingUri: server.url,
        adminUsername: "admin",
        adminPassword: "admin's word",
        clientEnv: environment(),
    };
    const stack = {
        name: "prod",
        getAllConfig: () =>
            Promise.resolve(
                Object.fromEntries(
                    Object.entries(configuration).map(([name, value]) => [`mlflow-platform:${name}`, { value }]),
                ),
            ),
        exportStack: () => Promise.resolve({ version: 3, deployment: {} }),
        outputs: () =>
            Promise.resolve(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]))),
    } as unknown as Stack;
    opened = { stack, variables: { ...commands.variables, DOCKER_HOST: engineElsewhere } };
}

const nothing: Rights = { read: [], edit: [], manage: [] };
const add = (name: string, rights: Partial<Rights> = {}) =>
    user.addUser(name, { ...nothing, ...rights }, "prod", commands.places, {});
const reset = (name: string, rights: Partial<Rights> = {}) =>
    user.resetUser(name, { ...nothing, ...rights }, "prod", commands.places, {});
const remove = (name: string) => user.removeUser(name, "prod", commands.places, {});
const list = (name?: string) => user.listUsers(name, "prod", commands.places, {});
const passwordOf = (name: string) => mlflow.people.find(({ username }) => username === name)?.password ?? "";
const refused = (message: string, cure: string) =>
    expect.objectContaining({ name: "UserError", message, cure }) as Error;
const nothingDone = () => {
    expect([mlflow.changes, said, printed, errors]).toEqual([[], [], [], []]);
};
const experiment = (id: string) => ({ resource_type: "experiment", resource_id: id });
const model = (name: string) => ({ resource_type: "registered_model", resource_id: name });
/** What gives a person one permission, in place of any that there was. */
const given = (username: string, permission: string, resource: object) => [
    ["POST", "permissions/revoke", { username, ...resource }],
    ["POST", "permissions/grant", { username, ...resource, permission }],
];

describe.each([
    ["adding", () => add("ana"), "ana", "POST", "create"],
    ["resetting", () => reset("bob"), "bob", "PATCH", "update-password"],
] as const)("%s a person", (_words, act, username, method, end) => {
    it("sets a new password and prints what her shell runs, once, on stdout alone", async () => {
        await act();
        const password = passwordOf(username);
        expect(password).toMatch(/^[A-Za-z0-9_-]{24}$/);
        expect(mlflow.changes).toEqual([[method, end, { username, password }]]);
        expect(printed).toEqual([clientScript(environment(), { username, password })]);
        expect(said).toEqual([]);
        expect(errors).toEqual([
            `For ${username}, to be run in a shell (or put into its profile). The password is shown this once; stack prod keeps a ` +
                `hash of it alone, and npm run user -- reset ${username} --stack prod makes a new one.\n`,
        ]);
    });

    it("makes another password each time", async () => {
        await act();
        const first = passwordOf(username);
        await reset(username);
        expect(passwordOf(username)).not.toBe(first);
    });
});

describe("rights", () => {
    it("are none by default, and those that are named, in their order, after the person is there", async () => {
        await add("ana", { read: ["churn", "lights"], edit: ["a b/ü?&="], manage: ["model:both"], admin: true });
        expect(mlflow.changes).toEqual([
            ["POST", "create", { username: "ana", password: passwordOf("ana") }],
            ["PATCH", "update-admin", { username: "ana", is_admin: true }],
            ...given("ana", "READ", experiment("7")),
            ...given("ana", "READ", model("lights")),
            ...given("ana", "EDIT", experiment("8")),
            ...given("ana", "MANAGE", model("both")),
        ]);
    });

    it("are given before the password is another", async () => {
        await reset("bob", { admin: true, edit: ["lights"] });
        expect(mlflow.changes).toEqual([
            ["PATCH", "update-admin", { username: "bob", is_admin: true }],
            ...given("bob", "EDIT", model("lights")),
            ["PATCH", "update-password", { username: "bob", password: passwordOf("bob") }],
        ]);
    });

    const notGiven = (path: string) =>
        refused(
            `MLflow at ${server.url} could not do that: ${path} answered 500: no luck`,
            "npm start -- --stack prod checks the platform from outside.",
        );
    it.each([
        ["a permission", "POST /api/3.0/mlflow/users/permissions/grant", { read: ["churn"] }],
        ["the end of another", "POST /api/3.0/mlflow/users/permissions/revoke", { read: ["churn"] }],
        ["an administrator's rights", "PATCH /api/2.0/mlflow/users/update-admin", { admin: true }],
    ])("that cannot be given, %s, leave nobody whose password nobody knows", async (_words, request, rights) => {
        mlflow.broken[request.replace(/^\w+ /, "")] = { status: 500, body: "no luck" };
        const before = structuredClone(mlflow.people);
        await expect(add("ana", rights)).rejects.toThrow(notGiven(request));
        expect(mlflow.changes.at(0)?.slice(0, 2)).toEqual(["POST", "create"]);
        expect(mlflow.changes.at(-1)).toEqual(["DELETE", "delete", { username: "ana" }]);
        expect(mlflow.people).toEqual(before);
        expect([said, printed, errors]).toEqual([[], [], []]);

        await expect(reset("bob", rights)).rejects.toThrow(notGiven(request));
        expect(passwordOf("bob")).toBe("bob's word");
        expect(mlflow.changes.map(([, end]) => end)).not.toContain("update-password");
        expect([said, printed, errors]).toEqual([[], [], []]);
    });

    it("take the place of those that there were", async () => {
        await reset("bob", { manage: ["churn"] });
        expect(mlflow.people[1]?.permissions).toEqual([
            { resource_type: "registered_model", resource_pattern: "churn", permission: "MANAGE" },
            { resource_type: "experiment", resource_pattern: "7", permission: "MANAGE" },
        ]);
    });

    it.each<[string, object]>([
        ["churn", experiment("7")],
        ["experiment:churn", experiment("7")],
        ["lights", model("lights")],
        ["model:lights", model("lights")],
        ["experiment:both", experiment("9")],
        ["model:both", model("both")],
        // The first colon alone says what it is.
        ["experiment:model:x", experiment("10")],
    ])("are to %s for what is called so", async (name, resource) => {
        await reset("bob", { edit: [name] });
        expect(mlflow.changes.slice(0, -1)).toEqual(given("bob", "EDIT", resource));
    });

    const hint = "Nothing was changed. The web UI lists experiments and models by name.";
    it.each([
        ["none", 'There is no experiment or registered model called "none".', hint],
        ["experiment:lights", 'There is no experiment called "lights".', hint],
        ["model:churn", 'There is no registered model called "churn".', hint],
        ["model:x", 'There is no registered model called "x".', hint],
        [
            "both",
            'There are an experiment and a registered model called "both".',
            "Say which: experiment:both or model:both",
        ],
    ])("to %s are refused before anything is changed", async (name, message, cure) => {
        for (const act of [
            () => add("ana", { read: ["churn"], manage: [name] }),
            () => reset("bob", { edit: [name] }),
        ]) {
            await expect(act()).rejects.toThrow(refused(message, cure));
            nothingDone();
        }
    });
});

describe("a person", () => {
    it("is removed", async () => {
        await remove("bob");
        expect(mlflow.changes).toEqual([["DELETE", "delete", { username: "bob" }]]);
        expect([said, printed, errors]).toEqual([["bob can no longer log in to stack prod."], [], []]);
    });

    it("who is there already is not added again", async () => {
        await expect(add("bob", { read: ["churn"] })).rejects.toThrow(
            refused("There is a user bob already.", "npm run user -- reset bob --stack prod gives a new password."),
        );
        nothingDone();
    });

    it.each([
        ["reset", () => reset("ana")],
        ["removed", () => remove("ana")],
        ["listed", () => list("ana")],
    ])("who is not there is not %s", async (_words, act) => {
        await expect(act()).rejects.toThrow(refused("There is no user ana in stack prod.", "There are: admin, bob."));
        nothingDone();
    });

    it.each([
        ["added", () => add("admin", { read: ["churn"] })],
        ["reset", () => reset("admin", { read: ["churn"] })],
        ["removed", () => remove("admin")],
    ])("who is the administrator is not %s: the configuration is where that is set", async (_words, act) => {
        await expect(act()).rejects.toThrow(
            refused(
                "admin is the administrator of stack prod, who is set in its configuration.",
                "npm run pulumi -- config set --secret adminPassword --stack prod, or npm run rotate -- adminPassword --stack prod " +
                    "where it was generated",
            ),
        );
        nothingDone();
    });

    it("who is the administrator by another name is not added either, before that is there", async () => {
        open({ adminUsername: "chief" });
        await expect(add("chief")).rejects.toThrow(/^chief is the administrator of stack prod, who is set in its/);
        nothingDone();
    });

    it.each([
        ["added", () => add("model-server-iris")],
        ["reset", () => reset("model-server-iris")],
        ["removed", () => remove("model-server-iris")],
    ])("whose name is kept for the accounts of model servers is not %s, and nobody is asked", async (_words, act) => {
        mlflow.people.push({ username: "model-server-iris", password: "", is_admin: false, permissions: [] });
        await expect(act()).rejects.toThrow(
            refused(
                "model-server-iris is not a person's: names that begin with model-server- are the accounts of served models.",
                "Each update makes and removes them as the configuration of the served models says. Choose another name.",
            ),
        );
        expect(server.asked).toEqual([]);
    });

    it("who would be called what HTTP cannot say is not added, and nobody is asked", async () => {
        await expect(add("a:b")).rejects.toThrow(
            refused(
                '"a:b" is not of 1 to 255 ASCII characters without a colon: set another name',
                "npm run user -- add <name> --stack prod",
            ),
        );
        expect(server.asked).toEqual([]);
    });
});

describe("listing", () => {
    it("has a line for each, with what each was given", async () => {
        await list();
        expect(said).toEqual(["admin\tadministrator", "bob\tREAD experiment 7\tMANAGE model churn"]);
        expect([mlflow.changes, printed, errors]).toEqual([[], [], []]);
    });

    it("leaves out the accounts of model servers", async () => {
        mlflow.people.push({ username: "model-server-iris", password: "", is_admin: false, permissions: [] });
        await list();
        expect(said).toEqual(["admin\tadministrator", "bob\tREAD experiment 7\tMANAGE model churn"]);
        await expect(list("model-server-iris")).rejects.toThrow("There is no user model-server-iris in stack prod.");
    });

    it("has one person's alone where one is named, in any letters", async () => {
        mlflow.people.push({ username: "Ä&b=c", password: "", is_admin: false, permissions: [] });
        await list("Ä&b=c");
        expect(said).toEqual(["Ä&b=c"]);
    });
});

describe("MLflow", () => {
    const everything: [string, () => Promise<void>][] = [
        ["add", () => add("ana")],
        ["reset", () => reset("bob")],
        ["remove", () => remove("bob")],
        ["list", () => list()],
    ];

    it.each(everything)("without login has nobody to %s, and is not asked", async (_words, act) => {
        open({ mlflowAuth: "false" });
        await expect(act()).rejects.toThrow(
            refused(
                "Stack prod has no login, so it has no users.",
                "npm run pulumi -- config set mlflowAuth true --stack prod, then npm start -- --stack prod",
            ),
        );
        expect(server.asked).toEqual([]);
    });

    it.each([
        ["is not up", {}],
        ["was up without login", { trackingUri: "http://127.0.0.1:1" }],
        ["did not come up with it", { adminPassword: "admin's word" }],
    ])("%s: that is said", async (_words, outputs) => {
        open({}, outputs);
        await expect(list()).rejects.toThrow(
            refused("Stack prod is not up with its login.", "npm start -- --stack prod brings it up."),
        );
    });

    it.each(everything)("that does not take the administrator's password is said so, to %s", async (_words, act) => {
        open({}, { trackingUri: server.url, adminUsername: "admin", adminPassword: "old", clientEnv: environment() });
        await expect(act()).rejects.toThrow(
            refused(
                `MLflow at ${server.url} does not accept the administrator's password that stack prod has.`,
                "It was changed elsewhere. A new one: npm run rotate -- adminPassword --stack prod, or where it is configured " +
                    "npm run pulumi -- config set --secret adminPassword --stack prod and npm start -- --stack prod",
            ),
        );
        nothingDone();
    });

    const elsewise = "npm start -- --stack prod checks the platform from outside.";

    it("that answers with an error is quoted, and no password is printed", async () => {
        mlflow.broken["/api/2.0/mlflow/users/create"] = { status: 500, body: "no luck" };
        await expect(add("ana")).rejects.toThrow(
            refused(
                `MLflow at ${server.url} could not do that: POST /api/2.0/mlflow/users/create answered 500: no luck`,
                elsewise,
            ),
        );
        nothingDone();
    });

    it("that fails to look up a name is not taken to lack it", async () => {
        mlflow.broken["/api/2.0/mlflow/registered-models/get"] = { status: 403, body: "no" };
        await expect(reset("bob", { read: ["churn"] })).rejects.toThrow(/could not do that: .* answered 403: no$/);
        nothingDone();
    });

    it("that does not answer is said so, with the reason", async () => {
        const { url, port } = server;
        await server.close();
        await expect(list()).rejects.toThrow(
            refused(`MLflow at ${url} could not do that: connect ECONNREFUSED 127.0.0.1:${port}`, elsewise),
        );
    });

    it("is asked as the administrator that the outputs name", async () => {
        await list();
        expect(new Set(server.asked.map(({ authorization }) => authorization))).toEqual(
            new Set([basic("admin", "admin's word")]),
        );
    });
});
