/** The texts by which programs use an S3 store, whoever runs it. */
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type StoreAddress, awsCredentials, storeEnvironment, storeFiles } from "../../components/artifactStore.ts";
import { authorities } from "./support/certificates.ts";
import { valueOf } from "./support/recording.ts";
import { text } from "./support/texts.ts";

describe("a credentials file of AWS", () => {
    it("has one default profile", () => {
        expect(awsCredentials({ id: "AKIA", secret: "a=b%c;d" })).toBe(
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = a=b%c;d\n",
        );
    });

    it("gives both values back to a reader of INI files", () => {
        fc.assert(
            fc.property(text, text, (id, word) => {
                const [section, ...lines] = awsCredentials({ id, secret: word }).trimEnd().split("\n");
                const entries = lines.map((line) => {
                    const at = line.indexOf("=");
                    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
                });
                expect(section).toBe("[default]");
                expect(entries).toEqual([
                    ["aws_access_key_id", id],
                    ["aws_secret_access_key", word],
                ]);
            }),
        );
    });
});

describe("a store", () => {
    const store: StoreAddress = {
        endpoint: "https://s3.example.com:443",
        region: "eu-central-1",
        bucketName: "artifacts",
        accessKey: { id: pulumi.secret("key's id"), secret: pulumi.secret("key's word") },
    };
    const checked: StoreAddress = { ...store, authorities: authorities.one };
    const environment = {
        AWS_SHARED_CREDENTIALS_FILE: "/run/secrets/platform/aws_credentials",
        AWS_DEFAULT_REGION: "eu-central-1",
        MLFLOW_S3_ENDPOINT_URL: "https://s3.example.com:443",
    };

    it("is named with its region; its key is in a file", () => {
        expect(storeEnvironment(store)).toEqual(environment);
    });

    it("is checked against its own authorities where there are such", () => {
        expect(storeEnvironment(checked)).toEqual({ ...environment, AWS_CA_BUNDLE: "/run/secrets/platform/s3_ca" });
    });

    it.each<[string, StoreAddress, object]>([
        ["is the image's", store, {}],
        ["is its own", checked, { s3_ca: authorities.one }],
    ])("has its key as a secret file, and its authority as one where that %s", async (_words, some, more) => {
        const files = storeFiles(some);
        expect(await valueOf(pulumi.output(files))).toEqual({
            aws_credentials: "[default]\naws_access_key_id = key's id\naws_secret_access_key = key's word\n",
            ...more,
        });
        expect(await pulumi.isSecret(pulumi.output(files.aws_credentials))).toBe(true);
    });
});
