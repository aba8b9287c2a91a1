"""Moves artifacts as a client of any version does, and says which servers it talked to; prints one line of JSON.

Usage: transfer.py <experiment> [<name>=<address> …]

The tracking server comes from the environment. A name is looked up as the given address: it stands in for DNS.
"""

import hashlib
import json
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import requests
from mlflow import MlflowClient

MEBIBYTE = 1 << 20

# So that 12 MiB go in parts; the store takes none below 5 MiB.
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(8 * MEBIBYTE)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * MEBIBYTE)
os.environ["MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE"] = str(5 * MEBIBYTE)


def watch_requests():
    """The origins of all requests, each with the methods by which artifacts' bytes went there."""
    seen = {}
    send = requests.adapters.HTTPAdapter.send

    def watched(self, request, *args, **kwargs):
        url = urlsplit(request.url)
        seen.setdefault(f"{url.scheme}://{url.netloc}", set()).add(request.method)
        return send(self, request, *args, **kwargs)

    requests.adapters.HTTPAdapter.send = watched
    return seen


def look_up(names):
    resolve = socket.getaddrinfo

    def resolved(host, *args, **kwargs):
        return resolve(names.get(host, host), *args, **kwargs)

    socket.getaddrinfo = resolved


def log_figure(client, run_id):
    """For who looks at it in a browser; where the client can draw."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure()
    figure.subplots().plot([1, 1 / 2, 1 / 3])
    client.log_figure(run_id, figure, "curve.png")


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def main(experiment, *names):
    look_up(dict(name.split("=") for name in names))
    seen = watch_requests()
    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        small, large = Path(work, "note ü+%.txt"), Path(work, "large.bin")
        small.write_text("a few words")
        large.write_bytes(os.urandom(12 * MEBIBYTE))
        run = client.create_run(experiment_id)
        for step in range(5):
            client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step)
        log_figure(client, run.info.run_id)
        for file in (small, large):
            client.log_artifact(run.info.run_id, str(file), "some where")
        listed = sorted(info.path for info in client.list_artifacts(run.info.run_id, "some where"))
        back = [client.download_artifacts(run.info.run_id, path, tempfile.mkdtemp(dir=work)) for path in listed]
        client.set_terminated(run.info.run_id)
        same = [digest(path) for path in back] == [digest(large), digest(small)]
    return {
        "version": mlflow.__version__,
        "runId": run.info.run_id,
        "experimentId": experiment_id,
        "listed": listed,
        "same": same,
        "seconds": time.monotonic() - started,
        "origins": {origin: sorted(methods) for origin, methods in seen.items()},
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
