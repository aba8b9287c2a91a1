/** The environment variables of a client, as the stack's output `clientEnv` has them. */

/** File that holds the stack's authority, where a client needs it; relative, so it is looked for where the client runs. */
export const authorityFile = "mlflow-platform-ca.pem";

/** What decides what a client needs. */
export interface ClientAccess {
    /** URL of the tracking server. */
    readonly trackingUri: string;
    /** Certificate of the stack's authority in PEM form, where that has signed what clients talk to. */
    readonly authority: string | undefined;
    /** Whether clients talk to the S3 store themselves, by URLs that the server signed. */
    readonly presigned: boolean;
    /** Authorities in PEM form of a store that somebody else runs. */
    readonly storeAuthorities: string | undefined;
}

/**
 * Everything but user name and password. `MLFLOW_PLATFORM_CA` is no variable that MLflow reads: it is what has to be in the
 * file that the others name. MLflow fetches presigned URLs by `requests`, which knows `REQUESTS_CA_BUNDLE` alone.
 */
export function clientEnvironment(access: ClientAccess): Record<string, string> {
    const { trackingUri, authority, presigned } = access;
    const storeAuthorities = presigned ? access.storeAuthorities : undefined;
    if (authority === undefined && storeAuthorities === undefined) {
        return { MLFLOW_TRACKING_URI: trackingUri };
    }
    return {
        MLFLOW_TRACKING_URI: trackingUri,
        MLFLOW_PLATFORM_CA: `${authority ?? ""}${storeAuthorities ?? ""}`,
        ...(authority !== undefined && trackingUri.startsWith("https:")
            ? { MLFLOW_TRACKING_SERVER_CERT_PATH: authorityFile }
            : {}),
        ...(presigned ? { REQUESTS_CA_BUNDLE: authorityFile } : {}),
    };
}
