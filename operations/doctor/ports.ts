/** The ports that a stack publishes, or would: who has them. */
import { execa } from "execa";
import { isLocal } from "../../hostCheck.ts";
import { type Finding, findingsOf } from "./finding.ts";

/** A port that somebody else has. */
export interface TakenPort {
    readonly key: string;
    readonly port: number;
    readonly address: string;
    /** As the configuration's check has it: a container by name, or another program. */
    readonly by: string;
    /** The program's name and process id, where this user may see it. */
    readonly program: string | undefined;
}

/** A problem of hostCheck.ts that is a port which somebody else has. */
const taken = /^(?<key>.+?): port (?<port>\d+) on (?<address>\S+) is in use by (?<by>.+?): end it/;

/** Whether a problem of the configuration is one of ports. */
export function isPortProblem(problem: string): boolean {
    return taken.test(problem);
}

/** The program in a line of `ss --processes`, such as users:(("nginx",pid=12,fd=6)). */
export function programIn(line: string): string | undefined {
    const [, name, pid] = /users:\(\("([^"]+)",pid=(\d+)/.exec(line) ?? [];
    return name === undefined ? undefined : `${name}, process ${pid ?? "?"}`;
}

/** The program that listens on a port of this host. `ss` is of iproute2, and shows others' programs to root alone. */
async function programOn(port: number): Promise<string | undefined> {
    const args = ["--no-header", "--listening", "--numeric", "--tcp", "--processes", `sport = :${port}`];
    const { exitCode, stdout } = await execa("ss", args, { reject: false });
    return exitCode === 0 ? programIn(stdout) : undefined;
}

/** Of the problems of a configuration those that are ports, and who has each. */
export async function takenPorts(problems: readonly string[], engine: string | undefined): Promise<TakenPort[]> {
    return Promise.all(
        problems.flatMap((problem) => {
            const { key = "", port = "", address = "", by = "" } = taken.exec(problem)?.groups ?? {};
            return key === ""
                ? []
                : [
                      (async () => ({
                          ...{ key, port: Number(port), address, by },
                          program:
                              by === "another program" && isLocal(engine) ? await programOn(Number(port)) : undefined,
                      }))(),
                  ];
        }),
    );
}

export function judgePorts(found: readonly TakenPort[], stack: string): Finding[] {
    return findingsOf(
        "ports",
        found.map(({ key, port, address, by, program }) => ({
            level: "fault",
            what: `${key}: port ${port} on ${address} is in use by ${program ?? by}`,
            cure: `End what has it, or set another one: npm run pulumi -- config set --stack ${stack} --path '${key}' ${
                key === "minioConsoleAddress" ? ":" : ""
            }<port>`,
        })),
        "the stack's ports are its own or free",
    );
}
