/** Writes a stack's configuration, all of it or nothing: its file, the stack in the backend, and the encrypted values. */
import { rmSync, writeFileSync } from "node:fs";
import type { Places } from "../places.ts";
import { stackText } from "./stackFile.ts";
import { openStack, runCli, stackFile } from "../workspace.ts";

/** What is to be written. */
export interface NewConfiguration {
    readonly stackName: string;
    /** Whether the backend has the stack already. */
    readonly exists: boolean;
    /** Text of the stack's file, without what is secret. */
    readonly text: string;
    /** Key → value of what is to be encrypted. */
    readonly secrets: Readonly<Record<string, string>>;
}

/** Runs `act`; where it fails, the stack's file is afterwards as it was before, or gone if there was none. */
export async function keepingFile<T>(file: string, act: () => Promise<T>): Promise<T> {
    const before = stackText(file);
    try {
        return await act();
    } catch (error) {
        putBack(file, before);
        throw error;
    }
}

/** Gives a file the text that it had, or removes it where it had none. */
export function putBack(file: string, before: string | undefined): void {
    if (before === undefined) {
        rmSync(file, { force: true });
    } else if (stackText(file) !== before) {
        writeFileSync(file, before);
    }
}

/** Writes it. Where a part fails, a stack that is new goes again, and the file is as it was. */
export async function writeStack(
    { stackName, exists, text, secrets }: NewConfiguration,
    places: Places,
    variables: Record<string, string>,
): Promise<void> {
    const file = stackFile(places, stackName);
    await keepingFile(file, async () => {
        writeFileSync(file, text);
        await openStack(places, stackName, variables);
        try {
            for (const [key, value] of Object.entries(secrets)) {
                // By standard input: arguments are for every process of the host to see, and the Automation API uses them.
                await runCli(places, variables, ["config", "set", "--secret", key, "--stack", stackName], value);
            }
        } catch (error) {
            if (!exists) {
                await runCli(places, variables, ["stack", "rm", "--yes", "--preserve-config", "--stack", stackName]);
            }
            throw error;
        }
    });
}
