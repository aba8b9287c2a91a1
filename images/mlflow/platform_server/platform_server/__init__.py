"""What this platform adds to the MLflow server.

__main__       the server: MLflow imported once, and what `mlflow server` sets
supervisor     its processes, which are forked
app            the ASGI application of each process
login          lets requests without valid credentials reach four public places and nothing else
model_servers  lets the accounts of model servers read what they serve and nothing else
transfers      admits uploads and downloads as far as there is room for their temporary files
room           counts that room over all worker processes
wsgi           keeps what Flask serves from piling up in memory
endpoints      under which address S3 is reached by whoever sent the request
repository     MLflow's S3 repository with all of this; takes the place of the original for the scheme s3
problems       errors that have a status of their own
admin          the administrator's account; for `migrate`, not for the server
accounts       the accounts of model servers; likewise
takeover       the data of an earlier installation; for `npm run takeover`
routes         prints the server's route table; for tests
"""


def s3_artifact_repository(artifact_uri, tracking_uri=None, registry_uri=None):
    # Imported late: MLflow loads entry points in the middle of importing the very modules that this one needs.
    from platform_server import repository

    return repository.create(artifact_uri, tracking_uri, registry_uri)
