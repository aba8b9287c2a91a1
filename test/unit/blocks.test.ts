/** What every service is made of: network, volume, identity, generated secrets, files of secrets. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { GeneratedSecret } from "../../components/generatedSecret.ts";
import { Network } from "../../components/network.ts";
import { Origin } from "../../components/origin.ts";
import { SecretFiles } from "../../components/secretFiles.ts";
import { Volume } from "../../components/volume.ts";
import { project, record, secret, stack, valueOf } from "./support/recording.ts";

const labels = { "x.stack": "test", "x.origin": pulumi.output("ana") };
const labelInputs = [
    { label: "x.stack", value: "test" },
    { label: "x.origin", value: "ana" },
];

describe("a network", () => {
    it("is a bridge of the stack's own, replaced before its name is taken again", async () => {
        const { registrations, get, result } = await record(() => new Network("backend", { labels }));
        expect(registrations.map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:Network backend", "mlflow-platform:index:Network"],
            ["docker:Network backend", "docker:index/network:Network"],
        ]);
        const network = get("docker:Network backend");
        expect(network.parent).toBe("mlflow-platform:Network backend");
        expect(network.inputs).toStrictEqual({ driver: "bridge", labels: labelInputs });
        expect(network.options).toStrictEqual({ deleteBeforeReplace: true });
        expect(await valueOf(result.networkId)).toBe("id of backend");
    });
});

describe("a volume", () => {
    it("is protected, and no change of labels or driver replaces it", async () => {
        const { registrations, get, result } = await record(() => new Volume("data", { labels }));
        expect(registrations.map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:Volume data", "mlflow-platform:index:Volume"],
            ["docker:Volume data", "docker:index/volume:Volume"],
        ]);
        const volume = get("docker:Volume data");
        expect(volume.parent).toBe("mlflow-platform:Volume data");
        expect(volume.inputs).toStrictEqual({ labels: labelInputs });
        expect(volume.options).toStrictEqual({ protect: true, ignoreChanges: ["labels", "driver", "driverOpts"] });
        expect(await valueOf(result.volumeName)).toBe(`${project}-${stack}-data`);
    });

    it("is not protected where what it is for may leave the stack, and stays on the engine then", async () => {
        const { get, result } = await record(() => new Volume("data", { labels, removable: true }));
        const volume = get("docker:Volume data");
        expect(volume.inputs).toStrictEqual({ labels: labelInputs });
        expect(volume.options).toStrictEqual({
            retainOnDelete: true,
            ignoreChanges: ["labels", "driver", "driverOpts"],
        });
        expect(await valueOf(result.volumeName)).toBe(`${project}-${stack}-data`);
    });

    it("is an existing one where its name is given", async () => {
        const { get, result } = await record(() => new Volume("data", { labels, volumeName: "old_data" }));
        expect(get("docker:Volume data").inputs).toStrictEqual({ name: "old_data", labels: labelInputs });
        expect(get("docker:Volume data").options.protect).toBe(true);
        expect(await valueOf(result.volumeName)).toBe("old_data");
    });
});

describe("the origin of a stack", () => {
    it("is a protected random id, with the maker of the first update and of no later one", async () => {
        const { registrations, get, result } = await record(() => new Origin("origin", { maker: "ana@laptop" }));
        expect(registrations.map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:Origin origin", "mlflow-platform:index:Origin"],
            ["random:RandomId origin", "random:index/randomId:RandomId"],
        ]);
        const id = get("random:RandomId origin");
        expect(id.parent).toBe("mlflow-platform:Origin origin");
        expect(id.inputs).toStrictEqual({ byteLength: 4, prefix: "ana@laptop-" });
        expect(id.options).toStrictEqual({ protect: true, ignoreChanges: ["prefix"] });
        expect(await valueOf(pulumi.output(result.labels))).toStrictEqual({
            "mlflow-platform.project": "mlflow-platform",
            "mlflow-platform.stack": "test",
            "mlflow-platform.origin": "ana@laptop-0badcafe",
        });
    });
});

describe("a generated secret", () => {
    const generated = { length: 32, special: false, lower: true };

    it.each<[string, ConstructorParameters<typeof GeneratedSecret>[1], object, string]>([
        ["32 letters and digits", {}, generated, "generated word"],
        ["as long as asked", { length: 20 }, { ...generated, length: 20 }, "generated word"],
        ["an access key's characters", { upperCase: true }, { ...generated, lower: false }, "generated word"],
        ["declared also where configuration has a value", { configured: "hunter2" }, generated, "hunter2"],
        ["declared also where that is a resource's", { configured: pulumi.output("hunter2") }, generated, "hunter2"],
    ])("is %s", async (_words, args, inputs, value) => {
        const { registrations, get, result } = await record(() => new GeneratedSecret("word", args));
        expect(registrations.map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:GeneratedSecret word", "mlflow-platform:index:GeneratedSecret"],
            ["random:RandomPassword word", "random:index/randomPassword:RandomPassword"],
        ]);
        const password = get("random:RandomPassword word");
        expect(password.parent).toBe("mlflow-platform:GeneratedSecret word");
        expect(password.inputs).toStrictEqual(inputs);
        expect(password.options).toStrictEqual({
            protect: true,
            additionalSecretOutputs: ["bcryptHash", "result"],
        });
        expect(await valueOf(result.value)).toBe(value);
        expect(await pulumi.isSecret(result.value)).toBe(true);
    });
});

describe("files of secrets", () => {
    const make = () =>
        record(() => {
            const files = new SecretFiles("thing-secrets", {
                seedImage: pulumi.output("mlflow-platform/seed:1"),
                owner: { uid: 999, gid: 998 },
                labels,
                // A plain text and an output that nobody marked: both must end up secret.
                files: { word: "hunter2", key: pulumi.output("hunter3") },
            });
            // A consumer, to see what its options make of it.
            new docker.Container("consumer", { image: "x" }, { ...files.consumerOptions });
            return files;
        });

    it("are in a volume of one consumer, filled by a seed", async () => {
        const { registrations } = await make();
        expect(registrations.map(({ key, type, parent }) => [key, type, parent])).toEqual([
            ["mlflow-platform:SecretFiles thing-secrets", "mlflow-platform:index:SecretFiles", undefined],
            ["docker:Volume thing-secrets", "docker:index/volume:Volume", "mlflow-platform:SecretFiles thing-secrets"],
            [
                "docker:Container thing-secrets-seed",
                "docker:index/container:Container",
                "mlflow-platform:SecretFiles thing-secrets",
            ],
            ["docker:Container consumer", "docker:index/container:Container", undefined],
        ]);
    });

    it("the volume is not protected, and is replaced when the list of files changes", async () => {
        const { get } = await make();
        const volume = get("docker:Volume thing-secrets");
        expect(volume.inputs).toStrictEqual({
            labels: [...labelInputs, { label: "mlflow-platform.files", value: "key word" }],
        });
        expect(volume.options).toStrictEqual({ deleteBeforeReplace: true });
    });

    it("the seed has each as a secret input, 0400 and the owner's", async () => {
        const { get } = await make();
        const seed = get("docker:Container thing-secrets-seed");
        const file = { permissions: "0400", owner: "999", group: "998" };
        expect(seed.inputs).toStrictEqual({
            image: "mlflow-platform/seed:1",
            entrypoints: ["/never-started"],
            labels: [
                { label: "x.origin", value: "ana" },
                { label: "x.stack", value: "test" },
            ],
            capabilities: { drops: ["ALL"], adds: [] },
            securityOpts: ["no-new-privileges"],
            networkMode: "none",
            start: false,
            mustRun: false,
            restart: "no",
            volumes: [
                {
                    volumeName: `${project}-${stack}-thing-secrets`,
                    containerPath: "/run/secrets/platform",
                    readOnly: false,
                },
            ],
            uploads: [
                { ...file, file: "/run/secrets/platform/key", content: secret("hunter3") },
                { ...file, file: "/run/secrets/platform/word", content: secret("hunter2") },
            ],
            logDriver: "json-file",
            logOpts: { "max-size": "10m", "max-file": "3" },
        });
        expect(seed.options).toStrictEqual({
            deleteBeforeReplace: true,
            replaceOnChanges: ["healthcheck", "tmpfs", "init", "#initerror"],
            dependencies: ["docker:Volume thing-secrets"],
        });
    });

    it("the consumer waits for the seed and is replaced with it", async () => {
        const { get } = await make();
        expect(get("docker:Container consumer").options).toStrictEqual({
            dependencies: ["docker:Container thing-secrets-seed"],
            replaceWith: ["docker:Container thing-secrets-seed"],
        });
    });

    it("the consumer gets them read-only", async () => {
        const { result } = await make();
        expect({ ...result.mount, source: await valueOf(pulumi.output(result.mount.source)) }).toStrictEqual({
            source: `${project}-${stack}-thing-secrets`,
            path: "/run/secrets/platform",
            readOnly: true,
        });
    });
});
