/** What is wrong with a stack, told from facts alone: `npm run status` and `npm run doctor` say the same. */
import { type Disk, fullPercent, sizeInWords } from "./status/disk.ts";
import { type Expiry, standing } from "./status/expiry.ts";
import { lockInWords } from "./lock.ts";
import type { ServiceStatus, StackFacts } from "./status/stackStatus.ts";

/** Something that is not as it should be, and what to do. */
export interface Problem {
    /** `fault`: something does not work. `warn`: it will not for long, or not all of it. */
    readonly level: "warn" | "fault";
    readonly what: string;
    readonly cure: string;
}

/** `stopped`: no container of it is there. `unhealthy`: at least one fault. `unreadable`: its state or configuration cannot be read. */
export type StackState = "healthy" | "unhealthy" | "stopped" | "unreadable";

/** A time as ISO 8601 in words, to the minute. */
export function timeInWords(iso: string): string {
    return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

function serviceProblem(service: ServiceStatus, stack: string): Problem[] {
    const { name, state, health, since, outOfMemory } = service;
    const fault = (what: string, cure: string): Problem[] => [{ level: "fault", what, cure }];
    const start = `npm start -- --stack ${stack}`;
    const logs = `npm run logs -- ${name} --tail 50 --stack ${stack}`;
    const when = since === null ? "" : ` since ${timeInWords(since)}`;
    if (state === "missing") {
        return fault(`${name} is not there`, `${start} makes it.`);
    }
    if (outOfMemory) {
        return fault(
            `${name} was ended because it wanted more than its limit of ${sizeInWords(service.memoryLimit ?? 0)} of memory`,
            `Raise its limit (docs/configuration.md, the keys …Memory), then ${start}`,
        );
    }
    if (state === "restarting" || (state === "running" && health === "starting" && service.restarts > 2)) {
        return fault(`${name} ends again and again (${service.restarts} restarts)`, `${logs} shows why.`);
    }
    if (state === "paused") {
        return fault(`${name} is paused`, `docker unpause mlflow-platform-${stack}-${name}`);
    }
    if (state !== "running") {
        return fault(`${name} is not running: ${state}${when}`, `${logs} shows why; ${start} brings it back.`);
    }
    if (health === "unhealthy") {
        const said = service.healthOutput === null ? "" : `: ${service.healthOutput}`;
        return fault(`${name} is unhealthy${when}${said}`, `${logs} shows why.`);
    }
    return health === "starting" ? fault(`${name} is still starting${when}`, `Wait; ${logs} shows what it does.`) : [];
}

/** What is wrong with a disk: it is warned of from 80 % on, and a fault from 97 % on, when writing will soon fail. */
export function diskProblems({ what, path, free, usedPercent, usedInodesPercent }: Disk): Problem[] {
    const place = `the disk of ${what} (${path})`;
    const level = (percent: number) => (percent >= 97 ? "fault" : "warn");
    const cure =
        "Make room: docker system df -v shows what Docker has; docker builder prune and docker image prune free some of it.";
    const found: Problem[] = [];
    if (usedPercent >= fullPercent) {
        const text = `${place} is ${usedPercent} % full, ${sizeInWords(free)} free`;
        found.push({ level: level(usedPercent), what: text, cure });
    }
    if (usedInodesPercent !== null && usedInodesPercent >= fullPercent) {
        const text = `${place} can hold few more files: ${usedInodesPercent} % of its inodes are used`;
        found.push({ level: level(usedInodesPercent), what: text, cure });
    }
    return found;
}

/** What is wrong with a certificate. */
export function certificateProblems(certificate: Expiry, stack: string, now: Date): Problem[] {
    const { level, words } = standing(certificate, now);
    const renewed = `The gateway renews it by itself: npm run logs -- gateway --stack ${stack} says why it did not.`;
    const cure = {
        internal: renewed,
        acme: renewed,
        given: `Set another one as tlsCertificateFile and tlsPrivateKey, then npm start -- --stack ${stack}`,
        authority: "Make the stack anew, and give its clients their scripts again (docs/operations.md, Certificates).",
    }[certificate.kind];
    return level === "ok" ? [] : [{ level, what: `${certificate.what} ${words}`, cure }];
}

/** Everything that is wrong with the stack, faults first. */
export function problemsOf(facts: StackFacts, now: Date): Problem[] {
    const { stack } = facts;
    const start = `npm start -- --stack ${stack}`;
    const found: Problem[] = [];
    const services = facts.services;
    if (!facts.up && services.length === 0) {
        found.push({ level: "fault", what: `Stack ${stack} is not up`, cure: `${start} brings it up.` });
    }
    found.push(...services.flatMap((service) => serviceProblem(service, stack)));
    for (const { name, exitCode } of facts.jobs.filter(({ state }) => state === "failed")) {
        found.push({
            level: "fault",
            what: `job ${name} ended with exit code ${exitCode ?? "?"}`,
            cure: `npm run logs -- ${name} --stack ${stack} shows why; it runs again with the next ${start}`,
        });
    }
    for (const { name } of facts.volumes.filter(({ there }) => !there)) {
        found.push({
            level: "fault",
            what: `data volume ${name} is gone`,
            cure: `Bring it back from your backup before anything else; ${start} makes an empty one.`,
        });
    }
    for (const { name, words } of facts.models.filter(({ state }) => state !== "serving")) {
        found.push({
            level: "warn",
            what: `model ${name} ${words}`,
            cure: `docs/lifecycle.md; npm run logs -- model-${name} --stack ${stack}`,
        });
    }
    found.push(...facts.disks.flatMap(diskProblems));
    found.push(...facts.certificates.flatMap((certificate) => certificateProblems(certificate, stack, now)));
    if (facts.foreign.length > 0) {
        found.push({
            level: "fault",
            what: `another state made containers under this stack's name: ${facts.foreign.join(", ")}`,
            cure: `${start} says whose they are; docs/operations.md, Objects of another state.`,
        });
    }
    for (const lock of facts.locks) {
        found.push(
            lock.stale
                ? {
                      level: "warn",
                      what: `an update that was killed has left its lock: ${lockInWords(lock)}`,
                      cure: `${start} (or npm run up, npm stop) removes it.`,
                  }
                : {
                      level: "warn",
                      what: `an update is under way: ${lockInWords(lock)}`,
                      cure: "Wait until it has ended.",
                  },
        );
    }
    if (facts.configurationProblems.length > 0) {
        found.push({
            level: "warn",
            what: `the configuration has problems: ${facts.configurationProblems.join("; ")}`,
            cure: "Set what it says: the next update is refused.",
        });
    }
    return [...found.filter(({ level }) => level === "fault"), ...found.filter(({ level }) => level === "warn")];
}

/** The stack's state by its facts and problems. */
export function stateOf(facts: StackFacts, problems: readonly Problem[]): StackState {
    if (!facts.up && facts.services.length === 0) {
        return "stopped";
    }
    return problems.some(({ level }) => level === "fault") ? "unhealthy" : "healthy";
}
