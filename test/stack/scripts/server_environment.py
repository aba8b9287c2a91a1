"""What the server's processes are given, beside what `mlflow server` gives its own for the same settings; as JSON.

Runs in the server's container, with its environment.
"""

import json
import os
from unittest import mock

from platform_server.__main__ import environment

ours = environment(os.environ)

import mlflow.server
from mlflow.cli import server

with mock.patch.object(mlflow.server, "_exec_cmd") as started, mock.patch("signal.signal"):
    server.main([], standalone_mode=False)
print(json.dumps({"ours": ours, "theirs": started.call_args.kwargs["extra_env"]}))
