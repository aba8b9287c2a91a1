"""MLflow's S3 repository as this platform needs it.

`artifactTransfer` presigned: URLs for clients name the endpoint under which they reach S3, the server's own transfers
take the one inside. proxied: the same transfers without the abilities to sign, as MLflow's clients see from
`server-info`. In both a store that is not there, an object that is missing and a lack of room are told apart.
"""

import contextlib
import functools
import posixpath
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import boto3
from boto3.exceptions import RetriesExceededError, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, ReadTimeoutError
from mlflow.environment_variables import (
    MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE,
    MLFLOW_S3_ENDPOINT_URL,
    MLFLOW_S3_IGNORE_TLS,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository, _hoist_expected_bucket_owner

from platform_server import endpoints, settings, transfers
from platform_server.problems import TransferError, of_system

# A request to a store that does not answer ends within 30 seconds. boto3 alone would take five minutes.
LIMITS = {"connect_timeout": 10, "read_timeout": 25, "retries": {"mode": "standard", "total_max_attempts": 2}}
# A transfer holds at most its parts in memory, and the queue of chunks to be written, 32 MiB each.
PARTS = TransferConfig(max_concurrency=4, max_io_queue=128, num_download_attempts=2)
ABSENT = ("404", "NoSuchKey", "NoSuchUpload")


def give_up(caught_exception=None, **_):
    # A connection that was refused is worth another try at once; half a minute of silence is not.
    if isinstance(caught_exception, ReadTimeoutError):
        raise caught_exception


@functools.cache
def client_of(endpoint):
    client = boto3.Session().client(
        "s3",
        endpoint_url=endpoint,
        verify=False if MLFLOW_S3_IGNORE_TLS.get() else None,
        config=Config(
            signature_version="s3v4", s3={"addressing_style": MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE.get()}, **LIMITS
        ),
    )
    client.meta.events.register_first("needs-retry.s3", give_up)
    client.meta.events.register("before-sign.s3.GetObject", _hoist_expected_bucket_owner)
    return client


class Client:
    """boto3's client for the endpoint inside, that signs for the endpoint of the request's sender."""

    def __init__(self):
        self._inside = client_of(MLFLOW_S3_ENDPOINT_URL.get())
        self.upload_file = functools.partial(self._inside.upload_file, Config=PARTS)
        self.download_file = functools.partial(self._inside.download_file, Config=PARTS)

    def generate_presigned_url(self, *args, **kwargs):
        signing = client_of(endpoints.current.get()) if endpoints.current.get() else self._inside
        return signing.generate_presigned_url(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self._inside, name)


@contextlib.contextmanager
def explained(subject):
    """What boto3 and the operating system report, as answers that clients understand."""
    try:
        yield
    except S3UploadFailedError as error:
        raise explanation(subject, error.__context__) from error
    except (ClientError, ConnectionError, HTTPClientError, RetriesExceededError) as error:
        raise explanation(subject, error) from error
    # Last, because botocore's timeouts are among them.
    except OSError as error:
        if not (shown := of_system(error)):
            raise
        raise (hold.fail(shown) if (hold := transfers.current.get()) else shown) from error


def explanation(subject, error):
    if not isinstance(error, ClientError):
        store = MLFLOW_S3_ENDPOINT_URL.get() or "S3"
        return MlflowException(f"The artifact store at {store} cannot be reached: {error}", TEMPORARILY_UNAVAILABLE)
    code = error.response["Error"].get("Code", "")
    status = error.response["ResponseMetadata"].get("HTTPStatusCode")
    if code in ABSENT:
        return MlflowException(f"No such artifact: {subject}", RESOURCE_DOES_NOT_EXIST)
    if status == 400:
        return TransferError(400, f"The artifact store takes no such path: {error}")
    if status == 507:
        return TransferError(507, f"The artifact store is full: {error}")
    code = TEMPORARILY_UNAVAILABLE if status == 503 else INTERNAL_ERROR
    return MlflowException(f"The artifact store refuses what the server asks of it: {error}", code)


def explaining(method):
    @functools.wraps(method)
    def explaining_method(*args, **kwargs):
        with explained(method.__name__):
            return method(*args, **kwargs)

    return explaining_method


class ThreadsOfRequests(ThreadPoolExecutor):
    """Threads that know for which request they work."""

    def submit(self, function, /, *args, **kwargs):
        return super().submit(copy_context().run, function, *args, **kwargs)


class PresigningS3ArtifactRepository(S3ArtifactRepository):
    def _get_s3_client(self):
        return Client()

    def _create_thread_pool(self):
        return ThreadsOfRequests(max_workers=self.max_workers, thread_name_prefix="artifacts")

    def _download_file(self, remote_file_path, local_path):
        with explained(remote_file_path):
            if hold := transfers.current.get():
                bucket, root = self.parse_s3_compliant_uri(self.artifact_uri)
                key = posixpath.join(root, remote_file_path)
                found = self._get_s3_client().head_object(Bucket=bucket, Key=key, **self._bucket_owner_params)
                hold.take(found["ContentLength"])
            super()._download_file(remote_file_path, local_path)

    def _iterate_s3_paginated_results(self, bucket, prefix):
        # MLflow's own turns the store's errors into ones that say less.
        paginator = self._get_s3_client().get_paginator("list_objects_v2")
        yield from paginator.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/", **self._bucket_owner_params)

    def _is_directory(self, artifact_path):
        found = super()._is_directory(artifact_path)
        # MLflow would fetch all of it only to find then that it cannot send a directory.
        if found and (hold := transfers.current.get()):
            raise hold.fail(TransferError(400, f"Artifact path refers to a directory, not a file: '{artifact_path}'"))
        return found

    def download_artifacts(self, artifact_path, dst_path=None):
        try:
            if hold := transfers.current.get():
                if not artifact_path:
                    raise TransferError(400, "An artifact's path is missing")
                if dst_path and dst_path.startswith(tempfile.gettempdir()):
                    hold.directories.append(dst_path)
            with explained(artifact_path):
                return super().download_artifacts(artifact_path, dst_path)
        except MlflowException as error:
            # MLflow makes one error of those of all files, with a status of its own.
            raise (hold.problem if hold and hold.problem else error) from error

    log_artifact = explaining(S3ArtifactRepository.log_artifact)
    log_artifacts = explaining(S3ArtifactRepository.log_artifacts)
    list_artifacts = explaining(S3ArtifactRepository.list_artifacts)
    delete_artifacts = explaining(S3ArtifactRepository.delete_artifacts)
    upload_archived_trace_data_bytes = explaining(S3ArtifactRepository.upload_archived_trace_data_bytes)
    create_multipart_upload = explaining(S3ArtifactRepository.create_multipart_upload)
    complete_multipart_upload = explaining(S3ArtifactRepository.complete_multipart_upload)
    abort_multipart_upload = explaining(S3ArtifactRepository.abort_multipart_upload)
    get_download_presigned_url = explaining(S3ArtifactRepository.get_download_presigned_url)


class ProxiedS3ArtifactRepository(ArtifactRepository):
    """The same without MLflow's mixins for presigned and multipart transfers.

    The server asks `isinstance(…, MultipartUploadMixin)` and the like before it signs anything. Delegated is whatever
    the base class does not do by calling the other methods; the names of parameters matter, because the base
    class passes some by name.
    """

    def __init__(self, artifact_uri, tracking_uri=None, registry_uri=None):
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3 = PresigningS3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file, artifact_path=None):
        self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir, artifact_path=None):
        self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path=None):
        return self._s3.list_artifacts(path)

    def download_artifacts(self, artifact_path, dst_path=None):
        return self._s3.download_artifacts(artifact_path, dst_path)

    def _download_file(self, remote_file_path, local_path):
        self._s3._download_file(remote_file_path, local_path)

    def delete_artifacts(self, artifact_path=None):
        self._s3.delete_artifacts(artifact_path)

    def upload_archived_trace_data_bytes(self, data):
        self._s3.upload_archived_trace_data_bytes(data)


def create(artifact_uri, tracking_uri=None, registry_uri=None):
    kind = PresigningS3ArtifactRepository if settings.read().presigned else ProxiedS3ArtifactRepository
    return kind(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
