"""Keeps artifacts of an MLflow server moving through the server.

MLflow's own S3 repository can sign URLs, and since 3.16 clients that learn this from `server-info` fetch every artifact
by such a URL. It names the S3 store as the server sees it, a name that clients outside its network cannot
resolve, and MLflow 3.17 has no switch. This package takes the place of that repository for the scheme `s3`.
"""


def s3_artifact_repository(artifact_uri, tracking_uri=None, registry_uri=None):
    # Imported late: MLflow loads entry points in the middle of importing the very modules that this one needs.
    from s3_proxied.repository import ProxiedS3ArtifactRepository

    return ProxiedS3ArtifactRepository(artifact_uri, tracking_uri, registry_uri)
