/** The doctor's judgements: each fault by facts alone, with its cure; and the same state as no fault. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Drift, type TimeSource, clockFacts, judgeClock, sourcesOf } from "../../../operations/doctor/clock.ts";
import { type EngineFacts, isSupported, judgeEngine } from "../../../operations/doctor/engine.ts";
import type { Finding } from "../../../operations/doctor/finding.ts";
import { type NameFacts, indexHost, judgeNames } from "../../../operations/doctor/names.ts";
import { isPortProblem, judgePorts, programIn, takenPorts } from "../../../operations/doctor/ports.ts";
import { type StateFacts, judgeState, stateFacts } from "../../../operations/doctor/state.ts";
import { judgeVersions } from "../../../operations/doctor/versions.ts";
import { findingsText } from "../../../operations/doctor/doctor.ts";
import { makeState } from "../../../operations/places.ts";
import { Commands } from "../support/commands.ts";

/** Expects one finding. */
function one(findings: readonly Finding[], level: Finding["level"], what: RegExp | string, cure?: RegExp): void {
    expect(findings).toHaveLength(1);
    expect(findings[0]?.level).toBe(level);
    expect(findings[0]?.what).toMatch(what);
    if (cure === undefined) {
        expect(findings[0]?.cure).toBeUndefined();
    } else {
        expect(findings[0]?.cure).toMatch(cure);
    }
}

describe("the engine", () => {
    const engine: EngineFacts = {
        host: "unix:///x",
        version: "20.10.24+dfsg1",
        clientVersion: "28.2.2",
        storageDriver: "overlay2",
        limits: { memory: true, swap: true, cpu: true, processes: true },
    };
    const limited = (some: Partial<EngineFacts["limits"]>) => ({ ...engine, limits: { ...engine.limits, ...some } });

    it("that answers, is new enough and limits is well", () => {
        one(judgeEngine(engine), "ok", "engine 20.10.24+dfsg1 at unix:///x, docker 28.2.2, overlay2, limits work");
    });

    it.each<[string, Parameters<typeof judgeEngine>[0], Finding["level"], RegExp, RegExp]>([
        [
            "that is silent",
            { silent: { what: "does not answer", cure: "start it" } },
            "fault",
            /^does not/,
            /^start it$/,
        ],
        [
            "that is old",
            { ...engine, version: "19.3.15" },
            "fault",
            /engine 19\.3\.15 is older than 20\.10/,
            /docs\.docker/,
        ],
        [
            "with an old command",
            { ...engine, clientVersion: "18.9" },
            "fault",
            /docker command 18\.9 is older/,
            /newer/,
        ],
        ["without memory limits", limited({ memory: false }), "fault", /cannot limit memory:/, /cgroup_enable=memory/],
        ["without CPU limits", limited({ cpu: false }), "fault", /cannot limit CPU:/, /cgroup/],
        ["without swap limits", limited({ swap: false }), "warn", /cannot limit swap$/, /swapaccount=1/],
        ["on vfs", { ...engine, storageDriver: "vfs" }, "warn", /storage driver is vfs/, /overlay2/],
    ])("%s", (_words, facts, level, what, cure) => {
        one(judgeEngine(facts), level, what, cure);
    });

    it.each([
        ["20.10.0", true],
        ["20.9.1", false],
        ["28.2.2", true],
        ["20.10.24+dfsg1", true],
        ["19.03", false],
    ])("of version %s is supported: %s", (version, supported) => {
        expect(isSupported(version)).toBe(supported);
    });
});

describe("versions", () => {
    const well = { node: "24.22.3", packagesFit: true, missingTools: [], pulumiHome: "/p" };
    it.each([
        [well, "ok", /as they should be/, undefined],
        [{ ...well, node: "22.22.1" }, "fault", /Node\.js 22\.22\.1 is too old/, /Node\.js 24/],
        [{ ...well, packagesFit: false }, "fault", /not what package-lock\.json says/, /^npm ci$/],
        [
            { ...well, missingTools: ["the docker provider 5"] },
            "fault",
            /not in \/p: the docker provider 5/,
            /npm start/,
        ],
    ] as const)("%j", (facts, level, what, cure) => {
        one(judgeVersions(facts), level, what, cure);
    });
});

describe("the state", () => {
    const well: StateFacts = {
        stack: "prod",
        backendUrl: "file:///b",
        unknown: undefined,
        refusals: [],
        notWritable: undefined,
        open: {},
        locks: [],
        pending: [],
        plugins: [],
    };
    const lock = { file: "/l", pid: 12, username: "ana", hostname: hostname(), timestamp: "" };

    it.each<[string, Partial<StateFacts>, Finding["level"], RegExp, RegExp | undefined]>([
        ["in order", {}, "ok", /the passphrase fits, nothing is left over/, undefined],
        ["refused", { refusals: [{ message: "no fit", cure: "give it" }] }, "fault", /^no fit$/, /^give it$/],
        [
            "without any stack",
            { unknown: { message: "none", cure: "npm start", others: [] } },
            "warn",
            /none/,
            /npm start/,
        ],
        ["without this stack", { unknown: { message: "none", cure: "x", others: ["dev"] } }, "fault", /none/, /x/],
        ["not writable", { notWritable: "/b" }, "fault", /\/b cannot be written/, /chown/],
        ["open to others", { open: { "/s": "755" } }, "fault", /others may read \/s \(mode 755\)/, /chmod go= \/s/],
        [
            "with a lock left",
            { locks: [{ ...lock, stale: true }] },
            "fault",
            /has left its lock: process 12 of ana/,
            /npm start -- --stack prod .*cancel/,
        ],
        [
            "locked",
            { locks: [{ ...lock, stale: false }], pending: ["creating x"] },
            "warn",
            /under way: process 12/,
            /Wait/,
        ],
        ["interrupted", { pending: ["creating minio"] }, "fault", /interrupted while creating minio/, /npm start/],
        ["with plugins left", { plugins: [7, 8] }, "fault", /go on working: processes 7, 8/, /ends them/],
    ])("%s", (_words, some, level, what, cure) => {
        one(judgeState({ ...well, ...some }), level, what, cure);
    });

    describe("as it is found", () => {
        let commands: Commands;
        beforeEach(() => {
            commands = new Commands();
            makeState(commands.places);
        });
        afterEach(() => {
            commands.remove();
        });
        const facts = (
            variables: Record<string, string> = { PULUMI_CONFIG_PASSPHRASE_FILE: commands.places.passphrase },
        ) =>
            stateFacts("dev", commands.places, {
                PULUMI_BACKEND_URL: `file://${commands.places.backend}`,
                ...variables,
            });
        /** Writes the stack's state. Its salt was made with the passphrase "one". */
        const made = (latest: object = {}) => {
            const directory = join(commands.places.backend, ".pulumi/stacks/mlflow-platform");
            mkdirSync(directory, { recursive: true });
            const salt = "v1:Xg8ry8PyX0Q=:v1:FUMReIfbfd5XnMRE:J/EGCY+UYYJ+d96vKSmXxAWMCiu8VA==";
            const state = {
                checkpoint: { latest: { secrets_providers: { type: "passphrase", state: { salt } }, ...latest } },
            };
            writeFileSync(join(directory, "dev.json"), JSON.stringify(state));
        };
        const one = { PULUMI_CONFIG_PASSPHRASE: "one" };

        it("before the first start lacks nothing but the stack", () => {
            expect(facts()).toMatchObject({ unknown: { others: [] }, refusals: [], open: {}, locks: [] });
        });

        it("with the passphrase of its stack is in order", () => {
            made();
            expect(facts(one)).toMatchObject({ unknown: undefined, refusals: [], pending: [], plugins: [] });
        });

        it("with another passphrase is refused, and says whose that is", () => {
            made();
            const [refusal] = facts({ PULUMI_CONFIG_PASSPHRASE: "two" }).refusals;
            expect(refusal?.message).toMatch(/does not fit the state of stack dev .*PULUMI_CONFIG_PASSPHRASE\)/);
        });

        it("whose file of the passphrase is lost is refused, and no other is made", () => {
            made();
            const lost = join(commands.directory, "lost");
            expect(facts({ PULUMI_CONFIG_PASSPHRASE_FILE: lost }).refusals[0]?.message).toBe(
                `The file of the passphrase, ${lost}, is not there.`,
            );
        });

        it("has what an interrupted update was at", () => {
            made({ pending_operations: [{ type: "creating", resource: { urn: "urn::x::minio" } }] });
            expect(facts(one).pending).toEqual(["creating minio"]);
        });

        it("that was cut short is refused, with where copies are", () => {
            made();
            writeFileSync(join(commands.places.backend, ".pulumi/stacks/mlflow-platform/dev.json"), "{");
            const { refusals } = facts(one);
            expect(refusals[0]?.message).toMatch(/The state of stack dev cannot be read/);
            expect(refusals[0]?.cure).toContain("dev.json.bak");
        });

        it("with a stack's file that is no YAML is refused", () => {
            made();
            writeFileSync(join(commands.places.project, "Pulumi.dev.yaml"), "config:\n  a: [\n");
            expect(facts(one).refusals[0]?.message).toMatch(/Pulumi\.dev\.yaml is no valid YAML: line \d/);
        });

        it("that others may read is seen", () => {
            chmodSync(commands.places.state, 0o755);
            chmodSync(commands.places.passphrase, 0o644);
            expect(facts().open).toEqual({ [commands.places.state]: "755", [commands.places.passphrase]: "644" });
        });
    });
});

describe("ports", () => {
    const problem =
        "mlflowPort: port 5000 on 127.0.0.1 is in use by another program: end it, or pulumi config set mlflowPort <port>";
    const other =
        "modelServers[0].port: port 5100 on 127.0.0.1 is in use by container x: end it, or pulumi config set --path 'x' <port>";

    it("are told from the problems of a configuration", async () => {
        expect([problem, other, "mlflowPort: is no number"].map(isPortProblem)).toEqual([true, true, false]);
        expect(await takenPorts([problem, other, "x: y"], "ssh://unit.invalid")).toEqual([
            { key: "mlflowPort", port: 5000, address: "127.0.0.1", by: "another program", program: undefined },
            { key: "modelServers[0].port", port: 5100, address: "127.0.0.1", by: "container x", program: undefined },
        ]);
    });

    it("that are taken are faults, with who has them", () => {
        const port = { key: "minioConsoleAddress", port: 9001, address: "127.0.0.1", by: "another program" };
        one(judgePorts([], "prod"), "ok", "its own or free");
        one(
            judgePorts([{ ...port, program: "nginx, process 12" }], "prod"),
            "fault",
            "minioConsoleAddress: port 9001 on 127.0.0.1 is in use by nginx, process 12",
            /config set --stack prod --path 'minioConsoleAddress' :<port>/,
        );
        one(
            judgePorts([{ ...port, program: undefined }], "prod"),
            "fault",
            "is in use by another program",
            /End what has it/,
        );
    });

    it("show their program as ss names it", () => {
        expect(programIn('LISTEN 0 511 *:80 *:* users:(("nginx",pid=12,fd=6),("nginx",pid=13,fd=6))')).toBe(
            "nginx, process 12",
        );
        expect(programIn("LISTEN 0 511 *:80 *:*")).toBeUndefined();
    });
});

describe("names", () => {
    const well: NameFacts = {
        publicHost: { name: "ml.example.com", addresses: ["10.0.0.5"] },
        own: ["127.0.0.1", "10.0.0.5"],
        inside: { mlflow: { postgres: true, minio: true } },
    };
    it.each<[string, Partial<NameFacts>, Finding["level"], RegExp, RegExp | undefined]>([
        ["that lead here", {}, "ok", /lead where they should/, undefined],
        ["without a gateway", { publicHost: undefined }, "ok", /lead/, undefined],
        ["of an engine elsewhere", { own: undefined }, "ok", /lead/, undefined],
        ["unknown", { publicHost: { name: "a.b", addresses: [] } }, "warn", /a\.b is no name/, /DNS/],
        [
            "elsewhere",
            { publicHost: { name: "a.b", addresses: ["10.0.0.6"] } },
            "warn",
            /leads to 10\.0\.0\.6, which is none/,
            /correct DNS/,
        ],
        [
            "lost inside",
            { inside: { "model-a": { mlflow: true, "pypi.org": false } } },
            "fault",
            /container model-a .*: pypi\.org$/,
            /daemon\.json/,
        ],
    ])("%s", (_words, some, level, what, cure) => {
        one(judgeNames({ ...well, ...some }, "prod"), level, what, cure);
    });

    it("of the package index are the configuration's, else the environment's, else the public one's", () => {
        expect(indexHost("https://a.example.com/simple", { PIP_INDEX_URL: "https://b.example.com" })).toBe(
            "a.example.com",
        );
        expect(indexHost(undefined, { PIP_INDEX_URL: "https://b.example.com" })).toBe("b.example.com");
        expect(indexHost(undefined, {})).toBe("pypi.org");
    });
});

describe("clocks", () => {
    const base = Date.parse("2026-11-29T12:00:00.500Z");
    /** A source that takes 100 ms for each answer, from clocks that are that much ahead. */
    const source = (engine: number | undefined, answer: number | undefined): TimeSource => {
        let time = base;
        const ask = (ahead: number | undefined, format: (date: Date) => string) => () => {
            time += 100;
            return Promise.resolve(ahead === undefined ? undefined : format(new Date(time - 50 + ahead)));
        };
        return {
            now: () => time,
            engine: ask(engine, (date) => date.toISOString()),
            answer: ask(answer, (date) => date.toUTCString()),
        };
    };

    it.each<[number | undefined, number | undefined, Drift]>([
        [0, 0, { engine: 0, answer: 0 }],
        [undefined, undefined, { engine: undefined, answer: undefined }],
        [10_000, 0, { engine: 9950, answer: 0 }],
        [-10_000, 0, { engine: -9950, answer: 0 }],
    ])("%s ms and %s ms ahead", async (engine, answer, drift) => {
        expect(await clockFacts(source(engine, answer))).toEqual(drift);
    });

    it.each<[Drift, Finding["level"], RegExp, RegExp | undefined]>([
        [{ engine: 4900, answer: -4900 }, "ok", /agree/, undefined],
        [{ engine: undefined, answer: undefined }, "ok", /agree/, undefined],
        [{ engine: 9950, answer: 0 }, "warn", /engine's clock is 10 s ahead of this host's/, /timedatectl/],
        [{ engine: -600_000, answer: 0 }, "fault", /engine's clock is 600 s behind/, /time service/],
        [{ engine: 0, answer: 300_000 }, "fault", /what answers for MLflow is 300 s ahead/, /time service/],
    ])("%j", (drift, level, what, cure) => {
        one(judgeClock(drift), level, what, cure);
    });

    it("of an HTTP answer are its header's", async () => {
        const server = createServer((_request, response) => {
            response.setHeader("Date", "Sun, 29 Nov 2026 12:00:00 GMT");
            response.end();
        });
        await new Promise<void>((resolve) => {
            server.listen(0, "127.0.0.1", resolve);
        });
        const { port } = server.address() as { port: number };
        try {
            const { answer } = sourcesOf(`http://127.0.0.1:${port}`, {});
            expect(await answer()).toBe("Sun, 29 Nov 2026 12:00:00 GMT");
            expect(await sourcesOf(undefined, {}).answer()).toBeUndefined();
        } finally {
            server.close();
        }
        expect(await sourcesOf(`http://127.0.0.1:${port}`, {}).answer()).toBeUndefined();
    });
});

it("the table has each cure below what it is for, and is plain where it is piped", () => {
    const findings: Finding[] = [
        { check: "engine", level: "ok", what: "answers" },
        { check: "disk", level: "fault", what: "is full", cure: "make room" },
    ];
    expect(
        findingsText(findings, { isTTY: false })
            .split("\n")
            .map((line) => line.trim().split(/ {2,}/)),
    ).toEqual([["looked at", "finding"], ["engine", "ok", "answers"], ["disk", "FAULT", "is full"], ["→ make room"]]);
});
