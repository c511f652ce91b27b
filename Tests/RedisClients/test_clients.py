"""Programs and libraries that speak to Redis servers, as they are: they must not notice the difference."""

import re
import socket
import subprocess
import unittest
import urllib.request
from pathlib import Path

from ..RealDisk import machine
from ..RealDisk.machine import wait_until
from . import wire
from .servers import FACTOR, Directory, Protostore, what_is_missing

PATIENCE_SECONDS = 300
# For servers of this machine, whatever proxy its environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Where `scripts/bootstrap clients` puts a redis-py that knows RESP3.
REDIS_PY = machine.PACKAGE / ".build/redis-py/bin/python"


def free_port():
    """For programs that do not say which port they have found."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(*words, data=None):
    return subprocess.run(
        [str(word) for word in words], input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_SECONDS)


def takes_connections(path):
    try:
        wire.Connection(path).socket.close()
    except OSError:
        return False
    return True


class ClientTests(unittest.TestCase):
    def serve(self, *arguments, **environment):
        return self.enterContext(Protostore("--num-tcp-threads", "2", *arguments, **environment))

    def needs(self, *programs):
        if reason := what_is_missing(*programs):
            self.skipTest(reason)

    def start(self, *words):
        """A program that runs beside the test; its output is in a file that is given back."""
        log = self.directory() / "log"
        with open(log, "wb") as file:
            process = machine.start(*words, stdout=file, stderr=file)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, log

    def directory(self):
        directory = Directory()
        self.addCleanup(directory.remove)
        return directory.path


class RedisToolsTests(ClientTests):
    def setUp(self):
        self.needs("redis-cli", "redis-benchmark")
        self.server = self.serve()

    def cli(self, *words, data=None):
        result = run("redis-cli", "-p", self.server.port, *words, data=data)
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout.decode(errors="replace")

    def test_words_and_answers(self):
        self.assertEqual(self.cli("SET", "a", "1"), "OK\n")
        self.assertEqual(self.cli("INCR", "a"), "2\n")
        self.assertEqual(self.cli("-3", "--no-raw", "MGET", "a", "missing"), '1) "2"\n2) (nil)\n')
        self.assertEqual(self.cli("-3", "--no-raw", "HELLO").count("=>"), 7)
        self.assertEqual(self.cli("-n", "5", "EXISTS", "a"), "0\n")
        self.assertEqual(self.cli("-x", "SET", "b", data=b"from \0 outside\n"), "OK\n")
        self.assertEqual(self.cli("STRLEN", "b"), "15\n")
        transaction = b"MULTI\nINCR a\nGET a\nEXEC\n"
        self.assertEqual(self.cli(data=transaction), "OK\nQUEUED\nQUEUED\n3\n3\n")
        self.assertEqual(self.cli("-r", "5", "INCR", "a"), "4\n5\n6\n7\n8\n")
        # Interactively it asks COMMAND DOCS what there is.
        self.assertIn("summary", self.cli("COMMAND", "DOCS", "get"))

    def test_mass_insertion(self):
        count = 20_000
        data = b"".join(wire.request("SET", f"mass:{number}", number) for number in range(count))
        self.assertIn(f"errors: 0, replies: {count}", self.cli("--pipe", data=data))
        self.assertEqual(self.cli("MGET", "mass:0", "mass:19999"), "0\n19999\n")

    def test_walks_through_all_keys(self):
        names = {f"walk:{number}" for number in range(3000)}
        self.cli("--pipe", data=b"".join(wire.request("SET", name, "x" * (len(name) % 7 + 1)) for name in sorted(names)))
        self.cli("SET", "walk:large", "x" * 10_000)
        found = self.cli("--scan").split()
        self.assertEqual(set(found), names | {"walk:large"})
        self.assertEqual(set(self.cli("--scan", "--pattern", "walk:12*").split()), {name for name in names if name.startswith("walk:12")})
        self.assertEqual(set(self.cli("KEYS", "walk:2?").split()), {f"walk:{number}" for number in range(20, 30)})
        report = self.cli("--bigkeys")
        self.assertIn("3001 strings with", report)
        self.assertRegex(report, r"Biggest string found '\"walk:large\"' has 10000 bytes")
        self.assertIn("walk:large", self.cli("--memkeys"))

    def test_benchmark(self):
        for depth in (1, 16):
            result = run("redis-benchmark", "-p", self.server.port, "-t", "ping,set,get,incr,mset", "-n", 3000 * FACTOR, "-c", 20, "-P", depth,
                         "-r", 1000, "-d", 100, "-q")
            output = result.stdout.decode().replace("\r", "\n")
            self.assertEqual(result.returncode, 0, output)
            self.assertNotRegex(output, "(?i)error|wrong")
            rates = re.findall(r"(\S+)(?: \(10 keys\))?: [\d.]+ requests per second", output)
            self.assertEqual(rates, ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"], output)


class RedisPyTests(ClientTests):
    """The session is in `redis_py_session`, for the interpreters that have redis-py."""

    def run_session(self, python, *protocols):
        session = Path(__file__).parent / "redis_py_session.py"
        server = self.serve()
        for protocol in protocols:
            result = run(python, session, server.port, protocol)
            self.assertEqual(result.returncode, 0, result.stdout.decode())

    def test_of_debian(self):
        if run("/usr/bin/python3", "-c", "import redis").returncode != 0:
            self.skipTest("there is no python3-redis: scripts/bootstrap clients installs it")
        self.run_session("/usr/bin/python3", 2)

    def test_with_both_protocols(self):
        if not REDIS_PY.exists():
            self.skipTest(f"there is no {REDIS_PY}: scripts/bootstrap clients makes it")
        self.run_session(REDIS_PY, 2, 3)


class NutcrackerTests(ClientTests):
    """twemproxy spreads keys over servers, and takes MGET and DEL apart."""

    def test_in_front_of_two_servers(self):
        self.needs("nutcracker")
        servers = [self.serve() for _ in range(2)]
        directory = self.directory()
        (directory / "nutcracker.yml").write_text(f"""
protostore:
  listen: {directory}/socket
  hash: fnv1a_64
  distribution: ketama
  redis: true
  timeout: 60000
  servers:
   - 127.0.0.1:{servers[0].port}:1 first
   - 127.0.0.1:{servers[1].port}:1 second
""")
        self.start("nutcracker", "-c", directory / "nutcracker.yml", "-a", "127.0.0.1", "-s", free_port(), "-p", directory / "pid",
                   "-o", directory / "nutcracker.log")
        wait_until(lambda: takes_connections(directory / "socket"), "nutcracker listens")
        keys = [b"key:%d" % number for number in range(500)]
        with wire.Connection(directory / "socket") as proxy:
            for key in keys:
                proxy.send(wire.request("SET", key, b"value of " + key))
            self.assertEqual(proxy.replies(len(keys)), [b"+OK\r\n"] * len(keys))
            values = wire.elements(proxy.call("MGET", *keys, "missing"))
            self.assertEqual([wire.bulk(value) for value in values], [b"value of " + key for key in keys] + [None])
            self.assertEqual(proxy.call("GET", keys[7]), b"$14\r\nvalue of key:7\r\n")
            counts = []
            for server in servers:
                with server.connect() as connection:
                    counts.append(int(connection.call("EXISTS", *keys)[1:]))
            self.assertEqual(sum(counts), len(keys))
            self.assertGreater(min(counts), 0)
            self.assertEqual(proxy.call("DEL", *keys[:100], "missing"), b":100\r\n")
            self.assertEqual(proxy.call("MGET", keys[0], keys[99], keys[100])[:14], b"*3\r\n$-1\r\n$-1\r\n"[:14])


class ExporterTests(ClientTests):
    """prometheus-redis-exporter understands INFO, CONFIG, SLOWLOG, LATENCY and CLIENT LIST."""

    def test_scrape(self):
        self.needs("prometheus-redis-exporter")
        server, port = self.serve(), free_port()
        with server.connect() as connection:
            for number in range(50):
                connection.call("SET", f"key:{number}", "x" * 100)
            connection.call("SET", "lapsing", "x", "EX", 1000)
            for _ in range(7):
                connection.call("GET", "key:1")
            connection.call("GET", "missing")
            connection.call("INCR", "key:1")
            _, log = self.start(
                "prometheus-redis-exporter", "-redis.addr", f"redis://127.0.0.1:{server.port}", "-web.listen-address", f"127.0.0.1:{port}",
                "-export-client-list", "-include-system-metrics", "-check-single-keys", "key:2", "-count-keys", "db0=key:*")
            metrics = self.scrape(port, log)
        self.assertEqual(metrics["redis_up"], 1, log.read_text())
        self.assertEqual(metrics['redis_db_keys{db="db0"}'], 51)
        # They are not counted.
        self.assertEqual(metrics['redis_db_keys_expiring{db="db0"}'], 0)
        self.assertEqual(metrics['redis_key_size{db="db0",key="key:2"}'], 100)
        self.assertEqual(metrics['redis_keys_count{db="db0",key="key:*"}'], 50)
        self.assertEqual(metrics['redis_commands_total{cmd="set"}'], 51)
        self.assertEqual(metrics['redis_commands_total{cmd="get"}'], 8)
        self.assertEqual(metrics['redis_commands_failed_calls_total{cmd="incr"}'], 1)
        self.assertGreater(metrics['redis_commands_duration_seconds_total{cmd="set"}'], 0)
        self.assertEqual(metrics["redis_connected_clients"], 2)
        self.assertEqual(metrics["redis_exporter_last_scrape_error{err=\"\"}"], 0)
        self.assertEqual(metrics["redis_keyspace_hits_total"], 7)
        self.assertEqual(metrics["redis_keyspace_misses_total"], 1)
        self.assertGreaterEqual(metrics["redis_commands_processed_total"], 60)
        self.assertGreaterEqual(metrics["redis_connections_received_total"], 2)
        self.assertGreater(metrics["redis_memory_used_bytes"], 1 << 20)
        self.assertGreater(metrics["redis_net_input_bytes_total"], 5000)
        self.assertGreater(metrics["redis_net_output_bytes_total"], 700)
        self.assertGreater(metrics["redis_start_time_seconds"], 1_600_000_000)
        self.assertGreaterEqual(metrics["redis_uptime_in_seconds"], 0)
        for name in ("redis_config_maxclients", "redis_blocked_clients", "redis_rejected_connections_total", "redis_expired_keys_total",
                     "redis_evicted_keys_total", "redis_memory_max_bytes", "redis_loading_dump_file", "redis_slowlog_length",
                     "redis_process_id", "redis_cpu_sys_seconds_total", "redis_cpu_user_seconds_total", "redis_total_system_memory_bytes"):
            self.assertIn(name, metrics)
        info = next(name for name in metrics if name.startswith("redis_instance_info"))
        self.assertIn('role="master"', info)
        self.assertTrue(any(name.startswith("redis_connected_clients_details") for name in metrics))

    def scrape(self, port, log):
        body = None

        def answers():
            nonlocal body
            try:
                body = DIRECT.open(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS).read().decode()
            except OSError:
                return False
            return True

        wait_until(answers, f"the exporter answers\n{log.read_text()}")
        return {name: float(value) for name, value in re.findall(r"^([^#\s][^\n]*) (\S+)$", body, re.MULTILINE)}
