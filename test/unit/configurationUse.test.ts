/** No key without an effect: each one, set to something else than its default, changes what is registered. */
import { beforeAll, describe, expect, it } from "vitest";
import { type Configuration, keys } from "../../config.ts";
import { inDirectoryOfItsOwn, platform } from "./support/platform.ts";
import { type Recording, revealed } from "./support/recording.ts";

inDirectoryOfItsOwn();

/** Key → a value that is not its default, and the resources that it must reach (and no other). */
const table: Record<keyof Configuration, { value: string; reaches: string[] } | "refused in this version"> = {
    mlflowPort: { value: "5001", reaches: ["docker:Container mlflow"] },
    minioAccessKey: {
        value: "somebody",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container mlflow-secrets-seed"],
    },
    minioSecretAccessKey: {
        value: "long enough",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container mlflow-secrets-seed"],
    },
    minioHost: "refused in this version",
    minioPort: { value: "9010", reaches: ["docker:Container minio"] },
    pgUser: {
        value: "ana",
        reaches: ["docker:Container mlflow", "docker:Container mlflow-secrets-seed", "docker:Container postgres"],
    },
    pgPassword: {
        value: "hunter2",
        reaches: ["docker:Container mlflow-secrets-seed", "docker:Container postgres-secrets-seed"],
    },
    pgHost: "refused in this version",
    pgPort: {
        value: "5433",
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Container postgres",
        ],
    },
    pgDatabase: {
        value: "tracking",
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Container postgres",
        ],
    },
    mlflowBucketName: {
        value: "artifacts",
        reaches: ["docker:Container minio-provision", "docker:Container mlflow"],
    },
    minioVolumePath: {
        value: "/srv/minio",
        // The volume is not made.
        reaches: ["docker:Container minio", "docker:Volume minio_data", "mlflow-platform:Volume minio_data"],
    },
    minioConsoleAddress: { value: ":9011", reaches: ["docker:Container minio"] },
    minioRootUser: {
        value: "admin",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container minio-secrets-seed"],
    },
    minioRootPassword: {
        value: "long enough",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container minio-secrets-seed"],
    },
    minioStorageUseHttps: "refused in this version",
    bindAddress: { value: "127.0.0.2", reaches: ["docker:Container minio", "docker:Container mlflow"] },
    pgOwnerUser: {
        value: "chief",
        reaches: [
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container postgres",
        ],
    },
    pgOwnerPassword: {
        value: "hunter3",
        reaches: ["docker:Container mlflow-migrate-secrets-seed", "docker:Container postgres-secrets-seed"],
    },
    minioVolumeName: { value: "old_data", reaches: ["docker:Container minio", "docker:Volume minio_data"] },
    mlflowImage: {
        value: "registry.example.com/mlflow:1",
        reaches: ["docker:Container mlflow", "docker:Container mlflow-migrate", "docker:RemoteImage mlflow"],
    },
    minioImage: {
        value: "registry.example.com/minio:1",
        reaches: ["docker:Container minio", "docker:Container minio-provision", "docker:RemoteImage minio"],
    },
    postgresImage: {
        value: "registry.example.com/postgres:1",
        reaches: ["docker:Container postgres", "docker:RemoteImage postgres"],
    },
    baseImage: {
        value: "debian:13",
        reaches: [
            "docker:Container minio",
            "docker:Container minio-provision",
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container postgres",
            "docker:RemoteImage minio",
            "docker:RemoteImage mlflow",
            "docker:RemoteImage postgres",
        ],
    },
    mlflowWorkers: { value: "3", reaches: ["docker:Container mlflow"] },
    mlflowMemory: { value: "1024", reaches: ["docker:Container mlflow"] },
    mlflowCpus: { value: "1.5", reaches: ["docker:Container mlflow"] },
    mlflowWaitSeconds: { value: "60", reaches: ["docker:Container mlflow"] },
    minioMemory: { value: "512", reaches: ["docker:Container minio"] },
    minioCpus: { value: "0.5", reaches: ["docker:Container minio"] },
    minioWaitSeconds: { value: "60", reaches: ["docker:Container minio"] },
    pgMemory: { value: "512", reaches: ["docker:Container postgres"] },
    pgCpus: { value: "0.5", reaches: ["docker:Container postgres"] },
    pgWaitSeconds: { value: "60", reaches: ["docker:Container postgres"] },
};

const inputsOf = ({ registrations }: Recording<unknown>) =>
    new Map(registrations.map(({ key, inputs }) => [key, JSON.stringify(revealed(inputs))]));

let before: Map<string, string>;
beforeAll(async () => {
    before = inputsOf(await platform());
});

it("the table has every key", () => {
    expect(Object.keys(table)).toEqual(Object.keys(keys));
});

it("the same configuration registers the same", async () => {
    expect(inputsOf(await platform())).toEqual(before);
});

describe("each key", () => {
    it.each(
        Object.entries(table)
            .filter(([, entry]) => entry === "refused in this version")
            .map(([name]) => name),
    )("%s is refused in this version", async (name) => {
        const value = name === "minioStorageUseHttps" ? "true" : "host.example.com";
        await expect(platform({ [name]: value })).rejects.toThrow(/is not supported in this version/);
    });

    it.each(
        Object.entries(table).flatMap(([name, entry]) =>
            entry === "refused in this version" ? [] : [[name, entry.value, entry.reaches] as const],
        ),
    )("%s = %s reaches %j and nothing else", async (name, value, reaches) => {
        const after = inputsOf(await platform({ [name]: value }));
        const everything = new Set([...before.keys(), ...after.keys()]);
        const changed = [...everything].filter((key) => before.get(key) !== after.get(key));
        expect(changed.sort()).toEqual(reaches);
    });
});
