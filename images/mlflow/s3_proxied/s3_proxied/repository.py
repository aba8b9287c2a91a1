from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository


class ProxiedS3ArtifactRepository(ArtifactRepository):
    """MLflow's S3 repository without its mixins for presigned and multipart transfers.

    The server asks `isinstance(…, MultipartUploadMixin)` and the like before it signs anything, so what is
    left are its own transfers. Delegated is whatever the base class does not do by calling the other methods; the
    names of parameters matter, because the base class passes some by name.
    """

    def __init__(self, artifact_uri, tracking_uri=None, registry_uri=None):
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3 = S3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file, artifact_path=None):
        self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir, artifact_path=None):
        self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path=None):
        return self._s3.list_artifacts(path)

    def _download_file(self, remote_file_path, local_path):
        try:
            self._s3._download_file(remote_file_path, local_path)
        except ClientError as error:
            # Left as it is, it becomes a 500 that clients repeat for minutes.
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                raise MlflowException(f"No such artifact: {remote_file_path}", RESOURCE_DOES_NOT_EXIST) from error
            raise

    def delete_artifacts(self, artifact_path=None):
        self._s3.delete_artifacts(artifact_path)

    def upload_archived_trace_data_bytes(self, data):
        self._s3.upload_archived_trace_data_bytes(data)
