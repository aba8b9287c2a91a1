"""`python -m platform_server`: the server, from the environment that `start` has checked.

`mlflow server` would import MLflow in each of its processes, and they share nothing. Here it is imported once, and each of
MLFLOW_WORKERS is a fork of that process, which supervises them.
"""

import gc
import importlib
import os

# What `mlflow server` sets for its processes, and from which of its own variables.
GIVEN = {
    "_MLFLOW_SERVER_FILE_STORE": "MLFLOW_BACKEND_STORE_URI",
    "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE": "MLFLOW_READ_REPLICA_BACKEND_STORE_URI",
    "_MLFLOW_SERVER_REGISTRY_STORE": "MLFLOW_REGISTRY_STORE_URI",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "MLFLOW_DEFAULT_ARTIFACT_ROOT",
    "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "MLFLOW_ARTIFACTS_DESTINATION",
    "_MLFLOW_STATIC_PREFIX": "MLFLOW_STATIC_PREFIX",
    "prometheus_multiproc_dir": "MLFLOW_EXPOSE_PROMETHEUS",
}
FIXED = {
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_IN_JOB_EXECUTOR": "false",
    "_MLFLOW_SGI_NAME": "uvicorn",
    # Threads of libraries that MLflow imports and this server does not calculate with: they would be there at the fork.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
# What the first requests would import otherwise, in each process.
MODULES = (
    "boto3",
    "mlflow.server.fastapi_app",
    "platform_server.endpoints",
    "platform_server.repository",
    "platform_server.room",
    "platform_server.transfers",
    "platform_server.wsgi",
    "psycopg2.extras",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
WITH_LOGIN = ("platform_server.login", "platform_server.model_servers")


def environment(given):
    """The variables of the server's processes."""
    defaults = {
        "MLFLOW_REGISTRY_STORE_URI": given["MLFLOW_BACKEND_STORE_URI"],
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": "mlflow-artifacts:/",
    }
    values = {name: given.get(source) or defaults.get(source) for name, source in GIVEN.items()}
    # A new one for each start, as MLflow has it.
    boot = {"_MLFLOW_SERVER_BOOT_ID": os.urandom(16).hex()}
    return {name: value for name, value in values.items() if value} | FIXED | boot


def main():
    # Much of MLflow reads them as it is imported.
    os.environ |= environment(os.environ)
    from platform_server import settings, supervisor

    chosen = settings.read()
    # Nothing that is imported here is garbage; and what the collector has not touched stays one copy for all processes.
    gc.disable()
    for module in (*MODULES, *(WITH_LOGIN if chosen.login else ())):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    gc.enable()
    supervisor.run(chosen)


if __name__ == "__main__":
    main()
