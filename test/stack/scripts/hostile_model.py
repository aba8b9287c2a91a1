"""What a hostile model tries from inside a model server. `attempts` returns, for each attempt, what came of it."""

import base64
import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path


def connect(host, port):
    try:
        with socket.create_connection((host, port), timeout=3):
            return "connected"
    except OSError as error:
        return type(error).__name__


def ask(method, url, body=None, credentials=None):
    headers = {"Content-Type": "application/json"}
    if credentials:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data=data, method=method, headers=headers), timeout=10
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__


def secrets():
    found = {}
    for path in Path("/run/secrets").rglob("*"):
        if path.is_file():
            try:
                found[str(path)] = path.read_text()
            except OSError as error:
                found[str(path)] = type(error).__name__
    return found


def environments():
    """The environment of every process that it may look into."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found |= {entry.split("=", 1)[0] for entry in path.read_text().split("\0") if entry}
        except OSError:
            pass
    return sorted(found)


def attempts(targets):
    files = secrets()
    password = files.get("/run/secrets/platform/mlflow_password", "").strip()
    account = (targets["account"], password)
    return {
        "connections": {f"{host}:{port}": connect(host, port) for host, port in targets["connect"]},
        "docker": os.path.exists("/var/run/docker.sock"),
        "secrets": files,
        "environment": environments(),
        "mlflow": {
            f"{method} {path}": ask(method, targets["mlflow"] + path, body, account if password else None)
            for method, path, body in targets["mlflow_requests"]
        },
        "others": {f"{method} {url}": ask(method, url) for method, url in targets["requests"]},
        "root": os.access("/", os.W_OK) or os.access("/usr", os.W_OK),
        "uid": os.getuid(),
    }
