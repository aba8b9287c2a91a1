/** A recording of the program as the rules see it: with the marks that a preview's events have for secrets and unknowns. */
import { type Resource, maskedValue, unknownValue } from "../../../rules/resource.ts";
import { type Recording, Secret, unknown } from "./recording.ts";

function marked(value: unknown): unknown {
    if (value instanceof Secret) {
        return maskedValue;
    }
    if (value === unknown) {
        return unknownValue;
    }
    if (Array.isArray(value)) {
        return value.map(marked);
    }
    return typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, marked(entry)]))
        : value;
}

/** Every resource that it registered. */
export function asJudged({ registrations }: Recording<unknown>): Resource[] {
    return registrations
        .filter(({ custom }) => custom)
        .map(({ urn, type, name, inputs, options }) => ({
            urn,
            type,
            name,
            inputs: marked(inputs) as Record<string, unknown>,
            op: "create",
            protect: options.protect ?? false,
            retainOnDelete: options.retainOnDelete ?? false,
        }));
}
