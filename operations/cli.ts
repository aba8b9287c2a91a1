/** The commands behind `npm start`, `npm stop`, `npm test` and `npm run …`. Each is loaded when it is asked for. */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { StartBenchOptions } from "../bench/start.ts";
import type { ClientOptions } from "./clientScript.ts";
import type { DoctorOptions } from "./doctor/doctor.ts";
import { interrupted, watchForInterruption } from "./interruption.ts";
import type { LifecycleOptions } from "./lifecycle.ts";
import { placesOf } from "./places.ts";
import type { DriftOptions } from "./preview/drift.ts";
import type { PreviewOptions } from "./preview/preview.ts";
import type { StartOptions } from "./start.ts";
import type { ImportEnvOptions } from "./stacks/importEnv.ts";
import type { NewStackOptions } from "./stacks/newStack.ts";
import type { LogOptions } from "./status/logs.ts";
import type { StatusOptions } from "./status/status.ts";
import type { TakeoverOptions } from "./takeover/options.ts";
import type { TestOptions } from "./testing/test.ts";
import type { Rights } from "./user.ts";

const stackOption = () => new Option("--stack <name>", "the stack").default("dev");
const toolchainOption = () =>
    new Option("--toolchain <source>", "where Pulumi's CLI and plugins come from (else: what answers)")
        .choices(["official", "modules"])
        .env("MLFLOW_PLATFORM_TOOLCHAIN");
const baseOption = () =>
    new Option("--base <source>", "where the base image comes from (else: what answers)")
        .choices(["registry", "packages"])
        .env("MLFLOW_PLATFORM_BASE");

const verboseOption = () => new Option("--verbose", "print everything that Pulumi and the images' builds say");

const names = (text: string, earlier: string[]) => [...earlier, text];
const wholeNumber = (text: string) => {
    if (!/^\d+$/.test(text)) {
        throw new InvalidArgumentError("Give a whole number.");
    }
    return Number(text);
};
const countingNumber = (text: string) => {
    if (wholeNumber(text) < 1) {
        throw new InvalidArgumentError("Give 1 or more.");
    }
    return Number(text);
};
const portsOption = () =>
    new Option("--ports <mlflow,s3,console>", "the three published ports").argParser(
        (text: string): readonly [string, string, string] => {
            const [mlflow, s3, console, ...more] = text.split(",").map((port) => port.trim());
            if (mlflow === undefined || s3 === undefined || console === undefined || more.length > 0) {
                throw new InvalidArgumentError("Give three ports, such as 5010,9010,9011.");
            }
            return [mlflow, s3, console];
        },
    );

const places = placesOf(process.env);
const program = new Command("npm run");
program.enablePositionalOptions().showHelpAfterError();

const keysArgument = new Argument("[keys...]", "such as pgPassword (else: lists them)");
const formatOption = new Option("--format <format>", "of the output").default("shell");
// What a command offers for choice is loaded with that command.
program.hook("preSubcommand", async (_program, command) => {
    if (command.name() === "rotate") {
        keysArgument.choices((await import("../config.ts")).generatedKeys);
    }
    if (command.name() === "client-env") {
        formatOption.choices((await import("./clientFile.ts")).formats);
    }
});

program
    .command("start")
    .summary("set up what is missing, bring the platform up, check it")
    .addOption(stackOption())
    .addOption(toolchainOption())
    .addOption(baseOption())
    .addOption(verboseOption())
    .option("--explain", "print what would be used and why, and change nothing")
    .action(async (options: StartOptions) => (await import("./start.ts")).start(options, places, process.env));

program
    .command("new-stack")
    .summary("make a stack and its configuration: asks what the options leave open")
    .argument("[name]", "name of the stack")
    .addOption(new Option("--for <whom>", "who uses it").choices(["laptop", "team"]))
    .option("--public-host <name>", "name by which clients call it, with --for team")
    .option("--bind-address <address>", "address of this host on which it is published")
    .addOption(new Option("--certificate <kind>", "who signs it").choices(["own", "acme", "given"]))
    .option("--tls-email <address>", "account at Let's Encrypt, with --certificate acme")
    .option("--tls-certificate <file>", "PEM file, with --certificate given (and --secret-file tlsPrivateKey=…)")
    .option("--login", "with a login, as --for team always is")
    .option("--no-login", "without one")
    .addOption(portsOption())
    .option("--pg-host <host[:port]>", "a PostgreSQL that is there already")
    .option("--minio-host <host[:port]>", "an S3 store that is there already; a URL with https is one by TLS")
    .option("--set <key=value>", "any other configuration key; empty takes it out; again for each", names, [])
    .option(
        "--secret-file <key=file>",
        "file with a secret key's value, - is standard input; again for each",
        names,
        [],
    )
    .option("--from <stack>", "a stack whose file has the settings to begin with")
    .option("--yes", "ask nothing: what is left open is taken as proposed")
    .action(async (name: string | undefined, options: NewStackOptions) =>
        (await import("./stacks/newStack.ts")).newStack(name, options, places, process.env),
    );

program
    .command("import-env")
    .summary("take a Compose file's .env over into a stack, which is made if it is not there")
    .argument("<file>", "the .env file")
    .addOption(stackOption())
    .option("--dry-run", "show what would be set, and change nothing")
    .option("--overwrite", "let the file's values take the place of others that the stack has")
    .option("--in-place", "use the old objects where they are (MINIO_VOLUME_PATH)")
    .option("--keep-database", "use the old database where it is (PG_HOST)")
    .addOption(portsOption())
    .action(async (file: string, options: ImportEnvOptions) =>
        (await import("./stacks/importEnv.ts")).importEnv(file, options, places, process.env),
    );

program
    .command("up")
    .summary("pulumi up for a stack that is there, with the logs of what fails")
    .addOption(stackOption())
    .addOption(verboseOption())
    .action(async ({ stack, verbose }: { stack: string; verbose?: boolean }) =>
        (await import("./up.ts")).up(stack, places, process.env, verbose),
    );

program
    .command("preview")
    .summary("what an update of every stack would change, judged by the rules; changes nothing")
    .option("--stack <name>", "the stack; again for each (else: all that have a Pulumi.<stack>.yaml)", names, [])
    .option("--out <file>", "write the summary there instead of to standard output")
    .option("--json", "for scripts, instead of Markdown")
    .option("--explain", "say why each change is one and what it does, and list the rules")
    .option(
        "--detailed-exitcode",
        "end with 2 where there are changes (else: 0; 1 where a preview failed or a rule is broken)",
    )
    .action(async (options: PreviewOptions) => {
        process.exitCode = await (await import("./preview/preview.ts")).preview(options, places, process.env);
    });

program
    .command("drift")
    .summary("what on the engine differs from what the stack made; changes nothing, ends with 2 where something does")
    .addOption(stackOption())
    .option("--json", "for scripts, instead of Markdown")
    .action(async (options: DriftOptions) => {
        process.exitCode = await (await import("./preview/drift.ts")).drift(options, places, process.env);
    });

program
    .command("rotate")
    .summary("other values for generated credentials, in the running services; without keys: which there are")
    .addArgument(keysArgument)
    .addOption(stackOption())
    .action(async (keys: string[], { stack }: { stack: string }) =>
        (await import("./rotate.ts")).rotate(keys, stack, places, process.env),
    );

const user = program.command("user").summary("the people who may log in to MLflow");
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
    .action(async (name: string, { stack, ...rights }: Rights & { stack: string }) =>
        (await import("./user.ts")).addUser(name, rights, stack, places, process.env),
    );
withRights(user.command("reset").summary("a new password, and the rights named; prints the client environment, once"))
    .addArgument(nameArgument())
    .action(async (name: string, { stack, ...rights }: Rights & { stack: string }) =>
        (await import("./user.ts")).resetUser(name, rights, stack, places, process.env),
    );
user.command("remove")
    .summary("takes the login away; runs and models stay")
    .addArgument(nameArgument())
    .addOption(stackOption())
    .action(async (name: string, { stack }: { stack: string }) =>
        (await import("./user.ts")).removeUser(name, stack, places, process.env),
    );
user.command("list")
    .summary("who may log in, and what each has been given")
    .addArgument(new Argument("[name]", "only this person"))
    .addOption(stackOption())
    .action(async (name: string | undefined, { stack }: { stack: string }) =>
        (await import("./user.ts")).listUsers(name, stack, places, process.env),
    );

program
    .command("status")
    .summary(
        "how a stack is: services, versions, addresses, jobs, models, disk, certificates; ends with 1 if it is not well",
    )
    .addOption(stackOption())
    .option("--json", "as JSON, for scripts (docs/operations.md, Status)")
    .option("--all", "every stack of this backend, one line each")
    .action(async (options: StatusOptions) =>
        (await import("./status/status.ts")).status(options, places, process.env),
    );

program
    .command("logs")
    .summary("logs of services and jobs, in order of time")
    .addArgument(new Argument("[services...]", "such as mlflow, minio-provision (else: all)"))
    .option("-f, --follow", "go on until Ctrl-C")
    .option("--since <time>", "from then on: 10m, 2h, or a time such as 2026-01-31T12:00:00Z")
    .addOption(new Option("--tail <lines>", "the last lines of each (else: all)").argParser(wholeNumber))
    .addOption(stackOption())
    .action(async (services: string[], options: LogOptions) =>
        (await import("./status/logs.ts")).logs(services, options, places, process.env),
    );

program
    .command("doctor")
    .summary("looks at engine, disk, ports, names, clocks, certificates, versions, state and stack; changes nothing")
    .addOption(stackOption())
    .option("--json", "as JSON, for scripts (docs/operations.md, Doctor)")
    .action(async (options: DoctorOptions) =>
        (await import("./doctor/doctor.ts")).doctor(options, places, process.env),
    );

program
    .command("lifecycle")
    .summary("a step of the MLflow lifecycle, or all of it, on the stack")
    .addArgument(new Argument("[step]", "entry point of the project").default("loop"))
    .option("-P, --param <name=value>", "a parameter of the step; again for each", names, [])
    .option("--project <directory>", "an MLflow Project like examples/lifecycle", "examples/lifecycle")
    .option("--served <name>", "the served model whose recorded predictions it may read (else: the first)")
    .option("--memory <MiB>", "memory limit", "4096")
    .addOption(stackOption())
    .action(async (step: string, options: LifecycleOptions) =>
        (await import("./lifecycle.ts")).lifecycle(step, options, places, process.env),
    );

program
    .command("labels")
    .summary("what came true, for the monitor: a CSV file of prediction ids and labels")
    .argument("<model>", "name of the served model")
    .argument("<file>", "CSV file with the columns prediction_id and label, and row where a request had several")
    .addOption(stackOption())
    .action(async (model: string, file: string, { stack }: { stack: string }) =>
        (await import("./servedModel.ts")).labels(model, file, stack, places, process.env),
    );

program
    .command("client-env")
    .summary('what a client\'s shell needs, to be evaluated: eval "$(npm run --silent client-env)"')
    .addOption(formatOption)
    .option("--out <file>", "write a file for you alone (0600), and beside it the certificates that it names")
    .option("--force", "write over a file that this command did not write")
    .addOption(stackOption())
    .action(async ({ stack, ...options }: ClientOptions & { stack: string }) =>
        (await import("./clientScript.ts")).printClientScript(stack, places, process.env, options),
    );

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
    .action(async (options: TakeoverOptions) =>
        (await import("./takeover/takeover.ts")).takeover(options, places, process.env),
    );

program
    .command("stop")
    .summary("remove containers and networks, keep data, state and secrets")
    .addOption(stackOption())
    .action(async ({ stack }: { stack: string }) => (await import("./stop.ts")).stop(stack, places, process.env));

program
    .command("delete-data")
    .summary("delete a stack with all its data, secrets and state")
    .argument("<stack>", "the stack's name, spelled out")
    .action(async (stack: string) => (await import("./stop.ts")).deleteData(stack, places, process.env));

program
    .command("pulumi")
    .summary("Pulumi's CLI with this user's home, backend and passphrase; --env prints them")
    .argument("[args...]")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (args: string[]) => {
        process.exitCode = await (await import("./pulumi.ts")).pulumi(args, places, process.env);
    });

program
    .command("test")
    .summary("set up what is missing, then run every test")
    .addOption(toolchainOption())
    .addOption(baseOption())
    .option("--long", "the long tests, file by file; records each in test/long.json")
    .argument("[filters...]", "parts of the paths of test files, or core for a first look")
    .action(async (filters: string[], options: TestOptions) => {
        process.exitCode = await (await import("./testing/test.ts")).test(filters, options, places, process.env);
    });

const bench = program.command("bench").summary("measure this project beside others, on this machine");
bench
    .command("start")
    .summary("cold start, and updates that change nothing, beside a Compose file with the same services")
    .addOption(new Option("--rounds <count>", "how often each is measured").argParser(countingNumber).default(5))
    .option("--out <directory>", "where start.json and start.svg are written (else: bench/results)")
    .action(async (options: StartBenchOptions) => {
        process.exitCode = await (await import("../bench/start.ts")).benchStart(options, places, process.env);
    });

for (const command of [...program.commands, ...user.commands, ...bench.commands]) {
    command.description(command.summary());
}

watchForInterruption();
try {
    await program.parseAsync();
} catch (error) {
    if (interrupted()) {
        console.error("Interrupted. Nothing is lost: run the same command again to go on.");
        process.exitCode = 130;
    } else {
        const known = (await import("./commandError.ts")).userErrorOf(error);
        if (known === undefined) {
            throw error;
        }
        console.error(`\n${known.message}\n\n${known.cure}`);
        process.exitCode = 1;
    }
}
