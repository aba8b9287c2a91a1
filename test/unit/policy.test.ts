/** The policy pack: each rule is a policy, and reports what npm run preview reports. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { policies } from "../../policy/policies.ts";
import { judge, rules, violationText } from "../../rules/judge.ts";
import type { Resource } from "../../rules/resource.ts";

const type = "docker:index/container:Container";
const directory = join(import.meta.dirname, "../../policy");

/** Resources that break every rule together: a container without anything, and a data volume without protection. */
const stack: Resource[] = [
    {
        urn: `urn:pulumi:test::p::mlflow-platform:index:Minio$${type}::minio`,
        type,
        name: "minio",
        inputs: {
            privileged: true,
            networkMode: "host",
            ports: [{ internal: 1, external: 1, ip: "0.0.0.0" }],
            envs: ["PASSWORD=hunter2"],
            volumes: [{ hostPath: "/var/run/docker.sock" }],
        },
        protect: false,
    },
    {
        urn: "urn:pulumi:test::p::mlflow-platform:index:Volume$docker:index/volume:Volume::minio_data",
        type: "docker:index/volume:Volume",
        name: "minio_data",
        inputs: {},
        protect: false,
    },
];
const told = stack.map(({ inputs, protect, ...resource }) => ({ ...resource, props: inputs, opts: { protect } }));

/** What a policy reports of the stack: the resource's URN and the text. */
async function reported(policy: (typeof policies)[number]): Promise<[string, string][]> {
    const found: [string, string][] = [];
    if ("validateStack" in policy) {
        const { validateStack } = policy;
        await validateStack({ resources: told } as unknown as Parameters<typeof validateStack>[0], (text, urn) => {
            found.push([urn ?? "", text]);
        });
    } else {
        const { validateResource } = policy;
        for (const resource of told) {
            for (const validate of [validateResource].flat()) {
                await validate?.(resource as unknown as Parameters<NonNullable<typeof validate>>[0], (text) => {
                    found.push([resource.urn, text]);
                });
            }
        }
    }
    return found;
}

describe.each(rules.map((rule, index) => [rule.id, rule, policies[index]] as const))("%s", (_id, rule, policy) => {
    it("is a mandatory policy with the rule's words", () => {
        expect(policy).toMatchObject({
            name: rule.id,
            displayName: rule.title,
            remediationSteps: rule.cure,
            enforcementLevel: "mandatory",
        });
    });

    it("reports what breaks the rule, as a preview does", async () => {
        const expected = judge(stack)
            .filter((violation) => violation.rule === rule.id)
            .map((violation) => [violation.urn, violationText(violation)]);
        expect(expected).not.toEqual([]);
        expect(policy === undefined ? [] : await reported(policy)).toEqual(expected);
    });
});

describe("the pack", () => {
    it("has a policy for each rule and no other", () => {
        expect(policies.map(({ name }) => name)).toEqual(rules.map(({ id }) => id));
    });

    it("is there for Pulumi: an entry that exists, a version, and a file that can be started", () => {
        const { main } = parse(readFileSync(join(directory, "PulumiPolicy.yaml"), "utf8")) as { main: string };
        const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Record<string, string>;
        expect(manifest.main).toBe(main);
        expect(manifest.version).toMatch(/^\d+\.\d+\.\d+$/);
        expect(existsSync(join(directory, main))).toBe(true);
        expect(statSync(join(directory, "pack.mjs")).mode & 0o111).not.toBe(0);
    });
});
