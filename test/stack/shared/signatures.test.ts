import {
    CreateBucketCommand,
    CreateMultipartUploadCommand,
    GetObjectCommand,
    ListObjectsV2Command,
    ListPartsCommand,
    PutObjectCommand,
    S3Client,
    SelectObjectContentCommand,
} from "@aws-sdk/client-s3";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { bridgeGateway, container } from "../support/engine.ts";
import { type OutsideMinio, certificates, gatewayName, outsideMinio, outsideUser } from "../support/outside.ts";
import { scripts } from "../support/python.ts";

// What our patches of MinIO are for (images/minio/patches): each of these requests did what it asked for without them.
const { stack } = inject("generated");
const password = randomBytes(12).toString("hex");
const key = "somebody";
const secret = randomBytes(12).toString("hex");
const bucket = "own";
const actions = [
    ...["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"],
    ...["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
];

let servers: { http: OutsideMinio; https: OutsideMinio };
let images: { minio: string; mlflow: string };
let authority: string;
let host: string;
let root: S3Client;
/** Uploads in parts that have begun: nobody may add to the first, the second takes parts. */
let uploads: readonly [string, string];

const client = (accessKeyId: string, secretAccessKey: string, sessionToken?: string) =>
    new S3Client({
        endpoint: `http://${host}`,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    });

beforeAll(async () => {
    const image = async (name: string) => (await container(stack, name)).Image;
    images = { minio: await image("minio"), mlflow: await image("mlflow") };
    const tls = await certificates();
    ({ authority } = tls);
    const [http, https] = await Promise.all([
        outsideMinio(images.minio, password),
        outsideMinio(images.minio, password, tls),
    ]);
    servers = { http, https };
    const gateway = await bridgeGateway();
    host = `${gateway}:${http.port}`;
    root = client("outside", password);
    for (const server of [http, https]) {
        await server.mc("mb", `root/${bucket}`);
        await outsideUser(server, key, secret, bucket, actions);
    }
    await root.send(new CreateBucketCommand({ Bucket: "other" }));
    await root.send(new PutObjectCommand({ Bucket: bucket, Key: "secret", Body: "read by the signer only" }));
    const begin = async (Key: string) => {
        const { UploadId } = await root.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
        return UploadId ?? "";
    };
    uploads = [await begin("untouched"), await begin("parts")];
});

afterAll(async () => {
    await Promise.all([servers.http.remove(), servers.https.remove()]);
});

type Fields = Readonly<Record<string, string>>;

const encoded = (query: Fields) =>
    Object.entries(query)
        .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
        .sort()
        .join("&");
const hmac = (secretKey: string | Buffer, text: string) => createHmac("sha256", secretKey).update(text).digest();

/** A request as it goes out, and what goes into its signature. */
interface Call {
    readonly method: string;
    readonly path: string;
    readonly query?: Fields;
    /** Headers that are signed; `host` is always. */
    readonly headers?: Fields;
    readonly payload?: string;
    /** Minutes since it was signed. */
    readonly age?: number;
}

function signed({ method, path, query = {}, headers = {}, payload = "UNSIGNED-PAYLOAD", age = 0 }: Call) {
    const time = new Date(Date.now() - age * 60_000).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
    const day = time.slice(0, 8);
    const scope = `${day}/us-east-1/s3/aws4_request`;
    const derived = [day, "us-east-1", "s3", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secret}`);
    const names = (all: Fields) => Object.keys(all).sort().join(";");
    const sign = (allHeaders: Fields, allQuery: Fields) => {
        const lines = Object.keys(allHeaders)
            .sort()
            .map((name) => `${name}:${allHeaders[name] ?? ""}`);
        const canonical = [method, path, encoded(allQuery), ...lines, "", names(allHeaders), payload].join("\n");
        const digest = createHash("sha256").update(canonical).digest("hex");
        return hmac(derived, ["AWS4-HMAC-SHA256", time, scope, digest].join("\n")).toString("hex");
    };
    return {
        /** With credentials in the header; `signature` takes the place of the right one. */
        byHeader: (signature?: string | null) => {
            const added: Fields = { "x-amz-content-sha256": payload, "x-amz-date": time, ...headers };
            const all = { host, ...added };
            const last = signature === null ? "" : `, Signature=${signature ?? sign(all, query)}`;
            const authorization = `AWS4-HMAC-SHA256 Credential=${key}/${scope}, SignedHeaders=${names(all)}${last}`;
            return { method, url: `http://${host}${path}?${encoded(query)}`, headers: { ...added, authorization } };
        },
        /** With credentials in the query. */
        byQuery: (signature?: string | null) => {
            const all = {
                ...query,
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": `${key}/${scope}`,
                "X-Amz-Date": time,
                "X-Amz-Expires": "60",
                "X-Amz-SignedHeaders": names({ host, ...headers }),
            };
            const last: Fields =
                signature === null ? {} : { "X-Amz-Signature": signature ?? sign({ host, ...headers }, all) };
            return { method, url: `http://${host}${path}?${encoded({ ...all, ...last })}`, headers };
        },
    };
}

/** Sends it; the status, and the code of a refusal. */
async function sent(
    { url, ...call }: { url: string; method: string; headers: Fields },
    body?: string | Uint8Array<ArrayBuffer>,
) {
    const response = await fetch(url, { ...call, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    return { status: response.status, code: /<Code>(\w+)/.exec(text)?.[1], text };
}

/** Every object, and how many parts nobody may add. */
async function stored(): Promise<unknown[]> {
    const names = async (Bucket: string) =>
        (await root.send(new ListObjectsV2Command({ Bucket }))).Contents?.map(({ Key }) => Key) ?? [];
    const untouched = new ListPartsCommand({ Bucket: bucket, Key: "untouched", UploadId: uploads[0] });
    return [await names(bucket), await names("other"), (await root.send(untouched)).Parts?.length ?? 0];
}

const trailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const checksum = "x-amz-checksum-crc32";
function chunked(body: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    const end = `\r\n0\r\n${checksum}:${sum.toString("base64")}\r\n\r\n`;
    return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from(end)]);
}
const archive = async () => {
    const options = ["--create", "--file=-", "--absolute-names", "--transform=s,.*,extracted,"];
    return Buffer.from((await execa("tar", [...options, import.meta.filename], { encoding: "buffer" })).stdout);
};

describe("an upload with an unsigned trailer", () => {
    const kinds: Record<string, () => Promise<{ call: Call; body: Buffer<ArrayBuffer> }>> = {
        "an object": () => Promise.resolve({ call: { method: "PUT", path: `/${bucket}/new` }, body: Buffer.from("x") }),
        "a part": () =>
            Promise.resolve({
                call: {
                    method: "PUT",
                    path: `/${bucket}/untouched`,
                    query: { partNumber: "1", uploadId: uploads[0] },
                },
                body: Buffer.from("x"),
            }),
        "a snowball": async () => ({
            call: {
                method: "PUT",
                path: `/${bucket}/snowball.tar`,
                headers: { "x-amz-meta-snowball-auto-extract": "true" },
            },
            body: await archive(),
        }),
    };
    const nonsense = "0".repeat(64);
    const prepared = async (kind: string, more: Partial<Call> = {}) => {
        const { call, body } = (await kinds[kind]?.()) ?? expect.fail(kind);
        const streamed = {
            "x-amz-content-sha256": trailer,
            "x-amz-decoded-content-length": String(body.length),
            "x-amz-trailer": checksum,
        };
        const headers = { ...call.headers, ...streamed };
        return { ...signed({ ...call, headers, payload: trailer, ...more }), body: chunked(body), plain: body };
    };

    describe.each(Object.keys(kinds))("%s:", (kind) => {
        it.each([
            ["a wrong signature in the header", "byHeader", nonsense, 403, "SignatureDoesNotMatch"],
            ["no signature in the header", "byHeader", null, 403, "AccessDenied"],
            ["a wrong signature in the query", "byQuery", nonsense, 403, "SignatureDoesNotMatch"],
            // As for every other request of this MinIO.
            ["no signature in the query", "byQuery", null, 400, "AuthorizationQueryParametersError"],
        ] as const)("%s is refused, and nothing is stored", async (_name, form, signature, status, code) => {
            const before = await stored();
            const upload = await prepared(kind);
            for (const body of [upload.body, upload.plain]) {
                expect(await sent(upload[form](signature), body)).toMatchObject({ status, code });
            }
            expect(await stored()).toEqual(before);
        });

        it("no credentials are refused, and nothing is stored", async () => {
            const before = await stored();
            const upload = await prepared(kind);
            const call = upload.byHeader();
            const headers = Object.fromEntries(
                Object.entries(call.headers).filter(([name]) => name !== "authorization"),
            );
            const answer = await sent({ ...call, headers }, upload.body);
            expect(answer).toMatchObject({ status: 403, code: "AccessDenied" });
            expect(await stored()).toEqual(before);
        });

        it("a right signature of an hour ago is refused", async () => {
            const upload = await prepared(kind, { age: 60 });
            expect(await sent(upload.byHeader(), upload.body)).toMatchObject({
                status: 403,
                code: "RequestTimeTooSkewed",
            });
            expect(await sent(upload.byQuery(), upload.body)).toMatchObject({ status: 403, code: "AccessDenied" });
        });
    });

    it.each(["byHeader", "byQuery"] as const)("is stored with a right signature: %s", async (form) => {
        const object = await prepared("an object", { path: `/${bucket}/right-${form}` });
        expect(await sent(object[form](), object.body)).toMatchObject({ status: 200 });
        const { Body } = await root.send(new GetObjectCommand({ Bucket: bucket, Key: `right-${form}` }));
        expect(await Body?.transformToString()).toBe("x");
        const query = { partNumber: "1", uploadId: uploads[1] };
        const part = await prepared("a part", { path: `/${bucket}/parts`, query });
        expect(await sent(part[form](), part.body)).toMatchObject({ status: 200 });
        const snowball = await prepared("a snowball");
        expect(await sent(snowball[form](), snowball.body)).toMatchObject({ status: 200 });
        const extracted = await root.send(new GetObjectCommand({ Bucket: bucket, Key: "extracted" }));
        expect(await extracted.Body?.transformToString()).toBe(readFileSync(import.meta.filename, "utf8"));
    });

    it("is not what a presigned URL of another payload is for", async () => {
        const url = signed({ method: "PUT", path: `/${bucket}/new` }).byQuery();
        const headers = { "x-amz-content-sha256": trailer };
        expect(await sent({ ...url, headers }, chunked(Buffer.from("x")))).toMatchObject({ status: 403 });
    });
});

describe("a presigned URL", () => {
    const at = (Key: string) => `/${bucket}/${Key}`;
    const put = (more: Partial<Call> = {}) => signed({ method: "PUT", path: at("new"), ...more }).byQuery();
    const part = { path: at("untouched"), query: {} as Fields };

    it("puts and gets an object, with headers that are signed, and puts a part", async () => {
        const headers = { "x-amz-meta-a": "b", "x-amz-tagging": "a=b" };
        expect(await sent(put({ path: at("presigned"), headers }), "presigned")).toMatchObject({ status: 200 });
        const get = signed({ method: "GET", path: at("presigned") }).byQuery();
        expect(await sent(get)).toMatchObject({ status: 200, text: "presigned" });
        const query = { partNumber: "2", uploadId: uploads[1] };
        expect(await sent(put({ path: at("parts"), query }), "x")).toMatchObject({ status: 200 });
    });

    it("copies where the source is signed", async () => {
        const headers = { "x-amz-copy-source": `/${bucket}/secret` };
        expect(await sent(put({ path: at("copy"), headers }))).toMatchObject({ status: 200 });
    });

    it.each([
        ["x-amz-copy-source", `/${bucket}/secret`],
        ["x-amz-meta-a", "b"],
        ["x-amz-meta-snowball-auto-extract", "true"],
        ["x-amz-tagging", "a=b"],
        ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
        ["x-amz-acl", "public-read"],
        ["x-amz-signature-age", "0"],
        ["x-minio-source-mtime", "2020-01-01T00:00:00Z"],
    ])("is refused with %s that is not signed, as is a signed header", async (name, value) => {
        part.query = { partNumber: "1", uploadId: uploads[0] };
        const before = await stored();
        for (const { byQuery, byHeader } of [
            signed({ method: "PUT", path: at("new") }),
            signed({ method: "PUT", ...part }),
        ]) {
            for (const call of [byQuery(), byHeader()]) {
                const answer = await sent({ ...call, headers: { ...call.headers, [name]: value } });
                expect(answer).toMatchObject({ status: 400, code: "AccessDenied" });
            }
        }
        expect(await stored()).toEqual(before);
    });

    it("of version 2 is refused with a source", async () => {
        const expires = Math.floor(Date.now() / 1000) + 60;
        const signature = createHmac("sha1", secret)
            .update(`PUT\n\n\n${expires}\n${at("version-2")}`)
            .digest("base64");
        const query = encoded({ AWSAccessKeyId: key, Expires: String(expires), Signature: signature });
        const call = { method: "PUT", url: `http://${host}${at("version-2")}?${query}`, headers: {} };
        const source = { "x-amz-copy-source": `/${bucket}/secret` };
        expect(await sent({ ...call, headers: source })).toMatchObject({ status: 403, code: "SignatureDoesNotMatch" });
        expect(await sent(call)).toMatchObject({ status: 200 });
    });

    it("is refused when it has expired, and for another key, bucket, method or query", async () => {
        const before = await stored();
        expect(await sent(put({ age: 2 }), "x")).toMatchObject({ status: 403, code: "AccessDenied" });
        const { url } = put();
        const mismatch = "SignatureDoesNotMatch";
        for (const [method, other, code] of [
            ["PUT", url.replace("/own/new", "/own/newer"), mismatch],
            ["PUT", url.replace("/own/", "/other/"), "AccessDenied"],
            ["GET", url, mismatch],
            ["PUT", `${url}&x-amz-copy-source=${encodeURIComponent(`/${bucket}/secret`)}`, mismatch],
        ] as const) {
            const answer = await sent({ method, url: other, headers: {} }, method === "PUT" ? "x" : undefined);
            expect(answer).toMatchObject({ status: 403, code });
        }
        expect(await stored()).toEqual(before);
    });
});

it("boto3 works over HTTP and HTTPS, with trailers that are not signed where it sends them", async () => {
    const script = readFileSync(join(scripts, "signatures.py"), "utf8");
    const boto = async (endpoint: string) => {
        const environment = { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret, AUTHORITY: authority };
        const options = Object.keys(environment).flatMap((name) => ["--env", name]);
        const network = ["--add-host", `${gatewayName}:host-gateway`];
        const program = ["--entrypoint", "/opt/mlflow/bin/python", images.mlflow, "-", endpoint, bucket];
        const { stdout } = await execa("docker", ["run", "--rm", "--interactive", ...options, ...network, ...program], {
            input: script,
            env: environment,
        });
        return JSON.parse(stdout) as {
            session: { AccessKeyId: string; SecretAccessKey: string; SessionToken: string };
        };
    };
    const [http, https] = await Promise.all([
        boto(`http://${host}`),
        boto(`https://${gatewayName}:${servers.https.port}`),
    ]);
    const result = { read: ["bytes", "stream", "bytes"], large: true, presigned: "presigned" };
    expect(http).toMatchObject(result);
    expect(https).toMatchObject({ ...result, payloads: expect.arrayContaining([trailer]) as unknown });

    // A session has its user's rights until the user gets another secret.
    const { session } = http;
    const guest = client(session.AccessKeyId, session.SecretAccessKey, session.SessionToken);
    const get = new GetObjectCommand({ Bucket: bucket, Key: "secret" });
    expect((await guest.send(get)).ContentLength).toBe(23);
    await outsideUser(servers.http, key, `${secret}-2`, bucket, actions);
    await expect(guest.send(get)).rejects.toMatchObject({ name: "InvalidAccessKeyId" });
    await outsideUser(servers.http, key, secret, bucket, actions);
    await expect(guest.send(get)).rejects.toMatchObject({ name: "InvalidAccessKeyId" });
});

it("metadata of a replication, which nobody could read, is not taken from a client", async () => {
    const prefix = "x-minio-replication-server-side-encryption";
    const fields = { [`${prefix}-sealed-key`]: "x", [`${prefix}-seal-algorithm`]: "x", [`${prefix}-iv`]: "x" };
    const path = `/${bucket}/readable`;
    const get = signed({ method: "GET", path }).byQuery();
    for (const call of [
        signed({ method: "PUT", path, headers: fields }).byHeader(),
        signed({ method: "PUT", path, query: fields }).byQuery(),
    ]) {
        expect(await sent(call, "read")).toMatchObject({ status: 200 });
        expect(await sent(get)).toMatchObject({ status: 200, text: "read" });
    }
});

it.each([
    ["CSV", { CSV: { FileHeaderInfo: "NONE" } }, '"', '"\n'],
    ["JSON lines", { JSON: { Type: "LINES" } }, '{"a": "', '"}\n'],
] as const)("S3 Select reads no record of %s that is longer than AWS allows", async (_name, format, begin, end) => {
    const select = async (length: number) => {
        const where = { Bucket: bucket, Key: "records" };
        await root.send(new PutObjectCommand({ ...where, Body: begin + "x".repeat(length) + end }));
        const { Payload = [] } = await root.send(
            new SelectObjectContentCommand({
                ...where,
                ExpressionType: "SQL",
                Expression: "select count(*) from s3object",
                InputSerialization: format,
                OutputSerialization: { CSV: {} },
            }),
        );
        let records = "";
        for await (const { Records } of Payload) {
            records += Buffer.from(Records?.Payload ?? []).toString();
        }
        return records.trim();
    };
    expect(await select(500_000)).toBe("1");
    await expect(select(8_000_000)).rejects.toThrow(/error parsing the (CSV|JSON) file/);
});
