import * as pulumi from "@pulumi/pulumi";
import { type Database, type DatabaseTls, type Login, postgresUri } from "./database.ts";

/** Arguments of `ExternalPostgres`. */
export interface ExternalPostgresArgs {
    /** Host name, as the stack's containers resolve it. */
    host: string;
    /** TCP port. */
    port: number;
    /** Database; made if it is not there and the owner may make it. */
    database: string;
    /** The role that migrates the schema. Defaults to the server's. */
    ownerLogin?: Login | undefined;
    /** The role of the server. */
    serverLogin: Login;
    /** The role of the tables of MLflow's users. Defaults to the server's. */
    authLogin?: Login | undefined;
    /** How connections are encrypted. */
    tls: DatabaseTls;
    /** Seconds that the migration waits for it to answer. */
    waitSeconds: number;
}

/** A PostgreSQL that somebody else runs. Warns where one role both migrates and serves. */
export class ExternalPostgres extends pulumi.ComponentResource {
    /** Its data is not this stack's. */
    public readonly data = undefined;
    /** Where it is and who may log in. */
    public readonly database: Database;
    /** URI of the server's role, with its password: a secret. */
    public readonly uri: pulumi.Output<string>;

    constructor(name: string, args: ExternalPostgresArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:ExternalPostgres", name, {}, opts);
        const { host, port, database, serverLogin, tls } = args;
        if (args.ownerLogin === undefined) {
            void pulumi.log.warn(
                `rights are not split: ${serverLogin.user} migrates the tables of database ${database} and is the server's ` +
                    "role as well, so a flaw in the server could drop them. Set pgOwnerUser and pgOwnerPassword to another role.",
                this,
            );
        }
        this.database = {
            host,
            port,
            database,
            ownerLogin: args.ownerLogin ?? serverLogin,
            serverLogin,
            authLogin: args.authLogin ?? serverLogin,
            tls,
            prepareSeconds: args.waitSeconds,
            ready: [],
        };
        this.uri = pulumi.secret(
            pulumi
                .output(serverLogin.password)
                .apply((password) =>
                    postgresUri({ host, port, database, user: serverLogin.user, password, sslMode: tls.mode }),
                ),
        );
        this.registerOutputs({ uri: this.uri });
    }
}
