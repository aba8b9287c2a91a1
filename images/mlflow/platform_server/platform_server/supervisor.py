"""uvicorn's supervisor of server processes, with processes that are forked instead of started anew.

A fork has what its parent has, but only the one thread that forked: a lock that another thread holds stays locked in it
for good, and a connection would be used by both. So there must be neither, and each process makes its own.
"""

import logging
import multiprocessing
import signal
import sys
from pathlib import Path

import uvicorn
import yaml
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess, multiprocess

# Seconds in which a process has to answer its supervisor. uvicorn's 5 are too few where the CPUs are busy.
PING_TIMEOUT = 60
PROBED = "/api/3.0/mlflow/server-info"


class NotAlone(Exception):
    """There is something that a fork would break."""


def refuse_threads():
    """Raises NotAlone if this process has a second thread, also one of C code."""
    tasks = Path("/proc/self/task")
    names = sorted((task / "comm").read_text().strip() for task in tasks.iterdir())
    if len(names) > 1:
        raise NotAlone(f"the server has {len(names)} threads before it forks: {', '.join(names)}")


def refuse_connections():
    """Raises NotAlone if this process has a socket beside those that it may have been started with, 0 to 2."""
    sockets = [file.name for file in Path("/proc/self/fd").iterdir() if int(file.name) > 2 and file.is_socket()]
    if sockets:
        raise NotAlone(f"the server has sockets before it forks: {', '.join(sockets)}")


class Worker(multiprocessing.get_context("fork").Process):
    """A server process. The signal handlers that it inherits are its supervisor's, so signals wait until those are gone."""

    def start(self):
        refuse_threads()
        signal.pthread_sigmask(signal.SIG_BLOCK, multiprocess.SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, multiprocess.SIGNALS)

    def run(self):
        for number in multiprocess.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, multiprocess.SIGNALS)
        super().run()


def forked(_config, target, sockets):
    return Worker(target=target, kwargs={"sockets": sockets})


class AllButProbes(logging.Filter):
    """Keeps what `healthy` asks every few seconds out of the access log, unless it fails."""

    def __init__(self, static_prefix):
        super().__init__()
        self.probed = static_prefix + PROBED

    def filter(self, record):
        client, method, path, _, status = record.args
        return not (client.startswith("127.0.0.1:") and (method, path, status) == ("GET", self.probed, 200))


def log_config(static_prefix):
    """What `mlflow server` writes, without the probes."""
    from mlflow import server

    config = yaml.safe_load(server._UVICORN_LOG_CONFIG.read_text())
    config["filters"] = {"all_but_probes": {"()": AllButProbes, "static_prefix": static_prefix}}
    config["loggers"]["uvicorn.access"]["filters"] = ["all_but_probes"]
    return config


def run(chosen):
    """Serves until a signal ends it."""
    refuse_connections()
    multiprocess.get_subprocess = forked
    config = uvicorn.Config(
        "platform_server.app:create_app",
        factory=True,
        host=chosen.host,
        port=chosen.port,
        workers=chosen.workers,
        log_config=log_config(chosen.static_prefix),
        timeout_worker_healthcheck=PING_TIMEOUT,
    )
    supervisor = Multiprocess(config, [config.bind_socket()])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)
