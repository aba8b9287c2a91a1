/** `npm run doctor`: looks at everything that can be wrong, says what it found and how to mend it. It changes nothing. */
import type { Configuration } from "../../config.ts";
import { containersOf } from "../containers.ts";
import { clockFacts, judgeClock, sourcesOf } from "./clock.ts";
import { type FoundEngine, engineFacts, judgeEngine } from "./engine.ts";
import { type Check, type Finding, findingsOf } from "./finding.ts";
import { judgeNames, nameFacts } from "./names.ts";
import { isPortProblem, judgePorts, takenPorts } from "./ports.ts";
import { type StateFacts, judgeState, stateFacts } from "./state.ts";
import { judgeVersions, versionFacts } from "./versions.ts";
import { hostDisk } from "../status/disk.ts";
import { expiryOf } from "../status/expiry.ts";
import type { Places } from "../places.ts";
import { announced, runSteps } from "../progress.ts";
import { settingsOf } from "../stackCheck.ts";
import { certificateProblems, diskProblems, problemsOf } from "../stackProblems.ts";
import { type StackFacts, stackFacts } from "../status/stackStatus.ts";
import { type Output, table } from "../table.ts";
import { type ReadStack, pulumiVariables, readStack } from "../workspace.ts";
import { userErrorOf } from "../commandError.ts";

/** Options of `npm run doctor`. */
export interface DoctorOptions {
    readonly stack: string;
    readonly json?: boolean | undefined;
}

/** What the areas know from each other while they are looked at, one after another. */
interface Known {
    engine?: FoundEngine;
    variables: Record<string, string>;
    state?: StateFacts;
    stack?: ReadStack;
    settings?: { value: Partial<Configuration>; problems: string[] };
    facts?: StackFacts;
}

const engineAnswers = ({ engine }: Known) => engine !== undefined && !("silent" in engine);

/** What could not be looked at, and why. */
function leftOut(check: Check, why: string): Finding[] {
    return [{ check, level: "warn", what: `not looked at: ${why}`, cure: "Mend that first, and run this again." }];
}

const noStack = "the stack cannot be read";

/** Looks at one area; what it throws becomes a finding. */
async function looked(check: Check, look: () => Promise<Finding[]>): Promise<Finding[]> {
    try {
        return await look();
    } catch (error) {
        const known = userErrorOf(error);
        if (known === undefined) {
            throw error;
        }
        return [{ check, level: "fault", what: known.message, cure: known.cure }];
    }
}

/** Every area, in an order in which each has what it needs. */
function areas(
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
    known: Known,
): readonly (readonly [Check, () => Promise<Finding[]>])[] {
    const { variables } = known;
    return [
        [
            "engine",
            async () => {
                known.engine = await engineFacts(stackName, places, env);
                if (!("silent" in known.engine)) {
                    variables.DOCKER_HOST = env.DOCKER_HOST ?? known.engine.host;
                }
                return judgeEngine(known.engine);
            },
        ],
        ["versions", async () => judgeVersions(await versionFacts(places, env))],
        [
            "state",
            async () => {
                known.state = stateFacts(stackName, places, variables);
                return Promise.resolve(judgeState(known.state));
            },
        ],
        [
            "configuration",
            async () => {
                if (known.state === undefined || known.state.refusals.length > 0 || known.state.unknown !== undefined) {
                    return leftOut("configuration", noStack);
                }
                known.stack = await readStack(places, stackName, variables);
                known.settings = await settingsOf(known.stack, variables);
                return findingsOf(
                    "configuration",
                    known.settings.problems
                        .filter((problem) => !isPortProblem(problem))
                        .map((what) => ({
                            level: "fault",
                            what,
                            cure: `npm run pulumi -- config set … --stack ${stackName}; docs/configuration.md has every key.`,
                        })),
                    "every key has a value that is right",
                );
            },
        ],
        [
            "ports",
            async () => {
                if (known.settings === undefined || !engineAnswers(known)) {
                    return leftOut("ports", engineAnswers(known) ? noStack : "no engine answers");
                }
                return judgePorts(await takenPorts(known.settings.problems, variables.DOCKER_HOST), stackName);
            },
        ],
        [
            "stack",
            async () => {
                if (known.stack === undefined || !engineAnswers(known)) {
                    return leftOut("stack", engineAnswers(known) ? noStack : "no engine answers");
                }
                known.facts = await stackFacts(known.stack, variables);
                // Each of these has an area of its own.
                const rest = { locks: [], configurationProblems: [], certificates: [], disks: [] };
                const problems = problemsOf({ ...known.facts, ...rest }, new Date());
                const count = known.facts.services.length;
                return findingsOf("stack", problems, `${count} services are healthy, and the data volumes are there`);
            },
        ],
        [
            "disk",
            async () => {
                const own = hostDisk("this user's state", places.state);
                const disks = [...(known.facts?.disks ?? []), ...(own === undefined ? [] : [own])];
                const words = disks.map(({ what, usedPercent }) => `${what} ${usedPercent} % full`);
                return Promise.resolve(findingsOf("disk", disks.flatMap(diskProblems), words.join(", ")));
            },
        ],
        [
            "names",
            async () => {
                if (known.settings === undefined || !engineAnswers(known)) {
                    return leftOut("names", engineAnswers(known) ? noStack : "no engine answers");
                }
                const containers = await containersOf(stackName, variables);
                return judgeNames(await nameFacts(known.settings.value, containers, variables, env), stackName);
            },
        ],
        [
            "clock",
            async () => {
                if (!engineAnswers(known)) {
                    return leftOut("clock", "no engine answers");
                }
                const uri = known.facts?.addresses.find(({ name }) => name === "MLflow")?.url;
                return judgeClock(await clockFacts(sourcesOf(uri, variables)));
            },
        ],
        [
            "certificates",
            async () => {
                const pem = known.settings?.value.tlsCertificateFile;
                const given = pem === undefined ? undefined : expiryOf("tlsCertificateFile", "given", pem);
                const found = [...(known.facts?.certificates ?? []), ...(given === undefined ? [] : [given])];
                return Promise.resolve(
                    findingsOf(
                        "certificates",
                        found.flatMap((certificate) => certificateProblems(certificate, stackName, new Date())),
                        found.length === 0
                            ? "there are none to look at"
                            : `valid: ${found.map(({ what, validTo }) => `${what} until ${validTo.slice(0, 10)}`).join(", ")}`,
                    ),
                );
            },
        ],
    ];
}

/** The findings as a table, each cure below what it is for. */
export function findingsText(findings: readonly Finding[], output: Output = process.stdout): string {
    return table(
        ["looked at", "", "finding"],
        findings.map(({ check, level, what, cure }) => [
            check,
            level === "fault" ? "FAULT" : level,
            cure === undefined ? what : `${what}\n→ ${cure}`,
        ]),
        output,
    );
}

/** Runs the command. The exit code is 1 where there is a fault. */
export async function doctor({ stack, json }: DoctorOptions, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const findings: Finding[] = [];
    const steps = areas(stack, places, env, { variables: pulumiVariables(places, env, {}) }).map(([check, look]) => ({
        title: check,
        run: async () => {
            const found = await looked(check, look);
            findings.push(...found);
            const worst = ["fault", "warn", "ok"].find((level) => found.some((finding) => finding.level === level));
            return worst === "warn" ? "warning" : worst;
        },
    }));
    if (process.stdout.isTTY && json !== true) {
        await runSteps(steps);
    } else {
        for (const { title, run } of steps) {
            await announced(`Looking at ${title}`, run);
        }
    }
    const faults = findings.filter(({ level }) => level === "fault").length;
    if (json === true) {
        console.log(JSON.stringify({ stack, healthy: faults === 0, findings }, undefined, 2));
    } else {
        const end =
            faults === 0 ? "No fault was found." : `${faults} ${faults === 1 ? "fault was" : "faults were"} found.`;
        console.log(`${findingsText(findings)}\n\n${end} Nothing was changed.`);
    }
    process.exitCode = faults === 0 ? 0 : 1;
}
