"""Nobody sees half of a command on several keys, and no crash leaves one."""

import threading
import time
import unittest
from random import Random

from . import wire
from .servers import FACTOR, Protostore, seeds

SERVERS = [("--num-tcp-threads", "2"), ("--num-tcp-threads", "2", "--num-aio-threads", "2", "--sync", "everysec")]
# Enough that they lie in different shards.
KEYS = [b"together:%d" % number for number in range(6)]
CLIENTS = 6


class Clients:
    """Threads with a connection each. What goes wrong in one of them goes wrong for the test."""

    def __init__(self):
        self._threads, self._errors = [], []
        self.is_over = threading.Event()

    def add(self, body, *arguments):
        def run():
            try:
                body(*arguments)
            except BaseException as error:
                self._errors.append(error)
                self.is_over.set()
        self._threads.append(threading.Thread(target=run, daemon=True))

    def start(self):
        for thread in self._threads:
            thread.start()

    def join(self, threads=None):
        for thread in self._threads if threads is None else threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def run(self):
        self.start()
        self.join()


def arguments_of(keys, value):
    return [word for key in keys for word in (key, value)]


class AtomicityTests(unittest.TestCase):
    def on_each_server(self, body):
        for arguments in SERVERS:
            with self.subTest(arguments=arguments), Protostore(*arguments) as server:
                body(server)

    def test_nobody_sees_half_of_an_mset(self):
        self.on_each_server(self.write_and_read_together)

    def write_and_read_together(self, server):
        clients = Clients()
        writers_left = [3]
        lock = threading.Lock()
        with server.connect() as connection:
            connection.call("MSET", *arguments_of(KEYS, b"first"))

        def write(number):
            random = Random(number)
            with server.connect() as connection:
                for count in range(150 * FACTOR):
                    keys = random.sample(KEYS, len(KEYS))
                    words = arguments_of(keys, b"%d-%d" % (number, count) * random.choice((1, 1, 800)))
                    if random.randrange(3) > 0:
                        self.assertEqual(connection.call("MSET", *words), b"+OK\r\n")
                        continue
                    connection.send(wire.request("MULTI") + b"".join(
                        wire.request("SET", *words[place:place + 2]) for place in range(0, len(words), 2)) + wire.request("EXEC"))
                    self.assertEqual(connection.replies(len(keys) + 2)[-1], b"*%d\r\n" % len(keys) + b"+OK\r\n" * len(keys))
            with lock:
                writers_left[0] -= 1
                if writers_left[0] == 0:
                    clients.is_over.set()

        def read(number):
            random = Random(number)
            with server.connect() as connection:
                while not clients.is_over.is_set():
                    keys = random.sample(KEYS, len(KEYS))
                    if random.randrange(2) == 0:
                        values = wire.elements(connection.call("MGET", *keys))
                    else:
                        connection.send(
                            wire.request("MULTI") + b"".join(wire.request("GET", key) for key in keys) + wire.request("EXEC"))
                        values = wire.elements(connection.replies(len(keys) + 2)[-1])
                    self.assertEqual(len(values), len(keys))
                    self.assertEqual(len(set(values)), 1, values)

        for number in range(3):
            clients.add(write, number)
            clients.add(read, number)
        clients.run()

    def test_a_flush_is_before_or_behind_a_transaction(self):
        self.on_each_server(self.flush_and_read_together)

    def flush_and_read_together(self, server):
        clients = Clients()

        def change():
            with server.connect() as connection:
                for count in range(100 * FACTOR):
                    self.assertEqual(connection.call("SET", "only", "x"), b"+OK\r\n")
                    command = (["FLUSHALL"], ["FLUSHDB"], ["SWAPDB", "0", "1"])[count % 3]
                    self.assertEqual(connection.call(*command), b"+OK\r\n")
                    if command[0] == "SWAPDB":
                        self.assertEqual(connection.call("FLUSHALL"), b"+OK\r\n")
            clients.is_over.set()

        def read():
            # Its only key is there for all commands of a transaction, or for none.
            allowed = {b"*3\r\n$1\r\nx\r\n:1\r\n*1\r\n$4\r\nonly\r\n", b"*3\r\n$-1\r\n:0\r\n*0\r\n"}
            commands = (["MULTI"], ["GET", "only"], ["DBSIZE"], ["KEYS", "*"], ["EXEC"])
            with server.connect() as connection:
                while not clients.is_over.is_set():
                    connection.send(b"".join(wire.request(*words) for words in commands))
                    self.assertIn(connection.replies(len(commands))[-1], allowed)

        clients.add(change)
        for _ in range(3):
            clients.add(read)
        clients.run()

    def test_increments_are_all_counted(self):
        self.on_each_server(self.increment)

    def increment(self, server):
        rounds, depth = 20 * FACTOR, 10
        clients = Clients()

        def increment():
            with server.connect() as connection:
                for _ in range(rounds):
                    connection.send(wire.request("INCR", "counter") * depth)
                    # No two are the same, and the own ones ascend.
                    numbers = [int(reply[1:]) for reply in connection.replies(depth)]
                    self.assertEqual(numbers, sorted(set(numbers)))

        for _ in range(CLIENTS):
            clients.add(increment)
        clients.run()
        with server.connect() as connection:
            self.assertEqual(connection.call("INCRBY", "counter", 0), b":%d\r\n" % (CLIENTS * rounds * depth))

    def test_optimistic_increments_are_all_counted(self):
        self.on_each_server(self.increment_optimistically)

    def increment_optimistically(self, server):
        """Two counters that move together, by the values that WATCH has guarded."""
        increments = 25 * FACTOR
        clients = Clients()
        conflicts = []

        def increment(number):
            random = Random(number)
            with server.connect() as connection:
                done = 0
                while done < increments:
                    counters = random.sample((b"counter:1", b"counter:2"), 2)
                    self.assertEqual(connection.call("WATCH", *counters), b"+OK\r\n")
                    values = [int(wire.bulk(reply) or 0) for reply in wire.elements(connection.call("MGET", *counters))]
                    self.assertEqual(values[0], values[1])
                    connection.send(b"".join([
                        wire.request("MULTI"), wire.request("SET", counters[0], values[0] + 1), wire.request("INCR", counters[1]),
                        wire.request("EXEC")]))
                    reply = connection.replies(4)[-1]
                    if reply == b"*-1\r\n":
                        conflicts.append(1)
                        continue
                    self.assertEqual(reply, b"*2\r\n+OK\r\n:%d\r\n" % (values[0] + 1))
                    done += 1

        for number in range(CLIENTS):
            clients.add(increment, number)
        clients.run()
        with server.connect() as connection:
            values = [wire.bulk(reply) for reply in wire.elements(connection.call("MGET", "counter:1", "counter:2"))]
        self.assertEqual(values, [b"%d" % (CLIENTS * increments)] * 2)
        self.assertGreater(len(conflicts), 0, "the clients never met")

    def test_a_crash_leaves_no_half_and_loses_nothing_acknowledged(self):
        self.on_each_server(self.crash)

    def crash(self, server):
        """Each client writes ascending numbers to its own keys, in several forms, until the server is killed."""
        groups = [[b"group:%d:%d" % (client, number) for number in range(5)] for client in range(CLIENTS)]
        acknowledged, sent = [0] * CLIENTS, [0] * CLIENTS

        def write(client):
            random = Random(client)
            try:
                with server.connect() as connection:
                    while True:
                        number = sent[client] + 1
                        words = arguments_of(groups[client], b"%d " % number + b"x" * random.choice((0, 10, 5000)))
                        sent[client] = number
                        if number % 3 > 0:
                            connection.send(wire.request("MSET", *words))
                            reply = connection.reply()
                        else:
                            connection.send(wire.request("MULTI") + b"".join(
                                wire.request("SET", *words[place:place + 2]) for place in range(0, len(words), 2))
                                + wire.request("EXEC"))
                            reply = connection.replies(len(groups[client]) + 2)[-1]
                        self.assertNotIn(b"ERR", reply[:40])
                        acknowledged[client] = number
            except (wire.Closed, OSError):
                pass

        for seed in seeds(3):
            clients = Clients()
            for client in range(CLIENTS):
                clients.add(write, client)
            clients.start()
            goal = sum(acknowledged) + 100
            deadline = time.monotonic() + wire.PATIENCE_SECONDS
            while sum(acknowledged) < goal and not clients.is_over.is_set() and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(Random(seed).uniform(0, 0.1))
            server.kill()
            clients.join()
            self.assertGreaterEqual(sum(acknowledged), goal)
            server.start()
            with server.connect() as connection:
                for client, keys in enumerate(groups):
                    values = [wire.bulk(reply) for reply in wire.elements(connection.call("MGET", *keys))]
                    self.assertEqual(len(set(values)), 1, f"seed {seed}: half of a command is there: {values}")
                    number = int(values[0].split()[0]) if values[0] is not None else 0
                    self.assertGreaterEqual(number, acknowledged[client], f"seed {seed}: an acknowledged command is lost")
                    self.assertLessEqual(number, sent[client])
                    # What was sent and not acknowledged may be there; the next is greater than both.
