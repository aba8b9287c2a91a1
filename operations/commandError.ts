/** Errors of the commands that this project runs (Pulumi's CLI, docker), in words for the user. */
import { CommandError } from "@pulumi/pulumi/automation/index.js";
import { ExecaError } from "execa";
import { UserError } from "./userError.ts";

/** What a command said before it failed; undefined for errors that are not a command's. Never its standard output: that may hold secrets. */
function said(error: unknown): { text: string; command: string } | undefined {
    if (error instanceof ExecaError) {
        const { command: line, stderr } = error as ExecaError<{ reject: true }>;
        const command = line.split(" ")[0]?.split("/").at(-1) ?? "";
        const text = (stderr as string | undefined)?.trim() ?? "";
        return { text: text === "" ? (error.code ?? `exit code ${error.exitCode ?? "unknown"}`) : text, command };
    }
    if (error instanceof CommandError) {
        // Not in the SDK's types.
        const { commandResult } = error as unknown as { commandResult: { code: number; stderr: string } };
        return { text: commandResult.stderr.trim() || `exit code ${commandResult.code}`, command: "pulumi" };
    }
    return undefined;
}

/** Messages that have a cure of their own. */
const cures: readonly (readonly [RegExp, string])[] = [
    [
        /incorrect passphrase|passphrase must be set|get stack secrets manager|unable to find either `PULUMI_CONFIG_PASSPHRASE/i,
        "The passphrase is not the one that the stack was made with: put its file back from your backup, or set " +
            "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.",
    ],
    [
        /stack is currently locked/i,
        "Another update of it is under way. Wait until it has ended; if it is gone: npm run pulumi -- cancel --stack <stack>",
    ],
    [
        /cannot connect to the docker daemon|error during connect|is the docker daemon running/i,
        "The Docker engine went away: start it (npm start does where it can), and run this again.",
    ],
    [/no space left on device/i, "Make room on the disk that it names, and run this again."],
    [/permission denied \(publickey/i, "ssh has no key that the engine's host takes: docs/remote-engine.md."],
    [/permission denied/i, "Run this as the user who made the stack, or give that user the rights."],
];

/** An error of a command as one for the user; a UserError as it is; undefined where it is neither, but a defect. */
export function userErrorOf(error: unknown): UserError | undefined {
    if (error instanceof UserError) {
        return error;
    }
    const found = said(error);
    if (found === undefined) {
        return undefined;
    }
    const lines = found.text
        .split("\n")
        .map((line) => line.trim())
        // The SDK puts the command with its arguments first (runs it by execa); what follows is the CLI's own.
        .filter((line) => line !== "" && !/^at .+:\d+:\d+\)?$|^Command failed with /.test(line));
    const text = lines.slice(0, 10).join("\n");
    const cure = cures.find(([pattern]) => pattern.test(text))?.[1];
    return new UserError(
        `${found.command} failed: ${text}`,
        cure ?? "Mend what it says; npm run doctor looks at the whole.",
    );
}
