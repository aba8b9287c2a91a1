/** A stack's status as text. */
import { sizeInWords } from "./disk.ts";
import { standing } from "./expiry.ts";
import { timeInWords } from "../stackProblems.ts";
import type { ServiceStatus, StackStatus } from "./stackStatus.ts";
import { type Output, table } from "../table.ts";

/** How long ago a time was, in its largest unit. */
export function ago(iso: string, now: Date): string {
    const seconds = Math.max(0, Math.floor((now.getTime() - new Date(iso).getTime()) / 1000));
    const [unit, length] = (
        [
            ["d", 86_400],
            ["h", 3600],
            ["min", 60],
            ["s", 1],
        ] as const
    ).find(([, size]) => seconds >= size) ?? ["s", 1];
    return `${Math.floor(seconds / length)} ${unit}`;
}

function memory({ memoryUsed, memoryLimit }: ServiceStatus): string {
    const limit = memoryLimit === null ? "" : ` of ${sizeInWords(memoryLimit)}`;
    return memoryUsed === null ? limit.replace(" of ", "limit ") : `${sizeInWords(memoryUsed)}${limit}`;
}

const stateInWords = ({ state, health }: ServiceStatus) => (state === "running" ? health : state);

/** A heading and what is under it; nothing where there is nothing. */
const section = (text: string): string[] => (text === "" ? [] : [text, ""]);

/** Everything, in tables; the problems last, where the eye is. */
export function statusText(status: StackStatus, now: Date, output: Output = process.stdout): string {
    const { services, jobs, models, addresses, disks, volumes, certificates, problems } = status;
    const show = (head: string[], rows: string[][]) => section(table(head, rows, output));
    const faults = problems.filter(({ level }) => level === "fault").length;
    return [
        `Stack ${status.stack}: ${status.state}${faults === 0 ? "" : ` (${faults} ${faults === 1 ? "fault" : "faults"})`}`,
        "",
        ...show(
            ["service", "state", "for", "restarts", "memory"],
            services.map((service) => [
                service.name,
                stateInWords(service),
                service.since === null ? "" : ago(service.since, now),
                String(service.restarts),
                memory(service),
            ]),
        ),
        ...show(
            ["service", "version", "image"],
            services
                .filter(({ image }) => image !== null)
                .map(({ name, version, image }) => [name, version ?? "", image ?? ""]),
        ),
        ...show(
            ["address", "URL"],
            addresses.map(({ name, url }) => [name, url]),
        ),
        ...show(
            ["published by", "at"],
            services
                .filter(({ published }) => published.length > 0)
                .map(({ name, published }) => [name, published.join(", ")]),
        ),
        ...show(
            ["job", "ended", "exit code"],
            jobs.map(({ name, state, exitCode, since }) => [
                name,
                state === "running" ? "runs" : since === null ? state : `${state}, ${timeInWords(since)}`,
                exitCode === null ? "" : String(exitCode),
            ]),
        ),
        ...section(
            models
                .map(({ name, model, alias, words }) => `${`Model ${name}`.padEnd(14)} ${model}@${alias} ${words}`)
                .join("\n"),
        ),
        ...show(
            ["data volume", "size"],
            volumes.map(({ name, size, there }) => [
                name,
                there ? (size === null ? "unknown" : sizeInWords(size)) : "gone",
            ]),
        ),
        ...show(
            ["disk", "used", "free", "at"],
            disks.map(({ what, path, free, size, usedPercent, usedInodesPercent }) => [
                what,
                `${usedPercent} %${usedInodesPercent === null ? "" : `, inodes ${usedInodesPercent} %`}`,
                `${sizeInWords(free)} of ${sizeInWords(size)}`,
                path,
            ]),
        ),
        ...show(
            ["certificate", "validity"],
            certificates.map((certificate) => [certificate.what, standing(certificate, now).words]),
        ),
        ...problems.map(({ level, what, cure }) => `${level === "fault" ? "Fault" : "Warning"}: ${what}\n  ${cure}`),
    ]
        .join("\n")
        .trimEnd();
}

/** One line for each stack: the address of one that is up, else the first thing that is wrong. */
export function stacksText(stacks: readonly StackStatus[], output: Output = process.stdout): string {
    return table(
        ["stack", "state", "services", "MLflow, or what is wrong"],
        stacks.map(({ stack, state, services, addresses, problems }) => [
            stack,
            state,
            services.length === 0
                ? ""
                : `${services.filter(({ health }) => health === "healthy").length} of ${services.length} healthy`,
            (state === "healthy" ? addresses.find(({ name }) => name === "MLflow")?.url : problems[0]?.what) ?? "",
        ]),
        output,
    );
}
