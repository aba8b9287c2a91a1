"""Uploads as programs do, by boto3, and reads back; prints one line of JSON.

Usage: signatures.py <endpoint> <bucket>, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for https, AUTHORITY (PEM)
"""

import io
import json
import os
import sys
import tempfile
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MIB = 2**20


def main(endpoint: str, bucket: str) -> dict:
    scratch = tempfile.mkdtemp()
    authority = os.environ.get("AUTHORITY")
    if authority:
        with open(f"{scratch}/authority.pem", "w") as file:
            file.write(authority)
        os.environ["AWS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = f"{scratch}/authority.pem"
    options = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    # Its presigned URLs are of version 2 unless told otherwise.
    client = boto3.client("s3", config=Config(signature_version="s3v4"), **options)
    payloads = set()

    def note(request, **_):
        payload = request.headers.get("X-Amz-Content-SHA256", b"").decode()
        payloads.add(payload if "PAYLOAD" in payload else "hash")

    client.meta.events.register("before-send.s3", note)

    def read(key):
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()

    client.put_object(Bucket=bucket, Key="boto/bytes", Body=b"bytes", Metadata={"a": "b"}, Tagging="a=b")
    client.put_object(Bucket=bucket, Key="boto/stream", Body=io.BytesIO(b"stream"), ChecksumAlgorithm="CRC32")
    large = os.urandom(11 * MIB)
    with open(f"{scratch}/large", "wb") as file:
        file.write(large)
    parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    client.upload_file(f"{scratch}/large", bucket, "boto/parts", Config=parts)
    client.copy_object(Bucket=bucket, Key="boto/copy", CopySource={"Bucket": bucket, "Key": "boto/bytes"})
    client.put_object_tagging(Bucket=bucket, Key="boto/copy", Tagging={"TagSet": [{"Key": "c", "Value": "d"}]})

    where = {"Bucket": bucket, "Key": "boto/presigned"}
    url = client.generate_presigned_url("put_object", Params=where)
    urllib.request.urlopen(urllib.request.Request(url, b"presigned", method="PUT"))
    session = boto3.client("sts", **options).assume_role(RoleArn="arn:aws:iam::0:role/any", RoleSessionName="any")
    return {
        "payloads": sorted(payloads),
        "read": [read(f"boto/{key}").decode() for key in ("bytes", "stream", "copy")],
        "large": read("boto/parts") == large,
        "presigned": urllib.request.urlopen(client.generate_presigned_url("get_object", Params=where)).read().decode(),
        "session": {name: session["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")},
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
