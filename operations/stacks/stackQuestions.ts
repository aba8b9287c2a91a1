/** The questions of `npm run new-stack`: what an option does not say is asked in a terminal, else taken as proposed, else missing. */
import { confirm, input, password, select } from "@inquirer/prompts";
import { keys, publicHostDefect } from "../../config.ts";
import { type Ports, type Wishes, isPublicName } from "./stackWishes.ts";
import { UserError } from "../userError.ts";

/** What the user gave as options. */
export interface Given {
    readonly for?: "laptop" | "team" | undefined;
    readonly publicHost?: string | undefined;
    readonly bindAddress?: string | undefined;
    readonly certificate?: "own" | "acme" | "given" | undefined;
    readonly tlsEmail?: string | undefined;
    readonly tlsCertificate?: string | undefined;
    readonly login?: boolean | undefined;
    readonly ports?: Ports | undefined;
    readonly pgHost?: string | undefined;
    readonly minioHost?: string | undefined;
}

/** Asks one thing each; the terminal's own, or a test's. */
export interface Questioner {
    readonly text: (
        message: string,
        proposal?: string,
        defect?: (text: string) => string | undefined,
    ) => Promise<string>;
    readonly choice: <T extends string>(
        message: string,
        choices: Readonly<Record<T, string>>,
        proposal: T,
    ) => Promise<T>;
    readonly yes: (message: string, proposal: boolean) => Promise<boolean>;
    /** What is typed is not shown. */
    readonly secret: (message: string) => Promise<string>;
}

/** Ctrl-C or the end of the input is a no. */
async function asked<T>(answer: Promise<T>): Promise<T> {
    try {
        return await answer;
    } catch (error) {
        if ((error as Error).name === "ExitPromptError") {
            throw new UserError("No stack was made.", "Run npm run new-stack again when you like.");
        }
        throw error;
    }
}

/** The terminal. */
export const terminal: Questioner = {
    text: (message, proposal, defect) =>
        asked(
            input({
                message,
                ...(proposal === undefined ? {} : { default: proposal }),
                validate: (text) => (text.trim() === "" ? "Something has to stand here." : (defect?.(text) ?? true)),
            }),
        ).then((text) => text.trim()),
    choice: (message, choices, proposal) =>
        asked(
            select({
                message,
                default: proposal,
                choices: (Object.entries(choices) as [typeof proposal, string][]).map(([value, name]) => ({
                    value,
                    name,
                })),
            }),
        ),
    yes: (message, proposal) => asked(confirm({ message, default: proposal })),
    secret: (message) => asked(password({ message, mask: "*" })),
};

/** Collects what is not said and cannot be asked. */
export class Missing {
    readonly options: string[] = [];

    /** The answer by option, else by question, else the proposal; without any, the option is missing. */
    async of<T>(
        option: string,
        given: T | undefined,
        proposal: T | undefined,
        ask: (() => Promise<T>) | undefined,
    ): Promise<T | undefined> {
        if (given !== undefined) {
            return given;
        }
        if (ask !== undefined) {
            return ask();
        }
        if (proposal === undefined) {
            this.options.push(option);
        }
        return proposal;
    }

    /** Throws a UserError that names them all. */
    throwIfAny(): void {
        if (this.options.length > 0) {
            throw new UserError(
                `This is missing, and nothing can be asked here: ${this.options.join(", ")}.`,
                "Give it as an option, or run this in a terminal without --yes: npm run new-stack -- --help",
            );
        }
    }
}

const audiences = {
    laptop: "only me, on this machine",
    team: "my team, over the network: login and TLS",
};
const certificates = {
    own: "signed by the stack's own authority; npm run user gives it to each client",
    acme: "by Let's Encrypt: the name is in public DNS, and port 443 or 80 is reached from outside",
    given: "one that I have, in a PEM file",
};

/**
 * Asks what the options leave open. `base` is what the stack is made from (texts by key); `sure` takes what is proposed
 * without a question, the audience too.
 */
export async function completeWishes(
    given: Given,
    others: Readonly<Record<string, string>>,
    base: Readonly<Record<string, string>>,
    sure: boolean,
    questioner: Questioner | undefined,
    missing: Missing,
): Promise<Wishes> {
    const ask = <T>(question: (q: Questioner) => Promise<T>) =>
        questioner === undefined ? undefined : () => question(questioner);
    const known = { ...base, ...others };
    const proposed = known.publicHost === undefined ? "laptop" : "team";
    const implied = given.publicHost === undefined ? undefined : "team";
    const audience =
        (await missing.of(
            "--for laptop|team",
            given.for ?? implied,
            sure || known.publicHost !== undefined ? proposed : undefined,
            ask((q) => q.choice("Who uses it?", audiences, proposed)),
        )) ?? proposed;
    const team = audience === "team";
    const publicHost = team
        ? await missing.of(
              "--public-host",
              given.publicHost ?? others.publicHost,
              base.publicHost,
              ask((q) => q.text("Name by which clients call it", base.publicHost, publicHostDefect)),
          )
        : undefined;
    const bindAddress = team
        ? await missing.of(
              "--bind-address",
              given.bindAddress ?? others.bindAddress,
              base.bindAddress ?? "0.0.0.0",
              ask((q) =>
                  q.text(
                      "Address of this host on which it is published (0.0.0.0: every one)",
                      base.bindAddress ?? "0.0.0.0",
                  ),
              ),
          )
        : given.bindAddress;
    const had = known.tlsEmail !== undefined ? "acme" : known.tlsCertificateFile !== undefined ? "given" : "own";
    const byOption =
        given.certificate ??
        (given.tlsEmail !== undefined ? "acme" : given.tlsCertificate !== undefined ? "given" : undefined);
    const name = publicHost ?? "";
    const certificate = team
        ? ((await missing.of(
              "--certificate",
              byOption,
              had,
              // No authority signs for an address or a name of one word.
              isPublicName(name) ? ask((q) => q.choice("Its certificate?", certificates, had)) : undefined,
          )) ?? "own")
        : undefined;
    const tlsEmail =
        certificate === "acme"
            ? await missing.of(
                  "--tls-email",
                  given.tlsEmail ?? others.tlsEmail,
                  base.tlsEmail,
                  ask((q) => q.text("E-mail address for the account at Let's Encrypt", base.tlsEmail)),
              )
            : undefined;
    const tlsCertificateFile =
        certificate === "given"
            ? await missing.of(
                  "--tls-certificate",
                  given.tlsCertificate ?? others.tlsCertificateFile,
                  base.tlsCertificateFile,
                  ask((q) => q.text("PEM file of the certificate", base.tlsCertificateFile)),
              )
            : undefined;
    const openByDefault = known.mlflowAuth === "false";
    const login = team
        ? (given.login ?? true)
        : ((await missing.of(
              "--login",
              given.login,
              !openByDefault,
              ask((q) => q.yes("A login? Without it whoever is on this machine may do everything", !openByDefault)),
          )) ?? true);
    const service = async (what: string, key: "pgHost" | "minioHost", option: string | undefined) => {
        if (option !== undefined || questioner === undefined) {
            return option;
        }
        const where = await questioner.choice(
            what,
            { here: "it runs here", other: "one that is there already" },
            known[key] === undefined ? "here" : "other",
        );
        return where === "other"
            ? questioner.text("Its host, or host:port, as containers call it", known[key])
            : // Not that of the base either.
              "";
    };
    const pgHost = await service("The PostgreSQL?", "pgHost", given.pgHost);
    const more: Record<string, string> = {};
    const detail = async (key: "pgUser" | "pgDatabase" | "minioAccessKey", question: string, standard?: string) => {
        const proposal = base[key] ?? standard;
        const answer = await missing.of(
            `--set ${key}=…`,
            others[key],
            proposal,
            ask((q) => q.text(question, proposal)),
        );
        if (answer !== undefined && answer !== standard) {
            more[key] = answer;
        }
    };
    if (pgHost !== undefined && pgHost !== "") {
        await detail("pgUser", "Its role for the tracking server", keys.pgUser.default);
        await detail("pgDatabase", "Its database", keys.pgDatabase.default);
    }
    const minioHost = await service("The S3 store?", "minioHost", given.minioHost);
    if (minioHost !== undefined && minioHost !== "") {
        await detail("minioAccessKey", "Its access key for MLflow");
    }
    return {
        audience,
        login,
        publicHost,
        bindAddress,
        certificate,
        tlsEmail,
        tlsCertificateFile,
        pgHost,
        minioHost,
        ports: given.ports,
        others: { ...more, ...others },
    };
}
