/** What a client's environment has, as the output clientEnv gives it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ClientAccess, authorityFile, clientEnvironment } from "../../components/clientEnvironment.ts";

const http = "http://127.0.0.1:5000";
const https = "https://ml.example.com";

describe("the environment of a client", () => {
    it.each<[string, string | undefined, boolean, Record<string, string>]>([
        [http, undefined, false, {}],
        [http, undefined, true, {}],
        [https, undefined, false, {}],
        [https, undefined, true, {}],
        [https, "PEM", false, { MLFLOW_PLATFORM_CA: "PEM", MLFLOW_TRACKING_SERVER_CERT_PATH: authorityFile }],
        [
            https,
            "PEM",
            true,
            {
                MLFLOW_PLATFORM_CA: "PEM",
                MLFLOW_TRACKING_SERVER_CERT_PATH: authorityFile,
                REQUESTS_CA_BUNDLE: authorityFile,
            },
        ],
        // Only MinIO serves by TLS.
        [http, "PEM", false, { MLFLOW_PLATFORM_CA: "PEM" }],
        [http, "PEM", true, { MLFLOW_PLATFORM_CA: "PEM", REQUESTS_CA_BUNDLE: authorityFile }],
    ])("of %s with authority %s, presigned %s, has beside the URL %j", (trackingUri, authority, presigned, more) => {
        const access = { trackingUri, authority, presigned, storeAuthorities: undefined };
        const expected = { MLFLOW_TRACKING_URI: trackingUri, ...more };
        expect(clientEnvironment(access)).toStrictEqual(expected);
        // Who lets the server talk to the store does not meet the store's certificate.
        if (!presigned) {
            expect(clientEnvironment({ ...access, storeAuthorities: "STORE" })).toStrictEqual(expected);
        }
    });

    it.each<[string, string | undefined, Record<string, string>]>([
        [http, undefined, { MLFLOW_PLATFORM_CA: "STORE" }],
        // The server's certificate is signed by a public authority.
        [https, undefined, { MLFLOW_PLATFORM_CA: "STORE" }],
        [https, "PEM", { MLFLOW_PLATFORM_CA: "PEMSTORE", MLFLOW_TRACKING_SERVER_CERT_PATH: authorityFile }],
    ])("of %s with authority %s that fetches from somebody else's store has beside them %j", (uri, authority, more) => {
        const access = { trackingUri: uri, authority, presigned: true, storeAuthorities: "STORE" };
        expect(clientEnvironment(access)).toStrictEqual({
            MLFLOW_TRACKING_URI: uri,
            ...more,
            REQUESTS_CA_BUNDLE: authorityFile,
        });
    });

    it("names a file wherever it has a path, and then has what is to be in that file", () => {
        const access: fc.Arbitrary<ClientAccess> = fc.record({
            trackingUri: fc.constantFrom(http, https),
            authority: fc.option(fc.string(), { nil: undefined }),
            presigned: fc.boolean(),
            storeAuthorities: fc.option(fc.string(), { nil: undefined }),
        });
        fc.assert(
            fc.property(access, (some) => {
                const { MLFLOW_TRACKING_URI: uri, MLFLOW_PLATFORM_CA: authority, ...paths } = clientEnvironment(some);
                const trusted = [some.authority, ...(some.presigned ? [some.storeAuthorities] : [])].filter(
                    (pem) => pem !== undefined,
                );
                expect([uri, authority]).toEqual([
                    some.trackingUri,
                    trusted.length === 0 ? undefined : trusted.join(""),
                ]);
                expect(new Set(Object.values(paths))).toEqual(
                    new Set(Object.keys(paths).length === 0 ? [] : ["mlflow-platform-ca.pem"]),
                );
                expect(authority === undefined && Object.keys(paths).length > 0).toBe(false);
            }),
        );
    });
});
