/** What the containers of a service's tests have in common. */
import { expect } from "vitest";
import type { MlflowArgs } from "../../../components/mlflow.ts";
import { type Recording, project, stack } from "./recording.ts";

export const labels = { "x.stack": "test" };
export const labelInputs = [{ label: "x.stack", value: "test" }];

/** What MLflow is made of beside database and store, without login. */
export const mlflowArgs = {
    image: "mlflow:1",
    seedImage: "seed:1",
    networkId: "network id",
    kekPassphrase: "kek's word",
    login: undefined,
    modelServers: [],
    transfer: { kind: "proxied" },
    tempSize: 64,
    url: "http://127.0.0.1:5000",
    hosts: ["localhost"],
    origins: [],
    published: { address: "127.0.0.1", port: 5000 },
    workers: 2,
    memory: 1536,
    cpus: 2,
    waitSeconds: 90,
    lastRecords: undefined,
    labels,
} satisfies Partial<MlflowArgs>;

/** The mount of a consumer's secrets. */
export const secretsMount = (name: string) => ({
    volumeName: `${project}-${stack}-${name}`,
    containerPath: "/run/secrets/platform",
    readOnly: true,
});

/** The options of every container. */
export const containerOptions = {
    deleteBeforeReplace: true,
    replaceOnChanges: ["healthcheck", "tmpfs", "init", "#initerror"],
};

/** The options of a job's container, beside those. */
export const jobOptions = { ...containerOptions, additionalSecretOutputs: ["containerLogs"] };

/** What every service and job has. */
const hardened = {
    labels: labelInputs,
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: [] },
    securityOpts: ["no-new-privileges"],
    init: true,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
};
export const service = { ...hardened, wait: true, restart: "unless-stopped" };
export const job = { ...hardened, mustRun: false, attach: true, logs: true, restart: "no" };
export const tmp = "rw,noexec,nosuid,nodev,size=64m";

/** The files of a seed: name → content. */
export function filesOf(recording: Recording<unknown>, seed: string) {
    const uploads = recording.get(`docker:Container ${seed}`).inputs.uploads as Record<string, unknown>[];
    for (const { permissions } of uploads) {
        expect(permissions).toBe("0400");
    }
    return {
        owner: [...new Set(uploads.map(({ owner, group }) => `${String(owner)}:${String(group)}`))],
        files: Object.fromEntries(uploads.map(({ file, content }) => [String(file), content])),
    };
}

/** "key < parent" of all registrations, sorted. */
export const tree = ({ registrations }: Recording<unknown>) =>
    registrations.map(({ key, parent }) => `${key} < ${parent ?? "stack"}`).sort();
