/** A stack's containers in this project's words, by what the engine says of them. */
import { describe, expect, it } from "vitest";
import { type Inspected, containerOf } from "../../../operations/containers.ts";

const started = "2026-11-29T10:00:00.5Z";
const finished = "2026-11-29T11:00:00Z";
const never = "0001-01-01T00:00:00Z";
const probe = (start: string, code: number, output = "") => ({ Start: start, ExitCode: code, Output: output });

/** What `docker inspect` says of a healthy service, but for these. */
function inspected(
    state: Partial<Inspected["State"]> = {},
    other: { restart?: string; restarts?: number; memory?: number } = {},
): Inspected {
    return {
        Id: "abc",
        Name: "/mlflow-platform-prod-mlflow",
        RestartCount: other.restarts ?? 0,
        State: {
            Status: "running",
            OOMKilled: false,
            ExitCode: 0,
            StartedAt: started,
            FinishedAt: never,
            Health: { Status: "healthy", FailingStreak: 0, Log: [probe("2026-11-29T12:00:00Z", 0)] },
            ...state,
        },
        Config: {
            Image: "mlflow-platform/mlflow:3",
            Labels: { "mlflow-platform.origin": "ana@laptop-1", "org.opencontainers.image.version": "3.17.2" },
            Healthcheck: { Interval: 5e9 },
        },
        HostConfig: {
            Memory: other.memory ?? 2 ** 31,
            RestartPolicy: { Name: other.restart ?? "unless-stopped" },
            PortBindings: { "9001/tcp": [{ HostIp: "127.0.0.1", HostPort: "9001" }], "5000/tcp": null },
        },
        Mounts: [
            { Type: "volume", Name: "v", Source: "/var/lib/docker/volumes/v/_data", Destination: "/data" },
            { Type: "bind", Source: "/srv/minio", Destination: "/other" },
        ],
    };
}
const of = (...args: Parameters<typeof inspected>) => containerOf("prod", inspected(...args));

describe("a container", () => {
    it("has the name of its resource, its image's version, its ports, its mounts and its limit", () => {
        expect(of()).toEqual({
            name: "mlflow",
            container: "mlflow-platform-prod-mlflow",
            id: "abc",
            origin: "ana@laptop-1",
            kind: "service",
            state: "running",
            health: "healthy",
            since: started,
            restarts: 0,
            exitCode: null,
            outOfMemory: false,
            image: "mlflow-platform/mlflow:3",
            imageVersion: "3.17.2",
            healthOutput: null,
            published: [{ address: "127.0.0.1", port: 9001 }],
            memoryLimit: 2 ** 31,
            mounts: [
                { source: "v", kind: "volume", path: "/data" },
                { source: "/srv/minio", kind: "directory", path: "/other" },
            ],
        });
        expect(of({}, { memory: 0 }).memoryLimit).toBeNull();
    });

    it("is a service where it is started again, a job where it ran once, a seed where it never ran", () => {
        expect(of({ Status: "exited" }).kind).toBe("service");
        expect(of({ Status: "exited", FinishedAt: finished }, { restart: "no" }).kind).toBe("job");
        expect(of({ Status: "created", StartedAt: never }, { restart: "no" })).toMatchObject({
            kind: "seed",
            since: null,
            exitCode: null,
        });
    });

    it("that has ended has its exit code and its end, and no health", () => {
        const ended = of({ Status: "exited", ExitCode: 137, OOMKilled: true, FinishedAt: finished });
        expect(ended).toMatchObject({ health: "none", since: finished, exitCode: 137, outOfMemory: true });
    });

    it("that is unhealthy has what its check printed, and is so since the first of the failures that are kept", () => {
        const Log = [
            probe("2026-11-29T12:00:00Z", 0),
            probe("2026-11-29T12:00:05Z", 1, "no answer\n"),
            probe("2026-11-29T12:00:10Z", 1, "still none\n"),
        ];
        expect(of({ Health: { Status: "unhealthy", FailingStreak: 2, Log } })).toMatchObject({
            health: "unhealthy",
            healthOutput: "still none",
            since: "2026-11-29T12:00:05.000Z",
        });
    });

    it("that is unhealthy for longer than is kept is so since as many intervals before", () => {
        const Log = [10, 15, 20, 25, 30].map((second) => probe(`2026-11-29T12:00:${second}Z`, 1, "x"));
        expect(of({ Health: { Status: "unhealthy", FailingStreak: 7, Log } }).since).toBe("2026-11-29T12:00:00.000Z");
    });
});
