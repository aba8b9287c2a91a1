/** The commands behind `npm start`, `npm stop`, `npm test` and `npm run …`. */
import { Argument, Command, Option } from "commander";
import { generatedKeys } from "../config.ts";
import { type LifecycleOptions, lifecycle } from "./lifecycle.ts";
import { labels, status } from "./servedModel.ts";
import { printClientScript } from "./clientScript.ts";
import { interrupted, watchForInterruption } from "./interruption.ts";
import { placesOf } from "./places.ts";
import { pulumi } from "./pulumi.ts";
import { rotate } from "./rotate.ts";
import { type StartOptions, start } from "./start.ts";
import { deleteData, stop } from "./stop.ts";
import { takeover } from "./takeover.ts";
import type { TakeoverOptions } from "./takeover/options.ts";
import { type TestOptions, test } from "./test.ts";
import { up } from "./up.ts";
import { type Rights, addUser, listUsers, removeUser, resetUser } from "./user.ts";
import { UserError } from "./userError.ts";

const stackOption = () => new Option("--stack <name>", "the stack").default("dev");
const toolchainOption = () =>
    new Option("--toolchain <source>", "where Pulumi's CLI and plugins come from (else: what answers)")
        .choices(["official", "modules"])
        .env("MLFLOW_PLATFORM_TOOLCHAIN");
const baseOption = () =>
    new Option("--base <source>", "where the base image comes from (else: what answers)")
        .choices(["registry", "packages"])
        .env("MLFLOW_PLATFORM_BASE");

const places = placesOf(process.env);
const program = new Command("npm run");
program.enablePositionalOptions().showHelpAfterError();

program
    .command("start")
    .summary("set up what is missing, bring the platform up, check it")
    .addOption(stackOption())
    .addOption(toolchainOption())
    .addOption(baseOption())
    .option("--explain", "print what would be used and why, and change nothing")
    .action((options: StartOptions) => start(options, places, process.env));

program
    .command("up")
    .summary("pulumi up for a stack that is there, with the logs of what fails")
    .addOption(stackOption())
    .action(({ stack }: { stack: string }) => up(stack, places, process.env));

program
    .command("rotate")
    .summary("other values for generated credentials, in the running services")
    .addArgument(new Argument("<keys...>", "configuration keys, such as pgPassword").choices(generatedKeys))
    .addOption(stackOption())
    .action((keys: string[], { stack }: { stack: string }) => rotate(keys, stack, places, process.env));

const user = program.command("user").summary("the people who may log in to MLflow");
const names = (text: string, earlier: string[]) => [...earlier, text];
const withRights = (command: Command) =>
    command
        .option("--admin", "may do everything, users included")
        .option("--read <name>", "experiment (or model:<name>) whose content may be read; again for each", names, [])
        .option("--edit <name>", "model (or experiment:<name>) that may be changed; again for each", names, [])
        .option("--manage <name>", "the same, and deleted, and given to others; again for each", names, [])
        .addOption(stackOption());
const nameArgument = () => new Argument("<name>", "name to log in with");
withRights(user.command("add").summary("a new person; prints her client environment, once"))
    .addArgument(nameArgument())
    .action((name: string, { stack, ...rights }: Rights & { stack: string }) =>
        addUser(name, rights, stack, places, process.env),
    );
withRights(user.command("reset").summary("a new password, and the rights named; prints the client environment, once"))
    .addArgument(nameArgument())
    .action((name: string, { stack, ...rights }: Rights & { stack: string }) =>
        resetUser(name, rights, stack, places, process.env),
    );
user.command("remove")
    .summary("takes the login away; runs and models stay")
    .addArgument(nameArgument())
    .addOption(stackOption())
    .action((name: string, { stack }: { stack: string }) => removeUser(name, stack, places, process.env));
user.command("list")
    .summary("who may log in, and what each has been given")
    .addArgument(new Argument("[name]", "only this person"))
    .addOption(stackOption())
    .action((name: string | undefined, { stack }: { stack: string }) => listUsers(name, stack, places, process.env));

program
    .command("status")
    .summary("how the containers are, and what the model servers serve")
    .addOption(stackOption())
    .action(({ stack }: { stack: string }) => status(stack, places, process.env));

program
    .command("lifecycle")
    .summary("a step of the MLflow lifecycle, or all of it, on the stack")
    .addArgument(new Argument("[step]", "entry point of the project").default("loop"))
    .option("-P, --param <name=value>", "a parameter of the step; again for each", names, [])
    .option("--project <directory>", "an MLflow Project like examples/lifecycle", "examples/lifecycle")
    .option("--served <name>", "the served model whose recorded predictions it may read (else: the first)")
    .option("--memory <MiB>", "memory limit", "4096")
    .addOption(stackOption())
    .action((step: string, options: LifecycleOptions) => lifecycle(step, options, places, process.env));

program
    .command("labels")
    .summary("what came true, for the monitor: a CSV file of prediction ids and labels")
    .argument("<model>", "name of the served model")
    .argument("<file>", "CSV file with the columns prediction_id and label, and row where a request had several")
    .addOption(stackOption())
    .action((model: string, file: string, { stack }: { stack: string }) =>
        labels(model, file, stack, places, process.env),
    );

program
    .command("client-env")
    .summary('what a client\'s shell needs, to be evaluated: eval "$(npm run --silent client-env)"')
    .addOption(stackOption())
    .action(({ stack }: { stack: string }) => printClientScript(stack, places, process.env));

program
    .command("takeover")
    .summary("move the data of an earlier Compose installation into a stack")
    .option("--env <file>", "the .env of the earlier installation")
    .option("--data <place>", "directory or volume of its MinIO (else: MINIO_VOLUME_PATH in the .env)")
    .option("--network <name>", "network on the engine on which PG_HOST is known (else: the stack's)")
    .option("--prefix <path>", "path in the bucket that its server was given by --artifacts-destination, if any")
    .option("--in-place", "the stack's MinIO uses the earlier data itself: only the database is copied")
    .option("--check", "look at everything, say what would happen, and change nothing")
    .option("--dry-run", "do everything on copies, then give them up")
    .option("--restore-locations", "instead: write back the s3:// locations that a takeover found")
    .addOption(stackOption())
    .action((options: TakeoverOptions) => takeover(options, places, process.env));

program
    .command("stop")
    .summary("remove containers and networks, keep data, state and secrets")
    .addOption(stackOption())
    .action(({ stack }: { stack: string }) => stop(stack, places, process.env));

program
    .command("delete-data")
    .summary("delete a stack with all its data, secrets and state")
    .argument("<stack>", "the stack's name, spelled out")
    .action((stack: string) => deleteData(stack, places, process.env));

program
    .command("pulumi")
    .summary("Pulumi's CLI with this user's home, backend and passphrase; --env prints them")
    .argument("[args...]")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (args: string[]) => {
        process.exitCode = await pulumi(args, places, process.env);
    });

program
    .command("test")
    .summary("set up what is missing, then run every test")
    .addOption(toolchainOption())
    .addOption(baseOption())
    .option("--long", "more rounds of the same")
    .argument("[filters...]", "names of test files")
    .action(async (filters: string[], options: TestOptions) => {
        process.exitCode = await test(filters, options, places, process.env);
    });

watchForInterruption();
try {
    await program.parseAsync();
} catch (error) {
    if (interrupted()) {
        console.error("Interrupted. Nothing is lost: run the same command again to go on.");
        process.exitCode = 130;
    } else if (error instanceof UserError) {
        console.error(`\n${error.message}\n\n${error.cure}`);
        process.exitCode = 1;
    } else {
        throw error;
    }
}
