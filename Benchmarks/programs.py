"""The release programs: the server, the load generators, and fio beside them."""

import json
import re
import shlex
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from . import machine

PACKAGE = Path(__file__).resolve().parent.parent
MK_DATA, RUN, BENCH = (PACKAGE / ".build/release" / name for name in ("mk_data", "run", "bench"))


class MeasurementError(Exception):
    """A run whose figures must not be used."""


def command_line(words):
    """As one would type it, with the programs' names for their paths."""
    return shlex.join([Path(words[0]).name, *words[1:]])


# --- The server


class Server:
    """A running server on a free port. Its log is kept; leaving stops it with
    SIGTERM and insists on exit code 0."""

    def __init__(self, store, tcp_threads=None, aio_threads=None, io_depth=None, stats_interval=0, environment=None,
                 arguments=()):
        self.command = [str(RUN), "--path", str(store.path), "--port", "0", "--stats-interval", str(stats_interval)]
        for option, value in (
            ("--num-tcp-threads", tcp_threads), ("--num-aio-threads", aio_threads), ("--max-io-depth", io_depth),
        ):
            if value is not None:
                self.command += [option, str(value)]
        self.command += arguments
        self._environment = environment
        self._log = tempfile.TemporaryFile("w+")

    def __enter__(self):
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stderr=self._log, env=self._environment)
        try:
            self.port = self._wait_for_port()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def kill(self):
        """Ends it as a crash does; leaving then insists on nothing."""
        self.process.kill()
        self.process.wait()

    def __exit__(self, error_type, *_):
        if self.process.returncode == -signal.SIGKILL:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if code != 0 and error_type is None:
            raise MeasurementError(f"the server ended with exit code {code}:\n{self.log()}")

    def _wait_for_port(self):
        deadline = self.started + 600
        while time.monotonic() < deadline:
            found = re.search(r"listening on \S*:(\d+)", self.log())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.001)
        raise MeasurementError(f"the server did not start: {' '.join(self.command)}\n{self.log()}")

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        # A second descriptor would share the position that the server writes at.
        return Path(f"/proc/self/fd/{self._log.fileno()}").read_text()

    def statistics(self, since_line=0):
        """The statistics lines so far as dictionaries of numbers, with the loop's name."""
        parsed = []
        for line in self.log().splitlines()[since_line:]:
            found = re.search(r"\] ((?:tcp|aio)-\d+): (.*)", line)
            if found:
                parsed.append({"loop": found[1], **parse_statistics(found[2])})
        return parsed

    def log_line_count(self):
        return len(self.log().splitlines())


def parse_statistics(text):
    """`polls/s 12, in flight 3 reads 0 writes, batch p50 4 p99 9` as
    {"polls/s": 12.0, "in flight reads": 3.0, ..., "batch p50": 4.0, "batch p99": 9.0}."""
    values = {}
    for field in text.split(", "):
        pair = re.fullmatch(r"(in flight|failed) (\d+) reads (\d+) writes", field)
        if pair:
            values[f"{pair[1]} reads"], values[f"{pair[1]} writes"] = float(pair[2]), float(pair[3])
            continue
        percentiles = re.findall(r"(p[\d.]+) (\d+)", field)
        if percentiles:
            prefix = field.split(" p")[0]
            values.update({f"{prefix} {name}": float(value) for name, value in percentiles})
            continue
        name, _, value = field.rpartition(" ")
        values[name] = float(value.rstrip("%"))
    return values


# --- The load


class BenchRun:
    """A load of `bench` that runs. `result()` waits for it and checks it: a figure
    counts only if every request was answered, and rightly."""

    # How much longer than it measures a run may take: reading back what was written.
    PATIENCE_SECONDS = 120

    def __init__(self, server, words, clients, seconds, inflight=1, warmup=None, rate=None, verify=False):
        self._file = tempfile.NamedTemporaryFile(suffix=".json")
        warmup = min(1, seconds) if warmup is None else warmup
        words = [
            BENCH, *words, "--port", server.port, "--clients", clients, "--inflight", inflight,
            "--seconds", seconds, "--warmup", warmup, "--json", self._file.name,
        ]
        words += ["--rate", rate] if rate else []
        words += ["--verify"] if verify else []
        self.command = [str(word) for word in words]
        self.seconds, self.warmup = seconds, warmup
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self):
        try:
            output, _ = self.process.communicate(timeout=self.warmup + self.seconds + self.PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
            raise MeasurementError(f"bench did not end: {' '.join(self.command)}\n{output}") from None
        if self.process.returncode != 0:
            raise MeasurementError(
                f"bench ended with exit code {self.process.returncode}: {' '.join(self.command)}\n{output}")
        result = json.loads(Path(self._file.name).read_text())
        if result["errors"] != 0 or result["requests"] == 0:
            raise MeasurementError(f"{result['errors']} errors in {result['requests']} requests:\n{output}")
        return result


class Load(BenchRun):
    """A `bench read` that runs; without `misses`, every reply must be a hit."""

    def __init__(self, server, store, misses=0.0, modified=False, protocol="native", **options):
        self._expects_hits = misses == 0
        words = ["read", "--path", store.path, "--misses", misses, "--protocol", protocol]
        words += ["--modified"] if modified else []
        super().__init__(server, words, **options)

    def result(self):
        result = super().result()
        if self._expects_hits and result["misses"] != 0:
            raise MeasurementError(f"{result['misses']} keys were missing")
        return result


def load(server, store, **options):
    """One load, from its start to its result."""
    return Load(server, store, **options).result()


def load_with_rates(server, store, **options):
    """A load, and the counters' rates in its middle: CPU seconds per second by thread
    of the server, the same for the client, disk reads per second."""
    running = Load(server, store, **options)
    device = machine.BlockDevice(store.path)

    def sample():
        return (
            time.monotonic(), machine.thread_cpu_nanoseconds(server.pid), device.counters(),
            machine.process_cpu_seconds(server.pid),
        )

    time.sleep(running.warmup + 0.15 * running.seconds)
    before = sample()
    time.sleep(0.7 * running.seconds)
    after = sample()
    elapsed = after[0] - before[0]
    user, system = (late - early for early, late in zip(before[3], after[3]))
    disk = after[2] - before[2] if after[2] and before[2] else None
    rates = {
        "server_cpu": {
            name: (total - before[1].get(name, 0)) / 1e9 / elapsed for name, total in after[1].items()
        },
        "server_user": user / elapsed,
        "server_system": system / elapsed,
        "disk_reads": disk.reads / elapsed if disk else None,
        "disk_bytes_per_read": disk.read_bytes / disk.reads if disk and disk.reads else None,
    }
    return running.result(), rates


@contextmanager
def idle_connections(server, count):
    """Connections that say nothing, held by `bench connect` until the block ends."""
    process = subprocess.Popen(
        [str(BENCH), "connect", "--port", str(server.port), "--clients", str(count), "--seconds", "100000"],
        stdout=subprocess.PIPE, text=True)
    try:
        yield process
        if process.poll() is not None:
            raise MeasurementError(f"bench connect ended early:\n{process.stdout.read()}")
    finally:
        process.kill()
        process.wait()


@contextmanager
def strace_counts(server):
    """System calls of the server by name while the block runs; filled at its end."""
    counts = {}
    with tempfile.NamedTemporaryFile("r") as table:
        tracer = subprocess.Popen(
            ["strace", "-c", "-f", "-q", "-p", str(server.pid), "-o", table.name], stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # until it is attached to all threads
        try:
            yield counts
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        # "% time  seconds  usecs/call  calls  [errors]  syscall"
        for line in table.read().splitlines()[2:]:
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                counts[fields[-1]] = int(fields[3])


# --- fio


def fio_random_reads(store, percents, depth, seconds, batch=1):
    """Random reads of the store's datafile by fio with libaio and O_DIRECT.
    `percents`: how many of the reads have which size. Returns its report on reads."""
    return fio_random_reads_job(store, percents, depth, seconds, batch)["read"]


def fio_random_reads_job(store, percents, depth, seconds, batch=1, rate=None):
    """The same with all of fio's report; with `rate`, so many reads a second at random times."""
    options = {
        "filename": store.datafile, "rw": "randread", "iodepth": depth,
        "bssplit": ":".join(f"{size}/{share}" for size, share in percents.items()),
        # Like the server: any sector, and the same one twice as it comes.
        "blockalign": 512, "norandommap": 1, "randrepeat": 0,
        "time_based": 1, "runtime": seconds, "ramp_time": 0.5, "readonly": 1,
    }
    if batch > 1:
        options |= {
            "iodepth_batch_submit": batch, "iodepth_batch_complete_min": 1, "iodepth_batch_complete_max": batch,
        }
    if rate:
        options |= {"rate_iops": int(rate), "rate_process": "poisson"}
    return _fio(options)


def fio_sequential_write(path, byte_count):
    """One sequential write of a file that has its blocks already, as mk_data's has.
    Returns the seconds, with the flush at the end."""
    job = _fio({
        "filename": path, "rw": "write", "bs": "1M", "iodepth": 8, "size": byte_count, "fallocate": "posix",
        "end_fsync": 1,
    })
    return job["job_runtime"] / 1000


def fio_durable_writes(path, block_bytes, seconds):
    """Writes over an existing file, one at a time, each followed by a flush of the
    disk, with plain system calls: the least that a durable write can cost. Returns
    its report on writes."""
    return _fio({
        "filename": path, "ioengine": "psync", "rw": "write", "bs": block_bytes, "sync": "dsync",
        "size": path.stat().st_size, "overwrite": 1, "time_based": 1, "runtime": seconds, "ramp_time": 0.3,
    })["write"]


def _fio(options):
    options = {"ioengine": "libaio"} | options
    words = ["fio", "--name=job", "--direct=1", "--output-format=json"]
    words += [f"--{name}={value}" for name, value in options.items() if name != "readonly"]
    words += ["--readonly"] if "readonly" in options else []
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise MeasurementError(f"fio failed: {' '.join(words)}\n{done.stdout}{done.stderr}")
    # Warnings may stand in front of the JSON.
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    if job["error"] != 0:
        raise MeasurementError(f"fio: error {job['error']}")
    return job


def fio_latency_microseconds(job, percentile):
    return job["clat_ns"]["percentile"][f"{percentile:.6f}"] / 1000
