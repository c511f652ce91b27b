"""A server on a recorded disk, from mounting it to unmounting it, with marks in the disk's log."""

import os
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager

from . import ledger, machine
from .machine import BENCH, Broken, Server, command

SEGMENT_BYTES = 512 << 10
# So little that segments have to be freed all the time.
DATAFILE_BYTES = 16 << 20
LIFE_SECONDS = {"always": (0.5, 1.5), "everysec": (3, 5), "never": (0.5, 1.5)}
# Requests per second. What only waits for the page cache would fill log and disk within seconds.
RATE = {"everysec": 1000}
KEYS = 300
VALUE_BYTES = "16-9000"
# A mark is a table of acknowledged writes, or the name of what begins here.
TABLE_MARK, PHASE_MARK = b"T", b"P"


def build_recorder(work):
    command("cc", "-O2", "-Wall", "-o", work / "recording_disk", machine.PACKAGE / "Tests/RealDisk/recording_disk.c")


class RecordedDisk:
    """The recording disk with its file system, mounted."""

    def __init__(self, work, seed, device):
        self.files = work / "files"
        self._work, self._seed, self._device = work, seed, device

    def __enter__(self):
        with ExitStack() as stack:
            recorder = machine.start(
                self._work / "recording_disk", self._work / "disk", self._work / "disk.img", self._work / "log",
                self._seed, stdout=subprocess.PIPE)
            stack.callback(self._end, recorder)
            if recorder.stdout.readline() != b"ready\n":
                raise Broken("the recording disk could not be mounted")
            self._marks = os.open(self._work / "disk/marks", os.O_WRONLY)
            stack.callback(os.close, self._marks)
            self.mark(PHASE_MARK, b"mount")
            self.device = stack.enter_context(
                machine.mounted(self._work / "disk/disk", self.files, self._device, direct=True))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def _end(self, recorder):
        # Where it was never mounted, it has ended by itself.
        if recorder.poll() is None:
            machine.patiently("umount", self._work / "disk")
        code = machine.end(recorder)
        recorder.stdout.close()
        if code != 0:
            raise Broken(f"the recording disk ended with exit code {code}")

    def mark(self, kind, text):
        os.write(self._marks, kind + text)


class LedgerFollower(threading.Thread):
    """Marks each state of the ledger in the log.

    A table is read first and marked then: what it says is acknowledged was so before."""

    PAUSE_SECONDS = 0.0002

    def __init__(self, path, disk):
        super().__init__(daemon=True)
        self._path, self._disk = path, disk
        self._is_over = False
        self._error = None

    def run(self):
        last = b""
        try:
            while True:
                is_last = self._is_over
                _, table = ledger.read(self._path)
                if table != last:
                    self._disk.mark(TABLE_MARK, table)
                elif is_last:
                    return
                else:
                    time.sleep(self.PAUSE_SECONDS)
                last = table
        except Exception as error:
            self._error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        self.join()
        if self._error:
            raise self._error


class Life:
    """One server from its start to its end under load."""

    def __init__(self, work, disk, sync, random):
        self._work, self._disk, self._random = work, disk, random
        self._sync = sync
        self._seconds = random.uniform(*LIFE_SECONDS[sync])
        self._arguments = [
            "--sync", sync, "--segment-bytes", SEGMENT_BYTES, "--max-size", DATAFILE_BYTES, "--num-tcp-threads", random.randint(1, 2),
            "--num-aio-threads", random.randint(0, 2)]

    def run(self, end):
        disk, server = self._disk, None
        disk.mark(PHASE_MARK, b"open")
        try:
            server = Server(disk.files / "store", self._work / "memory", self._work / "server.log", self._arguments)
            disk.mark(PHASE_MARK, b"load")
            with self._load(server):
                time.sleep(self._seconds)
                disk.mark(PHASE_MARK, end.encode())
                server.stop() if end == "stop" else server.kill()
            disk.mark(PHASE_MARK, b"stopped" if end == "stop" else b"killed")
        finally:
            if server:
                server.kill()

    def _table(self):
        # An empty one is none.
        return ledger.read(self._work / "ledger")[1].strip(b"\0")

    @contextmanager
    def _load(self, server):
        random = self._random
        words = [
            BENCH, "durability", "run", "--ledger", self._work / "ledger", "--until-killed", "--port", server.port,
            "--clients", random.choice((1, 4, 16)), "--inflight", random.choice((1, 4)), "--seconds", 60,
            "--warmup", 0, "--seed", random.randrange(1 << 32), "--read-ratio", random.choice((0, 0.2))]
        words += [] if (self._work / "ledger").exists() else ["--keys", KEYS, "--value-bytes", VALUE_BYTES]
        words += ["--rate", RATE[self._sync]] if self._sync in RATE else []
        words += ["--hot-key"] if random.random() < 0.1 else []
        before = self._table()
        with open(self._work / "load.log", "wb") as log:
            load = machine.start(*words, stdout=log, stderr=log)
        try:
            machine.wait_until(lambda: self._table() != before or load.poll() is not None, "the first write of a life")
            yield
            if machine.end(load) != 0:
                raise Broken(f"the load saw what it must not:\n{(self._work / 'load.log').read_text()}")
        finally:
            load.kill()
            load.wait()
