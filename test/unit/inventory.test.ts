/**
 * Everything the program registers, in files that a reviewer sees change: URN, inputs and options, for six configurations. It is the
 * contract with the states of existing stacks. Secrets and content hashes are masked. A wanted change is written by
 * `npm run test:unit -- inventory --update`.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { currentMaker } from "../../components/origin.ts";
import { keys } from "../../config.ts";
import { asTexts, readSettings } from "../../operations/stacks/stackFile.ts";
import { authorities } from "./support/certificates.ts";
import { inDirectoryOfItsOwn, platform } from "./support/platform.ts";
import { type Registration, Secret, unknown } from "./support/recording.ts";

const project = join(import.meta.dirname, "../..");
const exampleStack = (stack: string) =>
    asTexts(readSettings("file", readFileSync(join(project, `Pulumi.${stack}.yaml`), "utf8")).plain);

inDirectoryOfItsOwn();
beforeAll(() => {
    // As in a checkout: the program is this package's own.
    symlinkSync(join(project, "package.json"), "package.json");
    writeFileSync("authority.pem", authorities.one);
    mkdirSync("lifecycle/python", { recursive: true });
    writeFileSync("lifecycle/python/MLproject", "name: lifecycle\n");
});

const configurations: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    dev: exampleStack("dev"),
    staging: exampleStack("staging"),
    production: {
        ...exampleStack("production"),
        pgPassword: "server",
        pgOwnerPassword: "owner",
        pgAuthPassword: "auth",
    },
    presigned: { artifactTransfer: "presigned", minioStorageUseHttps: "true", publicHost: "mlflow.example.com" },
    servedModels: {
        modelServers: JSON.stringify([
            { name: "iris", model: "Iris flowers", port: 5100, monitorSchedule: "0 * * * *" },
            { name: "wine", port: "5101", alias: "champion", memory: 1024, tokenVersion: 2 },
        ]),
        publicHost: "mlflow.example.com",
        monitorUsername: "watchman",
        monitorPassword: "watchman's word",
        monitorProject: "lifecycle",
    },
    externalBoth: {
        pgHost: "db.example.com",
        pgPort: "6432",
        pgPassword: "server",
        pgOwnerUser: "chief",
        pgOwnerPassword: "owner",
        pgAuthUser: "login",
        pgAuthPassword: "auth",
        pgSslMode: "verify-full",
        pgCaFile: "authority.pem",
        minioHost: "s3.example.com",
        minioPort: "443",
        minioStorageUseHttps: "true",
        minioAccessKey: "somebody",
        minioSecretAccessKey: "long enough",
    },
};

/** Content hashes, and what belongs to the machine that the test runs on. */
function masked(text: string): string {
    return text
        .replaceAll(currentMaker(), "<maker>")
        .replaceAll(process.cwd(), "<project>")
        .replace(/^[0-9a-f]{12,64}$/, "<hash>")
        .replace(/(mlflow-platform\/[\w-]+:[\w.-]+)-[0-9a-f]{12}$/, "$1-<hash>");
}

function written(value: unknown): unknown {
    if (value instanceof Secret) {
        return "<secret>";
    }
    if (value === unknown) {
        return "<unknown>";
    }
    if (Array.isArray(value)) {
        return value.map(written);
    }
    if (typeof value === "object" && value !== null) {
        return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, written(entry)]));
    }
    return typeof value === "string" ? masked(value) : value;
}

const entryOf = ({ urn, inputs, options }: Registration) => [urn, written({ inputs, options })] as const;

it.each(Object.entries(configurations))("of %s", async (name, configuration) => {
    expect(Object.keys(keys)).toEqual(expect.arrayContaining(Object.keys(configuration)));
    const { registrations } = await platform(configuration);
    const entries = registrations.map(entryOf);
    expect(new Set(entries.map(([urn]) => urn)).size).toBe(registrations.length);
    const inventory = stringify(Object.fromEntries(entries), { sortMapEntries: true, lineWidth: 0 });
    await expect(inventory).toMatchFileSnapshot(join(import.meta.dirname, "inventory", `${name}.yaml`));
});
