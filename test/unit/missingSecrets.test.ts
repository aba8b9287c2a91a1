/** Which secrets a configuration lacks: every combination that makes one necessary, and no other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Key, keys, missingSecrets, parseConfiguration } from "../../config.ts";
import { placeholderOf } from "../../operations/preview/placeholders.ts";

const table: Readonly<Record<string, Key<unknown>>> = keys;
const secretKeys = Object.keys(table).filter((name) => table[name]?.secret);
const raw = (values: Readonly<Record<string, string>>) => ({ values, secrets: new Set(secretKeys) });

const scheduled = JSON.stringify([{ name: "iris", port: 5100, monitorSchedule: "0 * * * *" }]);

describe("a configuration lacks", () => {
    it.each<[string, Record<string, string>, string[]]>([
        ["nothing, where everything runs here", {}, []],
        ["the server's password, with another PostgreSQL", { pgHost: "db.example.com" }, ["pgPassword"]],
        [
            "those of the roles that are named as well",
            { pgHost: "db.example.com", pgOwnerUser: "owner", pgAuthUser: "auth" },
            ["pgPassword", "pgOwnerPassword", "pgAuthPassword"],
        ],
        ["no role's password, where PostgreSQL runs here", { pgOwnerUser: "owner", pgAuthUser: "auth" }, []],
        [
            "the key's secret, with another store",
            { minioHost: "s3.example.com", minioAccessKey: "somebody" },
            ["minioSecretAccessKey"],
        ],
        [
            "the private key, with a certificate of its own",
            { publicHost: "mlflow.example.com", tlsCertificateFile: "there/is/none.pem" },
            ["tlsPrivateKey"],
        ],
        [
            "the monitors' password, with login and a schedule",
            { modelServers: scheduled, monitorUsername: "watchman" },
            ["monitorPassword"],
        ],
        ["no such password without a login", { modelServers: scheduled, mlflowAuth: "false" }, []],
        ["nothing that it has", { pgHost: "db.example.com", pgPassword: "hunter2" }, []],
    ])("%s", (_words, values, expected) => {
        expect(missingSecrets(raw(values)).sort()).toEqual([...expected].sort());
    });

    it("after placeholders no secret any more, whatever keys are set together", () => {
        const others: Readonly<Record<string, string>> = {
            pgHost: "db.example.com",
            minioHost: "s3.example.com",
            publicHost: "mlflow.example.com",
            modelServers: scheduled,
            mlflowAuth: "false",
        };
        const names = Object.keys(table);
        fc.assert(
            fc.property(fc.subarray(names), (set) => {
                const values = Object.fromEntries(set.map((name) => [name, others[name] ?? placeholderOf(name)]));
                const added = Object.fromEntries(
                    missingSecrets(raw(values)).map((name) => [name, placeholderOf(name)] as const),
                );
                expect(Object.keys(added).filter((name) => name in values)).toEqual([]);
                const { problems } = parseConfiguration(raw({ ...values, ...added }));
                const lacked = secretKeys.filter((name) => !(name in values));
                const ofLacked = problems.filter((text) => lacked.some((name) => text.startsWith(`${name}:`)));
                // A text is no private key: a pair is made where one is needed.
                expect(ofLacked.filter((text) => !text.startsWith("tlsPrivateKey: is not a private key"))).toEqual([]);
            }),
            { numRuns: 300 },
        );
    });
});
