"""How many bytes of temporary files all worker processes have promised to transfers.

Each process has a file in the directory `room`, and a directory beside it for its temporary files. The file's length
is the sum of what the process has promised (a sparse file: it occupies nothing), and the process keeps it locked.
What nobody has locked was a process that died: it does not count, and its files are removed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from pathlib import Path


class Room:
    def __init__(self, limit, directory=None):
        self.limit = limit
        self.base = Path(directory or tempfile.gettempdir())
        self.directory = self.base / "room"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.promised = 0
        self.between_processes = open(self.directory / "lock", "wb")  # noqa: SIM115 it is held to the end
        self.between_threads = threading.Lock()
        self.name = None
        with self.alone():
            # Also of one that died and had the number of this one.
            sum(self.of_others())
            self.name = str(os.getpid())
            self.mine = open(self.directory / self.name, "wb")  # noqa: SIM115
            fcntl.flock(self.mine, fcntl.LOCK_EX)
            (self.base / self.name).mkdir(mode=0o700)
        tempfile.tempdir = str(self.base / self.name)

    @contextlib.contextmanager
    def alone(self):
        with self.between_threads:
            fcntl.flock(self.between_processes, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self.between_processes, fcntl.LOCK_UN)

    def of_others(self):
        for path in self.directory.iterdir():
            if path.name in ("lock", self.name):
                continue
            with open(path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield os.fstat(file.fileno()).st_size
                else:
                    shutil.rmtree(self.base / path.name, ignore_errors=True)
                    path.unlink()

    def set(self, promised):
        os.ftruncate(self.mine.fileno(), promised)
        self.promised = promised

    def take(self, size):
        """Whether there was room; then it is taken."""
        with self.alone():
            if self.promised + size + sum(self.of_others()) > self.limit:
                return False
            self.set(self.promised + size)
            return True

    def has(self, size):
        with self.alone():
            return self.promised + size + sum(self.of_others()) <= self.limit

    def give_back(self, size):
        with self.alone():
            self.set(self.promised - size)
