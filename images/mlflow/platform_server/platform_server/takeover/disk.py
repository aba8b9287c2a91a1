"""MinIO's data on disk: what the earlier installation's is like, its copy, and the swap into the stack's own.

A drive of MinIO has a directory for each bucket, in that a directory for each object, and in that a file xl.meta with the
object's versions, their metadata, ETags and (of small ones) contents; parts of larger ones are files beside it. Nothing
in there names the drive, the bucket or the credentials, so with one drive a bucket can be carried over as it is, with
versions, times and ETags, while no server runs on either side of the swap. The configuration in .minio.sys, with the
earlier users and keys, stays behind.
"""

import hashlib
import json
import os
import shutil
import struct
import sys
import time
from pathlib import Path

OLD, NEW = Path("/old"), Path("/data")
OWNER = 1000
# MinIO takes no name with a leading dot for a bucket.
STAGING = NEW / ".mlflow-platform-takeover"
COPIED, PREVIOUS = STAGING / "copied", STAGING / "previous"
META = "xl.meta"
# cmd/xl-storage-format-v2.go: what MinIO's image here writes and reads at most.
MAGIC, MAJOR, MINOR, HEADER_VERSION, META_VERSION = b"XL2 ", 1, 3, 3, 3
FOREIGN = {"encrypted": b"X-Minio-Internal-Server-Side-Encryption", "tiered": b"X-Minio-Internal-transition-tier"}
SHOWN = 5


def backend(root):
    """MinIO's format of a drive: fs, xl-single, xl; none where it is not MinIO's, and the number of drives."""
    try:
        found = json.loads((root / ".minio.sys/format.json").read_text())
    except (OSError, ValueError):
        return {"format": None, "drives": 0}
    sets = found.get("xl", {}).get("sets") or []
    return {"format": found.get("format"), "drives": sum(map(len, sets)), "version": found.get("xl", {}).get("version")}


def metadata_of(content):
    """The part of an xl.meta before contents, or None where this MinIO cannot read it."""
    if len(content) < 8 or content[:4] != MAGIC:
        return None
    major, minor = struct.unpack("<HH", content[4:8])
    if major != MAJOR or minor > MINOR:
        return None
    if minor < 2 or content[8] != 0xC6:
        return content[8:]
    (length,) = struct.unpack(">I", content[9:13])
    metadata = content[13 : 13 + length]
    # Two small integers of MessagePack.
    if minor == MINOR and (metadata[0] > HEADER_VERSION or metadata[1] > META_VERSION):
        return None
    return metadata


def files_of(root):
    """All files below a directory, in an order that is the same for the same tree."""
    for directory, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(files):
            yield Path(directory, name)


def key_of(meta, bucket):
    return str(meta.parent.relative_to(bucket)).removesuffix("__XLDIR__")


def inspect(bucket):
    from platform_server.takeover.locations import is_reachable

    result = backend(OLD)
    root = OLD / bucket
    result["buckets"] = sorted(entry.name for entry in OLD.iterdir() if entry.is_dir() and entry.name[0] != ".")
    result |= {"there": root.is_dir(), "objects": 0, "files": 0, "bytes": 0, "unreadable": [], "unreachable": []}
    result |= {name: [] for name in FOREIGN}
    # By two names, or a name and a link, it may be one directory.
    result["same"] = os.path.samefile(OLD, NEW)
    result["free"], result["device"] = shutil.disk_usage(NEW).free, NEW.stat().st_dev
    for file in files_of(root):
        result["files"] += 1
        result["bytes"] += file.stat().st_size
        if file.name != META:
            continue
        result["objects"] += 1
        key, metadata = key_of(file, root), metadata_of(file.read_bytes())
        if metadata is None:
            result["unreadable"].append(key)
            continue
        for name, mark in FOREIGN.items():
            if mark in metadata:
                result[name].append(key)
        if not is_reachable(key):
            result["unreachable"].append(key)
    for name in ("unreadable", "unreachable", *FOREIGN):
        result[name] = {"count": len(result[name]), "some": result[name][:SHOWN]}
    return result


def own(bucket, but):
    """How many objects the stack's own bucket has, apart from those in one directory of it."""
    root = NEW / bucket
    keys = (key_of(file, root) for file in files_of(root) if file.name == META)
    return {"objects": sum(not key.startswith(f"{but}/") for key in keys)}


class Progress:
    """A line now and then."""

    def __init__(self, what):
        self.what, self.files, self.bytes, self.next = what, 0, 0, time.monotonic() + 2

    def add(self, size):
        self.files, self.bytes = self.files + 1, self.bytes + size
        if time.monotonic() > self.next:
            print(f"{self.what} {self.files} files, {self.bytes / 2**20:.0f} MiB", file=sys.stderr, flush=True)
            self.next = time.monotonic() + 5


def copy_file(source, target):
    """Returns the content's SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while block := reader.read(2**20):
            digest.update(block)
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.digest()


def hash_file(file):
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").digest()


class Tree:
    """Number, size and a hash of the names and contents of files."""

    def __init__(self):
        self.files, self.bytes, self.digest = 0, 0, hashlib.sha256()

    def add(self, name, size, digest):
        self.files, self.bytes = self.files + 1, self.bytes + size
        self.digest.update(os.fsencode(name) + b"\0" + digest)

    def result(self):
        return {"files": self.files, "bytes": self.bytes, "sha256": self.digest.hexdigest()}


def copy(bucket):
    """Copies the bucket beside the stack's, and reads both again. Returns what each is: the same."""
    discard()
    root = OLD / bucket
    read, progress = Tree(), Progress("copied")
    for directory, directories, _ in os.walk(root):
        directories.sort()
        made = COPIED / Path(directory).relative_to(root)
        made.mkdir(parents=True, mode=0o700)
        os.chown(made, OWNER, OWNER)
    os.chown(STAGING, OWNER, OWNER)
    for file in files_of(root):
        name = file.relative_to(root)
        digest = copy_file(file, COPIED / name)
        os.chown(COPIED / name, OWNER, OWNER)
        size = file.stat().st_size
        read.add(str(name), size, digest)
        progress.add(size)
    written, progress = Tree(), Progress("compared")
    for file in files_of(COPIED):
        size = file.stat().st_size
        written.add(str(file.relative_to(COPIED)), size, hash_file(file))
        progress.add(size)
    return {"old": read.result(), "new": written.result()}


def swap(bucket):
    """The copy becomes the bucket. No server runs."""
    os.rename(NEW / bucket, PREVIOUS)
    os.rename(COPIED, NEW / bucket)
    return {}


def unswap(bucket):
    """Undoes as much of a swap as has happened. No server runs."""
    if PREVIOUS.exists():
        if (NEW / bucket).exists():
            os.rename(NEW / bucket, COPIED)
        os.rename(PREVIOUS, NEW / bucket)
    return {}


def discard():
    """Takes away what a takeover keeps beside the bucket."""
    shutil.rmtree(STAGING, ignore_errors=True)
    if STAGING.exists():
        raise OSError(f"{STAGING} cannot be removed")
    return {}
