/** `npm run status`: how a stack is, or every stack of the backend. */
import { userErrorOf } from "../commandError.ts";
import type { Places } from "../places.ts";
import { announced } from "../progress.ts";
import { openToRead, requireCli } from "../reading.ts";
import { problemsOf, stateOf } from "../stackProblems.ts";
import { type StackStatus, stackFacts } from "./stackStatus.ts";
import { stacksText, statusText } from "./statusText.ts";
import { UserError } from "../userError.ts";
import { type ReadStack, pulumiVariables, stackNames } from "../workspace.ts";

/** Options of `npm run status`. */
export interface StatusOptions {
    readonly stack: string;
    readonly json?: boolean | undefined;
    readonly all?: boolean | undefined;
}

/** Everything about a stack, and what is wrong with it. */
export async function statusOf(
    stack: ReadStack,
    variables: Record<string, string>,
    brief = false,
): Promise<StackStatus> {
    const facts = await announced(`Looking at stack ${stack.name}`, async () => stackFacts(stack, variables, brief));
    const problems = problemsOf(facts, new Date());
    const { services, jobs, models, addresses, disks, volumes, certificates } = facts;
    return {
        stack: stack.name,
        state: stateOf(facts, problems),
        problems,
        ...{ services, jobs, models, addresses, disks, volumes, certificates },
    };
}

/** Of a stack whose passphrase is another's, or whose file is broken: the others are shown all the same. */
function unreadable(stack: string, { message, cure }: UserError): StackStatus {
    const nothing = { services: [], jobs: [], models: [], addresses: [], disks: [], volumes: [], certificates: [] };
    return { stack, state: "unreadable", problems: [{ level: "fault", what: message, cure }], ...nothing };
}

async function everyStatus(places: Places, env: NodeJS.ProcessEnv): Promise<StackStatus[]> {
    requireCli(places);
    const backend = pulumiVariables(places, env, {});
    const names = (await stackNames(places, backend)).sort();
    if (names.length === 0) {
        throw new UserError(
            `There is no stack in ${backend.PULUMI_BACKEND_URL ?? "the backend"}.`,
            "npm start makes one.",
        );
    }
    const found: StackStatus[] = [];
    for (const name of names) {
        try {
            const { stack, variables } = await openToRead(name, places, env);
            found.push(await statusOf(stack, variables, true));
        } catch (error) {
            const known = userErrorOf(error);
            if (known === undefined) {
                throw error;
            }
            found.push(unreadable(name, known));
        }
    }
    return found;
}

/** Runs the command. The exit code is 1 where something is not healthy. */
export async function status(options: StatusOptions, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    if (options.all) {
        const stacks = await everyStatus(places, env);
        console.log(options.json ? JSON.stringify(stacks, undefined, 2) : stacksText(stacks));
        process.exitCode = stacks.every(({ state }) => state === "healthy") ? 0 : 1;
        return;
    }
    const { stack, variables } = await openToRead(options.stack, places, env);
    const found = await statusOf(stack, variables);
    console.log(options.json ? JSON.stringify(found, undefined, 2) : statusText(found, new Date()));
    process.exitCode = found.state === "healthy" ? 0 : 1;
}
