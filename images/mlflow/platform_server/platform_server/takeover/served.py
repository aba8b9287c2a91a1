"""What the stack's MinIO serves of a bucket, by S3, as its root user. With versions among it, versioning is switched on."""

import os
from pathlib import Path

import boto3
from botocore.config import Config

SECRETS = Path("/run/secrets/platform")


def client():
    authority = SECRETS / "s3_ca"
    return boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        region_name=os.environ["AWS_DEFAULT_REGION"],
        aws_access_key_id=(SECRETS / "root_user").read_text().removesuffix("\n"),
        aws_secret_access_key=(SECRETS / "root_password").read_text().removesuffix("\n"),
        verify=str(authority) if authority.exists() else None,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def served(bucket):
    s3 = client()
    keys, versions, size, last = 0, 0, 0, None
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            versions += entry["VersionId"] != "null"
            size += entry.get("Size", 0)
        # Versions and markers of a page are apart; both are sorted by key.
        for key in sorted({entry["Key"] for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, [])}):
            keys += key != last
            last = key
    if versions:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return {"objects": keys, "versions": versions, "bytes": size}
