"""Runs scripts for callers of MLflow's client: each in a fork of a Python that has imported MLflow already, so it is as fresh as
one of its own and starts at once.

Standard input has a request a line, {"script": path, "args": [text, ...], "env": {name: text}}: variables beside its own.
Standard output has an answer a line, {"code": exit code, "stdout": text, "stderr": text}. Ends with its input.
"""

import json
import os
import runpy
import sys
import tempfile
import threading

import mlflow  # noqa: F401  it takes seconds, and every script needs it


def answer(code, stdout, stderr):
    for output in (stdout, stderr):
        output.seek(0)
    print(json.dumps({"code": code, "stdout": stdout.read(), "stderr": stderr.read()}), flush=True)


def requests():
    """Answers the requests one after the other. In a fork: returns the request that is to be run there; None at the end."""
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            # A fork would have none of the other threads, and perhaps a lock that one of them holds.
            if threading.active_count() > 1:
                sys.exit(f"importing MLflow has started threads: {threading.enumerate()}")
            child = os.fork()
            if child == 0:
                with open(os.devnull) as nothing:
                    os.dup2(nothing.fileno(), 0)
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                return json.loads(line)
            answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), stdout, stderr)
    return None


request = requests()
if request is not None:
    os.environ.update(request["env"])
    sys.argv = [request["script"], *request["args"]]
    runpy.run_path(request["script"], run_name="__main__")
