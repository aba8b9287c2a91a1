/** What is said of served models: in words, for each container that answers and each that does not. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Configuration } from "../../../config.ts";
import { servedModel, servedModelLines, statusInWords } from "../../../operations/servedModel.ts";
import { parseServedModels } from "../../../servedModels.ts";
import { Commands } from "../support/commands.ts";

const modelServers = parseServedModels(
    JSON.stringify([
        { name: "iris", port: 5100 },
        { name: "rent", model: "rent in town", alias: "champion", port: 5101 },
    ]),
);
const configuration = { modelServers } as unknown as Configuration;

describe("the state of a served model in words", () => {
    it.each([
        [{ state: "starting", version: null, reason: null, candidate: null }, "starts"],
        [{ state: "waiting", version: null, reason: "there is no x", candidate: null }, "waits: there is no x"],
        [{ state: "serving", version: "3", reason: null, candidate: null }, "serves version 3"],
        [
            { state: "serving", version: "3", reason: "MLflow cannot be reached", candidate: null },
            "serves version 3: MLflow cannot be reached",
        ],
        [
            {
                state: "serving",
                version: "3",
                reason: null,
                candidate: { version: "4", state: "failed", reason: "no" },
            },
            "serves version 3; version 4: failed (no)",
        ],
        [
            {
                state: "waiting",
                version: null,
                reason: "x",
                candidate: { version: "1", state: "installing", reason: null },
            },
            "waits: x; version 1: installing",
        ],
    ] as const)("%j", (status, words) => {
        expect(statusInWords(status)).toBe(words);
    });
});

describe("the lines of a stack's served models", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
    });
    afterEach(() => {
        commands.remove();
    });

    it("are one for each, asked in its container; one that does not answer is said to", async () => {
        commands.add("docker", {
            "exec mlflow-platform-prod-model-iris python -c":
                '{"model":"iris","alias":"production","state":"serving","version":"7","reason":null,"candidate":null}\n',
        });
        expect(await servedModelLines("prod", configuration, commands.variables)).toEqual([
            "Model iris     iris@production serves version 7",
            expect.stringMatching(
                /^Model rent {5}rent in town@champion does not answer: unexpected: exec mlflow-platform-prod-model-rent python -c /,
            ),
        ]);
    });

    it("are none where nothing is served", async () => {
        expect(await servedModelLines("prod", {}, commands.variables)).toEqual([]);
        expect(commands.calls()).toEqual([]);
    });
});

describe("a served model by its name", () => {
    it("is its entry", () => {
        expect(servedModel("rent", "prod", configuration)).toBe(modelServers[1]);
    });

    it("that there is not names those that there are, and how to add one", () => {
        expect(() => servedModel("irsi", "prod", configuration)).toThrow(
            'Stack prod serves no model "irsi"; it serves iris, rent.',
        );
        expect(() => servedModel("irsi", "prod", {} as Configuration)).toThrow('Stack prod serves no model "irsi".');
        try {
            servedModel("irsi", "prod", configuration);
        } catch (error) {
            expect((error as { cure: string }).cure).toBe(
                "npm run pulumi -- config set --stack prod --path 'modelServers[0].name' <name>, likewise .port, then npm start.",
            );
        }
    });
});
