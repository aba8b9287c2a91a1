/**
 * Fetches Pulumi's CLI of the SDK's version into the directory that is the first argument. A process of its own, because
 * what `PulumiCommand.install` starts ends only with the process.
 */
// The rest of the Automation API takes seconds to load.
import { PulumiCommand } from "@pulumi/pulumi/automation/cmd.js";
import { CommandError } from "@pulumi/pulumi/automation/errors.js";

const root = process.argv[2];
if (root === undefined) {
    throw new Error("no directory was named");
}
try {
    await PulumiCommand.install({ root });
} catch (error) {
    // Not in the SDK's types.
    const said =
        error instanceof CommandError ? (error as unknown as { commandResult: { stderr: string } }) : undefined;
    process.stderr.write(`${said?.commandResult.stderr ?? (error as Error).message}\n`);
    process.exitCode = 1;
}
