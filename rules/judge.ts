/** All rules, and their judgement of a stack's resources. */
import { dataRules } from "./data.ts";
import { exposureRules } from "./exposure.ts";
import { imageRules } from "./images.ts";
import { isolationRules } from "./isolation.ts";
import { type Resource, type Rule, type Violation, kindOf } from "./resource.ts";
import { runningRules } from "./running.ts";

/** Every rule, in the order of docs/rules.md. */
export const rules: readonly Rule[] = [
    ...isolationRules,
    ...runningRules,
    ...exposureRules,
    ...imageRules,
    ...dataRules,
];

/** What one rule finds at one resource of a stack. */
export function violationsOf(rule: Rule, resource: Resource, stack: readonly Resource[]): Violation[] {
    return rule.found(resource, stack).map((found) => ({
        rule: rule.id,
        urn: resource.urn,
        resource: `${kindOf(resource.type)} ${resource.name}`,
        found,
        cure: rule.cure,
    }));
}

/** Every violation in a stack, resource by resource. Of a part of a stack only what each resource says by itself. */
export function judge(stack: readonly Resource[], isWhole = true): Violation[] {
    const judged = rules.filter(({ needsStack }) => isWhole || !needsStack);
    return stack.flatMap((resource) => judged.flatMap((rule) => violationsOf(rule, resource, stack)));
}

/** A violation as one text, wherever it is reported. */
export function violationText({ rule, resource, found, cure }: Violation): string {
    return `${resource}: ${found} (rule ${rule}). ${cure}`;
}
