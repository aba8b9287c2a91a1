/**
 * A Python that has imported MLflow and runs the scripts of this directory one after the other, each in a fork: as fresh as one of
 * its own, without the seconds that the import takes (fork_server.py).
 */
import { type ResultPromise, execa } from "execa";

/** How a script ended. */
interface Answer {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
}

const options = { reject: false, buffer: { stdout: false } } as const;

/** One, until `close`; at the latest it ends with the process that started it. */
export class ForkServer {
    private readonly child: ResultPromise<typeof options>;
    private readonly answers: AsyncIterator<string>;
    private readonly scripts: string;
    private last: Promise<unknown> = Promise.resolve();

    /** Starts one by a program and arguments that run a Python; `scripts` is this directory as that Python sees it. */
    constructor([program = "", ...args]: readonly string[], scripts: string, env: NodeJS.ProcessEnv = {}) {
        this.child = execa(program, [...args, `${scripts}/fork_server.py`], { ...options, env });
        this.answers = this.child.iterable()[Symbol.asyncIterator]();
        this.scripts = scripts;
    }

    /**
     * Runs a script by its name with arguments, and with variables beside those of the server. Returns what it printed; throws with
     * its last words where it fails. Calls wait for each other.
     */
    run(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
        const turn = this.last.then(() => this.answer(script, args, env));
        this.last = turn.catch(() => undefined);
        return turn;
    }

    /** Ends it, after what is under way. */
    async close(): Promise<void> {
        await this.last;
        this.child.stdin.end();
        await this.child;
    }

    private async answer(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
        this.child.stdin.write(`${JSON.stringify({ script: `${this.scripts}/${script}`, args, env })}\n`);
        const line = await this.answers.next();
        if (line.done) {
            throw new Error(`the fork server has ended:\n${(await this.child).stderr}`);
        }
        const { code, stdout, stderr } = JSON.parse(line.value) as Answer;
        if (code !== 0) {
            throw new Error(`${script} ${args.join(" ")} ended with ${code}:\n${stderr}`);
        }
        return stdout.replace(/\n$/, "");
    }
}
