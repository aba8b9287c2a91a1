/** A copy of this checkout with a state of its own, and commands in it, as a user runs them. It touches nothing of the user's. */
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { execa } from "execa";
import { objectsOf, removeObjects } from "../operations/engineObjects.ts";
import { makeState, placesOf, type Places } from "../operations/places.ts";
import { forgetSelection } from "../operations/preview/previewWorkspace.ts";
import { newFile } from "../operations/stacks/newStack.ts";
import { type Surroundings, cliRoot, pulumiVariables, stackFile } from "../operations/workspace.ts";
import { run } from "./command.ts";

/** What is not copied: Git's, other stacks, and earlier results. The npm dependencies are a link. */
const left = /^(?:\.git|node_modules|Pulumi\.[^/]+\.yaml|bench\/results)$/;

export class ProjectCopy {
    /** The copy, its state, and the caches that it shares with the user's checkouts. */
    readonly places: Places;
    readonly #stateHome: string;
    readonly #env: NodeJS.ProcessEnv;
    readonly #variables: Record<string, string>;

    /** Makes the copy in a directory that is to be its own. */
    constructor(directory: string, original: Places, env: NodeJS.ProcessEnv, surroundings: Surroundings) {
        this.#stateHome = join(directory, "state");
        // Backend and passphrase of the user would win over those of the copy.
        this.#env = {
            ...env,
            PULUMI_BACKEND_URL: undefined,
            PULUMI_CONFIG_PASSPHRASE: undefined,
            PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
            XDG_STATE_HOME: this.#stateHome,
        };
        this.places = { ...placesOf(this.#env), project: join(directory, "checkout") };
        this.#variables = pulumiVariables(this.places, this.#env, surroundings);
        cpSync(original.project, this.places.project, {
            recursive: true,
            filter: (source) => !left.test(relative(original.project, source)),
        });
        symlinkSync(join(original.project, "node_modules"), join(this.places.project, "node_modules"));
    }

    /** Makes a stack; it is not up yet. */
    async makeStack(name: string, settings: Readonly<Record<string, string>>): Promise<void> {
        mkdirSync(this.#stateHome, { recursive: true });
        makeState(this.places);
        writeFileSync(stackFile(this.places, name), newFile(settings, undefined));
        await this.pulumi("stack", "init", name);
    }

    /** Runs Pulumi's CLI. */
    async pulumi(...args: string[]): Promise<void> {
        await run(join(cliRoot(this.places), "bin", "pulumi"), args, {
            cwd: this.places.project,
            env: { ...this.#env, ...this.#variables },
        });
    }

    /** Runs npm. */
    async npm(...args: string[]): Promise<void> {
        await run("npm", args, { cwd: this.places.project, env: this.#env });
    }

    /** Removes all that a stack has on the engine, however far it came, and the state. */
    async removeStack(name: string): Promise<void> {
        const objects = await objectsOf(name, this.#variables);
        await removeObjects(objects, this.#variables);
        const volumes = objects.filter(({ kind }) => kind === "volume").map((volume) => volume.name);
        if (volumes.length > 0) {
            await execa("docker", ["volume", "rm", ...volumes], { env: this.#variables });
        }
        rmSync(this.#stateHome, { recursive: true, force: true });
        rmSync(stackFile(this.places, name), { force: true });
        forgetSelection(this.places, this.places.project);
    }
}
