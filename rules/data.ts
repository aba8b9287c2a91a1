/** Rules about what nobody can make again: data, and the generated secrets that belong to it. */
import { type Resource, type Rule, kindOf } from "./resource.ts";

/** Whether it is a volume that holds data (components/volume.ts). */
export function isDataVolume({ urn }: Pick<Resource, "urn">): boolean {
    return /(::|\$)mlflow-platform:index:Volume\$docker:index\/volume:Volume::/.test(urn);
}

/** Whether it is a secret, the authority or the origin, which are made once and kept. */
function isKept({ urn }: Resource): boolean {
    return /(::|\$)mlflow-platform:index:(GeneratedSecret|CertificateAuthority|Origin)\$random:/.test(urn);
}

const dataKept: Rule = {
    id: "data-kept",
    title: "A volume with data and a generated secret are protected, and no update replaces or deletes them.",
    reason: "What is in them is gone for good, or no longer readable.",
    cure: "Set back what would replace it; for other data use another stack. Data is deleted by npm run delete-data alone.",
    found: (resource) => {
        const { op = "", protect, retainOnDelete, name, type } = resource;
        const isVolume = isDataVolume(resource);
        if (!isVolume && !isKept(resource) && !protect) {
            return [];
        }
        // A policy pack is not told of retainOnDelete; what is called _data is never without protection.
        const stays = isVolume && (retainOnDelete ?? !name.endsWith("_data"));
        const what = `this ${kindOf(type)}`;
        return [
            ...(protect || stays ? [] : [`${what} is not protected`]),
            ...(op === "replace" ? [`an update would replace ${what}`] : []),
            ...(op === "delete" && !(isVolume && retainOnDelete) ? [`an update would delete ${what}`] : []),
        ];
    },
};

export const dataRules: readonly Rule[] = [dataKept];
