/** Rules about what a container may do: to its own files, to the kernel, to the engine. */
import { containerKind, hasProcess } from "./container.ts";
import { type Rule, isRecord, isUnknown, records, texts } from "./resource.ts";

const nonRootUser: Rule = {
    id: "non-root-user",
    title: "A container's process runs as a numeric user other than root.",
    reason: "Root in a container is the host's root as soon as something lets it out. A name would be looked up on the host that runs Pulumi.",
    cure: "Set `user` to a numeric uid:gid other than 0, such as 1000:1000.",
    found: (resource) => {
        const { user } = resource.inputs;
        if (!hasProcess(resource) || isUnknown(user)) {
            return [];
        }
        if (typeof user !== "string" || user === "") {
            return ["`user` is not set: the image's user runs, which may be root"];
        }
        return /^[1-9]\d*(:[1-9]\d*)?$/.test(user) ? [] : [`\`user\` is ${user}`];
    },
};

const readOnlyRoot: Rule = {
    id: "read-only-root",
    title: "A container's root file system is read-only.",
    reason: "What gets in cannot leave a program behind, and data is only where volumes are.",
    cure: "Set `readOnly` true, with `tmpfs` or a volume where the process has to write.",
    found: (resource) =>
        !hasProcess(resource) || resource.inputs.readOnly === true || isUnknown(resource.inputs.readOnly)
            ? []
            : ["`readOnly` is not true"],
};

const noCapabilities: Rule = {
    id: "no-capabilities",
    title: "A container has no capabilities: all are dropped and none is added.",
    reason: "Capabilities are parts of root's power over the kernel; nothing here needs one.",
    cure: 'Set `capabilities` to { drops: ["ALL"], adds: [] }.',
    found: (resource) => {
        const { capabilities } = resource.inputs;
        if (containerKind(resource) === undefined || isUnknown(capabilities)) {
            return [];
        }
        const { drops, adds } = isRecord(capabilities) ? capabilities : {};
        return [
            ...(texts(drops).includes("ALL") ? [] : ["`capabilities.drops` has not ALL"]),
            ...(texts(adds).length === 0 ? [] : [`\`capabilities.adds\` has ${texts(adds).join(", ")}`]),
        ];
    },
};

const noNewPrivileges: Rule = {
    id: "no-new-privileges",
    title: "No process of a container gains privileges that its parent has not.",
    reason: "A program with the set-user-id bit would be a way back to root.",
    cure: 'Set `securityOpts` to ["no-new-privileges"].',
    found: (resource) =>
        containerKind(resource) === undefined ||
        isUnknown(resource.inputs.securityOpts) ||
        texts(resource.inputs.securityOpts).some((option) => /^no-new-privileges(:true)?$/.test(option))
            ? []
            : ["`securityOpts` has not no-new-privileges"],
};

const notPrivileged: Rule = {
    id: "not-privileged",
    title: "No container is privileged, gets a device or lays aside the engine's profiles.",
    reason: "A privileged container is the host.",
    cure: "Remove `privileged`, `devices` and every `securityOpts` with unconfined.",
    found: (resource) => {
        if (containerKind(resource) === undefined) {
            return [];
        }
        const { privileged, devices, securityOpts } = resource.inputs;
        const unconfined = texts(securityOpts).filter((option) => option.endsWith("unconfined"));
        return [
            ...(privileged === true ? ["`privileged` is true"] : []),
            ...(records(devices).length > 0 ? ["`devices` gives it the host's"] : []),
            ...unconfined.map((option) => `\`securityOpts\` has ${option}`),
        ];
    },
};

const ownNamespaces: Rule = {
    id: "own-namespaces",
    title: "No container shares the host's network, processes, memory or users.",
    reason: "On the host's network it reaches what listens on loopback, databases without a password among them.",
    cure: "Remove `networkMode`, `pidMode`, `ipcMode` and `usernsMode` host; join a network of the stack by `networksAdvanced`.",
    found: (resource) =>
        containerKind(resource) === undefined
            ? []
            : ["networkMode", "pidMode", "ipcMode", "usernsMode"]
                  .filter((property) => resource.inputs[property] === "host")
                  .map((property) => `\`${property}\` is host`),
};

/** Where engines listen on a host, and the directories that hold such a socket. */
const enginePlaces =
    /^\/*$|^\/(var\/)?run(\/user(\/\d+)?)?\/*$|\/(docker|containerd|podman|crio|dockershim)[\w.-]*\.sock\/*$/;

const noEngineSocket: Rule = {
    id: "no-engine-socket",
    title: "No container gets the engine's socket.",
    reason: "Who may talk to the engine may start a privileged container: that is root on the host.",
    cure: "Remove the mount of the socket, or of the directory that holds it.",
    found: (resource) => {
        if (containerKind(resource) === undefined) {
            return [];
        }
        const { volumes, mounts } = resource.inputs;
        const sources = [
            ...records(volumes).map(({ hostPath }) => hostPath),
            ...records(mounts).map(({ type, source }) => (type === "bind" ? source : undefined)),
        ];
        return sources
            .filter((source) => typeof source === "string" && source !== "" && enginePlaces.test(source))
            .map((source) => `it mounts ${String(source)}`);
    },
};

export const isolationRules: readonly Rule[] = [
    nonRootUser,
    readOnlyRoot,
    noCapabilities,
    noNewPrivileges,
    notPrivileged,
    ownNamespaces,
    noEngineSocket,
];
