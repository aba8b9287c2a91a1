"""Uses S3 by its public address as boto3 does, and as one should not; prints one line of JSON.

Usage: s3_through_gateway.py <endpoint> <bucket>
"""

import io
import json
import os
import sys
import time
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

KEYS = ("plain", "a b/ç%2F+x/é.txt", "quote'\"&=?#;:@$,", "tilde~(1)*!", "dot.../..x")
MEBIBYTE = 1 << 20


def status(url, method="GET", body=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method=method)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def main(endpoint, bucket):
    configuration = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=configuration)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=f"through/{key}", Body=key.encode())
    keys = all(s3.get_object(Bucket=bucket, Key=f"through/{key}")["Body"].read() == key.encode() for key in KEYS)
    large = os.urandom(12 * MEBIBYTE)
    s3.upload_fileobj(
        io.BytesIO(large), bucket, "through/large", Config=TransferConfig(multipart_threshold=5 * MEBIBYTE)
    )
    s3.put_object(Bucket=bucket, Key="through/empty", Body=b"")

    def sign(key="through/plain", seconds=60):
        return s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)

    short = sign(seconds=1)
    time.sleep(2)
    answers = {
        "keys": keys,
        "parts": s3.get_object(Bucket=bucket, Key="through/large")["Body"].read() == large,
        "empty": s3.head_object(Bucket=bucket, Key="through/empty")["ContentLength"] == 0,
        "presigned": status(sign()),
        "tampered": status(sign().replace("through/plain", "through/large")),
        "expired": status(short),
        "otherBucket": status(sign().replace(f"/{bucket}/", "/another-bucket/")),
        "anonymous": status(f"{endpoint}/{bucket}/through/plain"),
    }
    for item in s3.list_objects_v2(Bucket=bucket, Prefix="through/")["Contents"]:
        s3.delete_object(Bucket=bucket, Key=item["Key"])
    return answers


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
