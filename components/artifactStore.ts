/** An S3 store with a bucket for MLflow's artifacts, whoever runs it, and the file by which programs log in to it. */
import * as pulumi from "@pulumi/pulumi";
import { secretsPath } from "./secretFiles.ts";

/** An S3 access key. */
export interface AccessKey {
    /** The key's id. */
    readonly id: pulumi.Input<string>;
    /** Its secret. */
    readonly secret: pulumi.Input<string>;
}

/** Where a store is and who may use it. */
export interface StoreAddress {
    /** S3 endpoint on the stack's network. */
    readonly endpoint: string;
    /** S3 region name. */
    readonly region: string;
    /** Bucket of the artifacts. */
    readonly bucketName: string;
    /** Key that can use the bucket. */
    readonly accessKey: AccessKey;
    /** Authorities in PEM form that the endpoint's certificate is checked against. Defaults to those of the image. */
    readonly authorities?: pulumi.Input<string> | undefined;
}

/** What our own store and somebody else's have in common. */
export interface ArtifactStore extends StoreAddress {
    /** What has to be there before the bucket can be used, for `dependsOn`; fails where the job that makes it failed. */
    readonly ready: readonly pulumi.Input<pulumi.Resource>[];
}

/** An AWS credentials file with one default profile. Values are taken as they are up to the end of the line. */
export function awsCredentials(key: { id: string; secret: string }): string {
    return `[default]\naws_access_key_id = ${key.id}\naws_secret_access_key = ${key.secret}\n`;
}

/** What the S3 client reads to use the bucket; the key is in the file `aws_credentials`. */
export function storeEnvironment({ endpoint, region, authorities }: StoreAddress): Record<string, string> {
    return {
        AWS_SHARED_CREDENTIALS_FILE: `${secretsPath}/aws_credentials`,
        AWS_DEFAULT_REGION: region,
        MLFLOW_S3_ENDPOINT_URL: endpoint,
        ...(authorities === undefined ? {} : { AWS_CA_BUNDLE: `${secretsPath}/s3_ca` }),
    };
}

/** The files of those who use the bucket. */
export function storeFiles({ accessKey, authorities }: StoreAddress): Record<string, pulumi.Input<string>> {
    return {
        aws_credentials: pulumi
            .all([accessKey.id, accessKey.secret])
            .apply(([id, secret]) => awsCredentials({ id, secret })),
        ...(authorities === undefined ? {} : { s3_ca: authorities }),
    };
}
