/** The rules (rules/) as policies: nothing is decided here. */
import type { PolicyResource, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { rules, violationText, violationsOf } from "../rules/judge.ts";
import type { Resource, Rule } from "../rules/resource.ts";

/** What a policy is told of a resource, as far as a rule reads it. Neither what an update does with it nor `retainOnDelete` is. */
type Told = Pick<PolicyResource, "urn" | "type" | "name" | "props" | "opts">;

function asResource({ urn, type, name, props, opts }: Told): Resource {
    return { urn, type, name, inputs: props, protect: opts.protect };
}

function policyOf(rule: Rule): ResourceValidationPolicy | StackValidationPolicy {
    const about = {
        name: rule.id,
        displayName: rule.title,
        description: `${rule.title} ${rule.reason}`,
        remediationSteps: rule.cure,
        enforcementLevel: "mandatory" as const,
    };
    if (rule.needsStack) {
        return {
            ...about,
            validateStack: ({ resources }, report) => {
                const stack = resources.map(asResource);
                for (const violation of stack.flatMap((resource) => violationsOf(rule, resource, stack))) {
                    report(violationText(violation), violation.urn);
                }
            },
        };
    }
    return {
        ...about,
        validateResource: (told, report) => {
            for (const violation of violationsOf(rule, asResource(told), [])) {
                report(violationText(violation));
            }
        },
    };
}

/** One policy for each rule, in their order. */
export const policies = rules.map(policyOf);
