/** Rules about what runs. */
import { containerKind } from "./container.ts";
import { type Rule, isUnknown } from "./resource.ts";

/** A digest, an image's id, or the tag of a build here, which ends in the hash of its content (components/image.ts). */
const pinned = /@sha256:[0-9a-f]{64}$|^sha256:[0-9a-f]{64}$|^mlflow-platform\/[\w.-]+:[\w.-]+-[0-9a-f]{12}$/;

const pinnedImage: Rule = {
    id: "pinned-image",
    title: "An image is named by its digest, or by a tag that ends in the hash of its content.",
    reason: "Behind latest, or any other tag that moves, is another program tomorrow, which nobody has tested or reviewed.",
    cure: "Set the key (mlflowImage and its like) to <name>@sha256:<digest>; docker image inspect --format '{{.RepoDigests}}' <name> shows it.",
    found: (resource) => {
        const { type, inputs, op } = resource;
        const isImage = type === "docker:index/remoteImage:RemoteImage" && op !== "delete";
        if (!isImage && containerKind(resource) === undefined) {
            return [];
        }
        const [property, reference] = isImage ? ["name", inputs.name] : ["image", inputs.image];
        if (isUnknown(reference) || (typeof reference === "string" && pinned.test(reference))) {
            return [];
        }
        return [typeof reference === "string" ? `\`${property}\` is ${reference}` : `\`${property}\` is not set`];
    },
};

export const imageRules: readonly Rule[] = [pinnedImage];
