/** `npm run bench -- start`: how long this project takes to come up and to find nothing changed, beside a Compose file. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { isLocal } from "../hostCheck.ts";
import { type Places, projectName } from "../operations/places.ts";
import {
    type Plan,
    choicesOf,
    confirmInstallation,
    planPlatform,
    setUpSteps,
    variablesOf,
} from "../operations/platform.ts";
import { runSteps, type Step } from "../operations/progress.ts";
import { userPath } from "../operations/stacks/importEnv.ts";
import { UserError } from "../operations/userError.ts";
import { runCli } from "../operations/workspace.ts";
import { type Comparison, type Result, resultsOf } from "./comparison.ts";
import { type ComposeCommand, provideCompose } from "./composeCommand.ts";
import * as contender from "./contenders.ts";
import { plot } from "./plot.ts";
import { ProjectCopy } from "./projectCopy.ts";
import { errorsOf, resultTable } from "./report.ts";
import { type Contender, type Reading, runRound } from "./rounds.ts";

/** Options of `npm run bench -- start`. */
export interface StartBenchOptions {
    /** At least 1. */
    readonly rounds: number;
    /** Directory of the results. */
    readonly out?: string | undefined;
}

/** What is held against what. */
function comparisonsOf(ours: string, peers: readonly string[], empty: string): Comparison[] {
    const sides = (names: readonly string[], what: string) => names.map((name) => ({ contender: name, what }));
    const alone = (title: string, what: string) => ({ title, ours: { contender: ours, what }, peers: [] });
    return [
        {
            title: "nothing there → healthy",
            ours: { contender: ours, what: contender.coldStart },
            peers: sides(peers, contender.coldStart),
        },
        ...[contender.update, contender.preview].map((what) => ({
            title: `nothing changed: ${what}`,
            ours: { contender: ours, what },
            // Compose has no preview: whoever would look runs the same.
            peers: [...sides(peers, contender.update), ...sides([empty], what)],
        })),
        alone("nothing changed: npm start", contender.start),
        alone("npm run status", contender.status),
        alone("--help of a command", contender.help),
    ];
}

/** Where and what was measured. */
interface Circumstances {
    /** ISO 8601. */
    readonly date: string;
    /** null outside a Git checkout. */
    readonly commit: string | null;
    /** Whether files differ from that commit. */
    readonly changedSince: boolean;
    readonly cores: number;
    readonly memoryGiB: number;
    /** Processes that ran or wanted to, on average of the last minute before the first round. */
    readonly load: number;
    readonly versions: Readonly<Record<string, string | null>>;
}

async function circumstances(
    places: Places,
    variables: Record<string, string>,
    compose: string,
): Promise<Circumstances> {
    const said = async (program: string, ...args: string[]) => {
        const { failed, stdout } = await execa(program, args, { cwd: places.project, env: variables, reject: false });
        return failed ? null : stdout.trim();
    };
    const changes = await said("git", "status", "--porcelain");
    return {
        date: new Date().toISOString(),
        commit: await said("git", "rev-parse", "HEAD"),
        changedSince: changes !== null && changes !== "",
        cores: availableParallelism(),
        memoryGiB: Math.round(totalmem() / 2 ** 30),
        load: Number((loadavg()[0] ?? 0).toFixed(1)),
        versions: {
            node: process.version,
            pulumi: (await runCli(places, variables, ["version"])).trim(),
            docker: await said("docker", "version", "--format", "{{.Server.Version}}"),
            compose,
        },
    };
}

/** Runs the rounds, and one before them that does not count: it builds what is missing and fills caches. */
async function runRounds(contenders: readonly Contender[], count: number): Promise<Reading[][]> {
    const rounds: Reading[][] = [];
    const step = (title: string, round: number, keep: (readings: Reading[]) => void): Step => ({
        title,
        run: async (say) => {
            const readings = await runRound(contenders, round, say);
            keep(readings);
            const failed = readings.filter(({ figure }) => "error" in figure).length;
            return failed === 0 ? undefined : `${failed} of ${readings.length} without a figure`;
        },
    });
    await runSteps([
        step("Round that does not count", 0, (readings) => {
            for (const { contender, command, figure } of readings) {
                if ("error" in figure) {
                    throw new UserError(
                        `Nothing was measured: ${contender} failed at ${command}.\n${figure.error}`,
                        "Mend what it says, and run this again.",
                    );
                }
            }
        }),
        ...Array.from({ length: count }, (_, round) =>
            step(`Round ${round + 1} of ${count}`, round, (readings) => {
                rounds.push(readings);
            }),
        ),
    ]);
    return rounds;
}

/** Writes the files, prints the table, and what is missing in it. Returns the exit code. */
function report(results: readonly Result[], about: Circumstances, directory: string): number {
    mkdirSync(directory, { recursive: true });
    const [json, svg] = [join(directory, "start.json"), join(directory, "start.svg")];
    writeFileSync(json, `${JSON.stringify({ ...about, results }, undefined, 2)}\n`);
    const caption =
        `${about.cores} cores, ${about.date.slice(0, 10)}, ${about.commit?.slice(0, 7) ?? "no commit"}; ` +
        "dots: rounds, bar: median";
    writeFileSync(svg, plot(results, caption));
    console.log(`\n${resultTable(results)}\n\n${json}\n${svg}`);
    const errors = errorsOf(results);
    for (const error of errors) {
        console.error(`\n${error}`);
    }
    return errors.length === 0 ? 0 : 1;
}

/** Runs the command. Returns its exit code: 1 where a round has no figure for something. */
export async function benchStart(
    { rounds: count, out }: StartBenchOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<number> {
    const results = out === undefined ? join(places.project, "bench", "results") : userPath(out, env);
    if (out !== undefined && !existsSync(results)) {
        throw new UserError(`There is no directory ${results}.`, "Make it, or name another one by --out.");
    }
    const plan = await planPlatform(places, env, choicesOf(env));
    if (!isLocal(plan.engine.host)) {
        throw new UserError(
            `The engine at ${plan.engine.host} is on another host, and times are of one machine.`,
            "Run this on that host, or let DOCKER_HOST name an engine that is here.",
        );
    }
    await confirmInstallation(plan);
    const found: { plan: Plan; compose?: { command: ComposeCommand; version: string } } = { plan };
    await runSteps([
        ...setUpSteps(plan, places, env, choicesOf(env), found),
        {
            title: "Docker Compose",
            run: async (say) => {
                found.compose = await provideCompose(places, variablesOf(found.plan, places, env), say);
                return found.compose.version;
            },
        },
    ]);
    if (found.compose === undefined) {
        throw new Error("there is no Compose");
    }
    const { compose } = found;
    const variables = variablesOf(found.plan, places, env);
    const surroundings = { dockerHost: found.plan.engine.host, baseImage: found.plan.base.reference };

    const name = `bench-${randomBytes(2).toString("hex")}`;
    const directory = realpathSync(mkdtempSync(join(tmpdir(), `${projectName}-${name}-`)));
    try {
        const copyAt = (place: string) => {
            mkdirSync(join(directory, place));
            return new ProjectCopy(join(directory, place), places, env, surroundings);
        };
        const peer = (title: string, suffix: string, ...files: string[]) =>
            contender.composePeer({
                ...{ name: title, files, project: `${projectName}-${name}-${suffix}`, compose: compose.command },
                ...{ baseImage: surroundings.baseImage, env: { ...env, ...variables } },
            });
        const ours = contender.platform(copyAt("platform"), name);
        const peers = [
            peer("Compose", "compose", "compose.yaml"),
            peer("Compose, lean", "lean", "compose.yaml", "lean.yaml"),
        ];
        const empty = contender.emptyProgram(copyAt("empty"), `${name}-empty`);
        const about = await circumstances(places, variables, compose.version);
        console.log(
            `${count + 1} rounds of about 3 minutes each on 2 cores, on 127.0.0.1; stack and Compose projects are named ${name}. ` +
                "Leave the machine alone meanwhile.",
        );
        const rounds = await runRounds([ours, ...peers, empty], count);
        const comparisons = comparisonsOf(
            ours.name,
            peers.map((one) => one.name),
            empty.name,
        );
        return report(resultsOf(comparisons, rounds), about, results);
    } finally {
        rmSync(directory, { recursive: true, force: true });
    }
}
