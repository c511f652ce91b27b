"""redis-server beside ours: its configuration, and its load generator."""

import csv
import re
import socket
import subprocess
import time
from pathlib import Path

from .programs import MeasurementError

SERVER, CLIENT, BENCHMARK = "redis-server", "redis-cli", "redis-benchmark"
KEYS = 1_000_000


class RedisServer:
    """A redis-server, by default with every SET on stable storage before its reply. It
    never rewrites its log meanwhile: that would only slow it down."""

    def __init__(self, directory, options=("--appendonly", "yes", "--appendfsync", "always")):
        self.directory = Path(directory)
        self.port = free_port()
        self.command = [
            SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory),
            *options, "--save", "", "--auto-aof-rewrite-percentage", "0",
        ]

    def __enter__(self):
        log = open(self.directory / "log", "w")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._ask("ping") == "PONG":
                return self
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise MeasurementError(f"redis-server did not start:\n{(self.directory / 'log').read_text()}")

    def __exit__(self, *_):
        # Its data is thrown away: no reason to wait for a clean stop.
        self.process.kill()
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def _ask(self, *words):
        done = subprocess.run([CLIENT, "-p", str(self.port), *words], capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def information(self, section):
        return information(self.port, section)

    def log_bytes(self):
        """The length of its append-only file."""
        return int(self.information("persistence")["aof_current_size"])

    def check_writes(self, log_bytes_before, count, value_bytes):
        """Insists on `count` more values in the append-only file, without a failure."""
        information = self.information("persistence")
        grown = int(information["aof_current_size"]) - log_bytes_before
        if information["aof_last_write_status"] != "ok" or grown < count * value_bytes:
            raise MeasurementError(f"redis wrote {grown} bytes for {count} values, status {information}")


def information(port, section):
    """What INFO says, by name."""
    done = subprocess.run([CLIENT, "-p", str(port), "info", section], capture_output=True, text=True, timeout=30)
    return dict(re.findall(r"^(\w+):([^\r\n]*)", done.stdout, re.MULTILINE))


def fill(port, keys, value):
    """Sets every key that redis-benchmark asks for with `-r keys`."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for first in range(0, keys, 1000):
            names = [b"key:%012d" % number for number in range(first, min(first + 1000, keys))]
            connection.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$16\r\n%b\r\n$%d\r\n%b\r\n" % (name, len(value), value) for name in names))
            answer, expected = b"", b"+OK\r\n" * len(names)
            while len(answer) < len(expected):
                answer += connection.recv(1 << 16)
            if answer != expected:
                raise MeasurementError(f"a key was not set: {answer[:200]}")


def scan(port, count):
    """Walks through all keys of a database. Returns how many there are; each counts once."""
    keys, cursor = set(), b"0"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        file = connection.makefile("rb", 1 << 20)

        def bulk():
            value = file.read(int(file.readline()[1:]) + 2)
            return value[:-2]

        while True:
            connection.sendall(b"*4\r\n$4\r\nSCAN\r\n$%d\r\n%b\r\n$5\r\nCOUNT\r\n$%d\r\n%d\r\n" % (
                len(cursor), cursor, len(str(count)), count))
            if file.readline() != b"*2\r\n":
                raise MeasurementError("SCAN was refused")
            cursor = bulk()
            keys.update(bulk() for _ in range(int(file.readline()[1:])))
            if cursor == b"0":
                return len(keys)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def version():
    """Of redis-server, as it says it."""
    try:
        text = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return "redis-" + re.search(r"v=(\S+)", text)[1]


def benchmark_command(server, clients, value_bytes, hot_key):
    """Without -r it writes one key."""
    spread = [] if hot_key else ["-r", str(KEYS)]
    return [
        BENCHMARK, "-h", "127.0.0.1", "-p", str(server.port), "-t", "set", "-d", str(value_bytes), "-c", str(clients),
        *spread, "--csv",
    ]


def benchmark(server, clients, value_bytes, count, hot_key=False):
    """`count` SETs. Returns SET/s, and p50 and p99 in microseconds."""
    before = server.log_bytes()
    words = benchmark_command(server, clients, value_bytes, hot_key) + ["-n", str(count)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    if done.returncode != 0 or "rror" in done.stdout + done.stderr:
        raise MeasurementError(f"redis-benchmark failed: {' '.join(words)}\n{done.stdout}{done.stderr}")
    server.check_writes(before, count, value_bytes)
    lines = done.stdout[done.stdout.index('"test"'):].splitlines()
    row = next(csv.DictReader(lines))
    return {
        "requests": count, "requests_per_second": float(row["rps"]),
        "p50": 1000 * float(row["p50_latency_ms"]), "p99": 1000 * float(row["p99_latency_ms"]),
    }
