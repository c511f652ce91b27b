"""Protostore and redis-server, each in a directory of its own, gone with the test that started them."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ..RealDisk import machine
from .wire import Connection

# What is ended by SIGTERM leaves no files either.
machine.end_on_signals()

# How much longer than usual the random tests are (`make soak`).
FACTOR = max(1, int(os.environ.get("PROTOSTORE_TEST_FACTOR", "1")))


def seeds(usual_count):
    """Few, so that every run repeats exactly; or those that PROTOSTORE_TEST_SEEDS names."""
    named = os.environ.get("PROTOSTORE_TEST_SEEDS")
    return [int(seed) for seed in named.split(",")] if named else range(usual_count * FACTOR)


class Directory:
    """Temporary, beside the stores of the other tests: /tmp may be memory."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(
            prefix="protostore-clients.", dir=os.environ.get("PROTOSTORE_DIR", "/var/tmp"))
        self.path = Path(self._directory.name)

    def remove(self):
        self._directory.cleanup()


class Protostore:
    """A server on a store of its own, which a restart finds again."""

    def __init__(self, *arguments, **environment):
        self._directory = Directory()
        self._arguments, self._environment = arguments, environment
        self.server = None
        try:
            for name in ("store", "index"):
                (self._directory.path / name).mkdir()
            self.start()
        except BaseException:
            self._directory.remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.kill()
        finally:
            self._directory.remove()

    def start(self):
        path = self._directory.path
        self.server = machine.Server(
            path / "store", path / "index", path / "log", self._arguments, environment=self._environment)

    @property
    def port(self):
        return self.server.port

    def connect(self, **options):
        return Connection(self.port, **options)

    def log(self):
        return self.server.log()

    def kill(self):
        self.server.kill()

    def stop(self):
        self.server.stop()

    def resident_bytes(self):
        """The memory of the process, without what it shares with files: the index is one."""
        fields = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in fields.splitlines() if line.startswith("RssAnon:"))


def late_disk():
    """What makes a server's disk requests wait for random times: shards answer in any order then, and
    long after what was asked of others. For its environment."""
    library = machine.PACKAGE / ".build" / "fault_shim.so"
    library.parent.mkdir(exist_ok=True)
    compiler = shutil.which("cc") or "clang"
    # Others may be loading the last one: a new file takes its name.
    new = library.with_suffix(f".so.{os.getpid()}")
    source = machine.PACKAGE / "Tests" / "FaultShim" / "fault_shim.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", new, source], check=True)
    new.rename(library)
    return {"LD_PRELOAD": str(library), "PROTOSTORE_FAULT": "io_submit:any:1+:late"}


class Redis:
    """Debian's redis-server on a socket; nothing that it holds goes to the disk."""

    def __init__(self, *arguments):
        self._directory = Directory()
        self.address = self._directory.path / "socket"
        words = [
            "redis-server", "--port", "0", "--unixsocket", self.address, "--save", "", "--appendonly", "no", "--dir",
            self._directory.path, "--enable-debug-command", "yes", *arguments]
        self._process = machine.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            machine.wait_until(self._is_serving, "redis-server serves")
        except BaseException:
            self.__exit__()
            raise

    def _is_serving(self):
        if self._process.poll() is not None:
            raise machine.Broken(f"redis-server ended with exit code {self._process.returncode}")
        try:
            with self.connect() as connection:
                return connection.call("PING") == b"+PONG\r\n"
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._directory.remove()

    def connect(self, **options):
        return Connection(self.address, **options)


def what_is_missing(*programs):
    """A reason why a test cannot run here, or None."""
    missing = [program for program in programs if not shutil.which(program)]
    return f"there is no {' and no '.join(missing)}: scripts/bootstrap clients installs it" if missing else None
