"""The ASGI application of the server: each server process calls `create_app` after the fork.

From the outside in: login, what the accounts of model servers may do, room for transfers, the endpoint of S3 for this
client, MLflow.
"""

import os
import re

from platform_server import settings

# All of them sign URLs for clients, or belong to uploads that began with one.
SIGNING = r"{prefix}/(ajax-)?api/2\.0/mlflow(-artifacts/(presigned|mpu)/|/artifacts/presigned-)"
PROXIED = (
    "artifactTransfer is proxied, so this server signs no URLs and every artifact passes through it. "
    "Leave MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD and MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD unset"
)


def refuse_signing(flask_app, prefix):
    """Lets them end in one answer that says why. It comes after MLflow's own checks of who asks."""
    from flask import Response, request
    from mlflow.exceptions import _UnsupportedMultipartUploadException

    from platform_server.problems import TransferError

    signing = re.compile(SIGNING.format(prefix=re.escape(prefix)))

    def refusal(reason):
        error = TransferError(501, reason)
        return Response(error.serialize_as_json(), error.status, mimetype="application/json")

    @flask_app.before_request
    def refuse():
        if not signing.match(request.path):
            return None
        # By this beginning clients know that they have to upload in one piece instead.
        upload = f"{_UnsupportedMultipartUploadException.MESSAGE}: " if "/mpu/" in request.path else ""
        return refusal(upload + PROXIED)


def mlflow_app(login):
    if not login:
        from mlflow.server.fastapi_app import app

        return app
    # `migrate` has made the administrator, so no worker needs his password to make him.
    os.environ["_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"] = "true"
    from mlflow.server import auth

    return auth.create_app()


def create_app():
    from mlflow.server import app as flask_app

    from platform_server import endpoints, problems, room, transfers, wsgi

    chosen = settings.read()
    wsgi.bound()
    app = mlflow_app(chosen.login)
    problems.register(app, flask_app)
    if chosen.presigned:
        app = endpoints.Endpoints(app, chosen)
    else:
        refuse_signing(flask_app, chosen.static_prefix)
    app = transfers.Transfers(app, room.Room(chosen.temp_bytes) if chosen.temp_bytes else None)
    if chosen.login:
        from platform_server import login, model_servers

        app = login.Login(model_servers.ModelServers(app, chosen.static_prefix), chosen.static_prefix)
    return app
