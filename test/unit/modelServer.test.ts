/** A model server: exactly what it registers, with login and without, published here or by a gateway. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { ModelServer, type ModelServerArgs } from "../../components/modelServer.ts";
import { authorities } from "./support/certificates.ts";
import { containerOptions, filesOf, labelInputs, labels, secretsMount, service, tree } from "./support/containers.ts";
import { record, revealed, secret, textsInSight, valueOf, withFailures } from "./support/recording.ts";

const args: ModelServerArgs = {
    image: "model:1",
    seedImage: "seed:1",
    networkId: "network id",
    stateVolume: pulumi.output("iris_state"),
    recordsVolume: pulumi.output("iris_records"),
    trackingUri: "http://mlflow:5000",
    account: { username: "model-server-iris", password: pulumi.secret("iris' word") },
    packages: { environment: "export PIP_INDEX_URL=https://pypi.example.com\n", authorities: authorities.one },
    model: "Iris flowers",
    alias: "champion",
    aliasPollSeconds: 11,
    requestSize: 12,
    requestSeconds: 13,
    requestConcurrency: 14,
    recordSampleRate: 0.25,
    recordSize: 15,
    recordDays: 16,
    publishedPort: 5100,
    url: "http://127.0.0.1:5100",
    memory: 1024,
    cpus: 1.5,
    waitSeconds: 90,
    after: [],
    labels,
};
const make = (more: Partial<ModelServerArgs> = {}) => record(() => new ModelServer("model-iris", { ...args, ...more }));
const seed = "model-iris-secrets-seed";
const files = async (more: Partial<ModelServerArgs> = {}) => filesOf(await make(more), seed).files;

describe("a model server", () => {
    it("is a service and its secrets", async () => {
        const made = await make();
        expect(tree(made)).toEqual([
            "docker:Container model-iris < mlflow-platform:ModelServer model-iris",
            "docker:Container model-iris-secrets-seed < mlflow-platform:SecretFiles model-iris-secrets",
            "docker:Volume model-iris-secrets < mlflow-platform:SecretFiles model-iris-secrets",
            "mlflow-platform:ModelServer model-iris < stack",
            "mlflow-platform:SecretFiles model-iris-secrets < mlflow-platform:ModelServer model-iris",
        ]);
        expect(made.get("mlflow-platform:ModelServer model-iris").type).toBe("mlflow-platform:index:ModelServer");
        expect(made.warnings).toEqual([]);
    });

    it("gets its password, and how packages are reached, as files", async () => {
        expect(filesOf(await make(), seed)).toStrictEqual({
            owner: ["1000:1000"],
            files: {
                "/run/secrets/platform/packages.env": secret("export PIP_INDEX_URL=https://pypi.example.com\n"),
                "/run/secrets/platform/package_ca": secret(authorities.one),
                "/run/secrets/platform/mlflow_password": secret("iris' word"),
            },
        });
    });

    it("serves from a network of its own, keeps what it is to keep, and is published on loopback", async () => {
        const { get } = await make();
        expect(get("docker:Container model-iris").inputs).toStrictEqual({
            ...service,
            image: "model:1",
            labels: labelInputs,
            user: "1000:1000",
            command: ["python", "-m", "model_server"],
            envs: [
                "ALIAS_POLL_SECONDS=11",
                "MLFLOW_TRACKING_URI=http://mlflow:5000",
                "MLFLOW_TRACKING_USERNAME=model-server-iris",
                "MODEL_ALIAS=champion",
                "MODEL_NAME=Iris flowers",
                "RECORD_DAYS=16",
                "RECORD_SAMPLE_RATE=0.25",
                "RECORD_SIZE=15",
                "REQUEST_CONCURRENCY=14",
                "REQUEST_SECONDS=13",
                "REQUEST_SIZE=12",
            ],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=256m" },
            memory: 1024,
            memorySwap: 1024,
            cpus: "1.5",
            volumes: [
                { volumeName: "iris_state", containerPath: "/var/lib/model-server", readOnly: false },
                { volumeName: "iris_records", containerPath: "/var/lib/records", readOnly: false },
                secretsMount("model-iris-secrets"),
            ],
            networksAdvanced: [{ name: "network id", aliases: ["model-iris"] }],
            ports: [{ internal: 8080, external: 5100, ip: "127.0.0.1" }],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/model-server-healthy"],
                interval: "5s",
                timeout: "5s",
                startPeriod: "2h0m0s",
                retries: 5,
            },
            waitTimeout: 90,
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
        expect(get("docker:Container model-iris").options).toStrictEqual({
            ...containerOptions,
            dependencies: ["docker:Container model-iris-secrets-seed", "docker:Volume model-iris-secrets"],
            replaceWith: ["docker:Container model-iris-secrets-seed"],
        });
    });

    it("has its password and the package index in that file alone, whether they are marked or not", async () => {
        for (const password of ["iris' word", pulumi.secret("iris' word")]) {
            const { registrations } = await make({ account: { username: "model-server-iris", password } });
            const found = registrations.flatMap(({ key, inputs }) =>
                textsInSight(revealed(inputs)).some((text) => /iris' word|PIP_INDEX_URL/.test(text)) ? [key] : [],
            );
            expect(found).toEqual([`docker:Container ${seed}`]);
            const inSight = registrations.flatMap(({ inputs }) => textsInSight(inputs));
            expect(inSight.filter((text) => /iris' word|PIP_INDEX_URL/.test(text))).toEqual([]);
        }
    });

    it("has no authority where there is none but the public ones, and no settings where there are none", async () => {
        expect(await files({ packages: { environment: "", authorities: undefined } })).toStrictEqual({
            "/run/secrets/platform/mlflow_password": secret("iris' word"),
        });
    });

    it("warns where there is no login, and has neither name nor password then", async () => {
        const [withLogin, without] = [await make(), await make({ account: undefined })];
        expect(without.warnings).toEqual([
            "mlflow-platform:ModelServer model-iris: model-iris: without login (mlflowAuth) the code of a served model can read and " +
                "write everything in MLflow",
        ]);
        expect(await files({ account: undefined })).toStrictEqual({
            "/run/secrets/platform/packages.env": secret("export PIP_INDEX_URL=https://pypi.example.com\n"),
            "/run/secrets/platform/package_ca": secret(authorities.one),
        });
        const before = withLogin.get("docker:Container model-iris").inputs;
        expect(without.get("docker:Container model-iris").inputs).toStrictEqual({
            ...before,
            envs: (before.envs as string[]).filter((line) => !line.startsWith("MLFLOW_TRACKING_USERNAME=")),
        });
    });

    it("publishes nothing where a gateway does", async () => {
        const [here, behind] = [
            await make(),
            await make({ publishedPort: undefined, url: "https://ml.example.com:5100" }),
        ];
        expect(behind.get("docker:Container model-iris").inputs).toStrictEqual({
            ...here.get("docker:Container model-iris").inputs,
            ports: [],
        });
        expect(await valueOf(behind.result.url)).toBe("https://ml.example.com:5100");
    });

    it("starts after the tracking server, and is not replaced with it", async () => {
        const { get } = await record(() => {
            const mlflow = new docker.Container("mlflow", { image: "mlflow" });
            return new ModelServer("model-iris", { ...args, after: [mlflow] });
        });
        const { options, takes } = get("docker:Container model-iris");
        expect(options.dependencies).toEqual([
            "docker:Container mlflow",
            "docker:Container model-iris-secrets-seed",
            "docker:Volume model-iris-secrets",
        ]);
        expect(options.replaceWith).toEqual(["docker:Container model-iris-secrets-seed"]);
        expect(takes).toEqual({ volumes: ["docker:Volume model-iris-secrets"] });
    });

    it("says where it is, and what stands behind a gateway: its container, and what that is replaced with", async () => {
        const { result, get } = await make();
        expect(result.upstream).toBe("http://model-iris:8080");
        expect(await valueOf(result.url)).toBe("http://127.0.0.1:5100");
        expect(await pulumi.isSecret(result.url)).toBe(false);
        expect(await Promise.all(result.service.map(({ urn }) => valueOf(urn)))).toEqual(
            ["Container model-iris", "Volume model-iris-secrets", `Container ${seed}`].map(
                (one) => get(`docker:${one}`).urn,
            ),
        );
    });

    it("has no URL where its container was not made", async () => {
        const { result } = await withFailures(async () => {
            const { result: server } = await record(() => new ModelServer("model-iris", args), {
                impossible: ["docker:Container model-iris"],
            });
            return valueOf(server.url).catch(() => "none");
        });
        expect(result).toBe("none");
    });
});
