"""What no client should do, and what a server does then: others are served meanwhile, memory is bounded."""

import socket
import struct
import unittest
from random import Random

from ..RealDisk.machine import wait_until
from . import servers, wire
from .servers import Protostore, Redis, seeds

PONG = b"+PONG\r\n"
MIB = 1 << 20


class RobustnessTests(unittest.TestCase):
    def serve(self, *arguments, **environment):
        server = self.enterContext(Protostore("--num-tcp-threads", "2", *arguments, **environment))
        self.other = self.enterContext(server.connect())
        return server

    def connect(self, server, **options):
        return self.enterContext(server.connect(**options))

    def assert_others_are_served(self, server):
        self.assertIsNone(server.server.process.poll(), "the server is gone")
        self.assertEqual(self.other.call("PING"), PONG)
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "served", "yes"), b"+OK\r\n")
            self.assertEqual(connection.call("GET", "served"), b"$3\r\nyes\r\n")

    def assert_logged(self, server, text):
        wait_until(lambda: text in server.log(), f"the log says: {text}\n{server.log()[-2000:]}")

    # What cannot be understood

    def test_garbage(self):
        server = self.serve()
        for seed in seeds(60):
            random = Random(seed)
            data = random.choice((
                random.randbytes(random.randrange(1, 3000)),
                b"*%d\r\n$%d\r\n" % (random.randrange(-9, 9), random.randrange(-9, 9)) + random.randbytes(50),
                bytes(random.choice(b"*$\r\n0123-") for _ in range(random.randrange(1, 200))),
                b"\0" * random.randrange(1, 100),
            ))
            with server.connect() as connection:
                try:
                    connection.send(data)
                    if random.randrange(2) == 0:
                        connection.socket.shutdown(socket.SHUT_WR)
                        connection.until_closed()
                except OSError:
                    # It has closed the connection while there was more to come.
                    pass
        self.assert_others_are_served(server)

    @unittest.skipIf(servers.what_is_missing("redis-server"), "scripts/bootstrap installs redis-server")
    def test_protocol_errors_are_those_of_redis(self):
        server, redis = self.serve(), self.enterContext(Redis())
        for data in (
            b"*1\r\n$-1\r\n", b"*1\r\n$-2\r\nx\r\n", b"*x\r\n", b"*9999999999\r\n", b"*1\r\n:1\r\n", b"*1\r\nPING\r\n", b"*1\r\n$x\r\n",
            b"*1\r\n$99999999999\r\n", b"*1\r\n$536870913\r\n", b"*2\r\n$4\r\nPING\r\nx\r\n", b"PING \"x\r\n", b"PING 'x\r\n",
            b"PING \"x\"y\r\n", b"*-1\r\nPING\r\nQUIT\r\n", b"*0\r\nPING\r\nQUIT\r\n", b"\r\n\r\nPING\r\nQUIT\r\n", b"  PING  \r\nQUIT\r\n",
            b"PING \"\\x41\\n\\\"\" \r\nQUIT\r\n", b"PING 'a\\'b'\r\nQUIT\r\n", b"PING\nQUIT\n", b"QUIT\r\nPING\r\n", b"*1\r\n$4\r\nQUIT\r\nPING\r\n",
            b"x" * 70_000, b"*" + b"1" * 70_000, b"*1\r\n$" + b"1" * 70_000, b"PING\r\n*1\r\n$x\r\n", b"MULTI\r\nPING\r\n*1\r\n$x\r\n",
            b"MULTI\r\nQUIT\r\n", b"MULTI\r\nRESET\r\nQUIT\r\n", b"*1\r\n$4\r\nPINGxxQUIT\r\n", b"*01\r\n$04\r\nPING\r\nQUIT\r\n",
        ):
            with self.subTest(data=data[:60]):
                replies = []
                for address in (redis, server):
                    with address.connect() as connection:
                        try:
                            connection.send(data)
                        except OSError:
                            pass
                        replies.append(connection.until_closed())
                self.assertEqual(replies[1], replies[0])
        self.assert_others_are_served(server)

    def test_http_requests_are_closed_and_logged(self):
        server = self.serve()
        for data in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET injected 1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET injected 1\r\n"):
            connection = self.connect(server)
            connection.send(data)
            self.assertNotIn(b"+OK", connection.until_closed())
        self.assert_logged(server, "HTTP")
        self.assertEqual(self.other.call("EXISTS", "injected"), b":0\r\n")

    # Half and slow

    def test_disconnects_in_the_middle(self):
        server = self.serve()
        request = wire.request("MSET", "half:1", "x" * 5000, "half:2", "y" * 5000)
        for end in [*range(1, 40), 3000, 5060, len(request) - 1]:
            with server.connect() as connection:
                connection.send(request[:end])
                if end % 3 == 0:
                    # A reset in place of an end.
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertEqual(self.other.call("EXISTS", "half:1", "half:2"), b":0\r\n")
        # And behind requests whose replies nobody takes.
        for _ in range(20):
            with server.connect() as connection:
                connection.send(wire.request("SET", "whole", "x" * 100_000) + wire.request("GET", "whole") * 50 + request[:100])
        self.assert_others_are_served(server)

    def test_byte_by_byte(self):
        server = self.serve()
        connection = self.connect(server)
        data = wire.request("SET", b"k\r\n\0", b"$5\r\n*") + wire.request("GET", b"k\r\n\0") + b"PING\r\n" + wire.request("GETRANGE", b"k\r\n\0", 1, 2)
        for position in range(len(data)):
            connection.send(data[position:position + 1])
        self.assertEqual(connection.replies(4), [b"+OK\r\n", b"$5\r\n$5\r\n*\r\n", PONG, b"$2\r\n5\r\r\n"])

    # Memory

    def test_declared_lengths_take_no_memory(self):
        server = self.serve()
        before = server.resident_bytes()
        connections = []
        for data in (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$8388608\r\nxyz", b"*1000000\r\n$1\r\na\r\n", b"*2\r\n$8000000\r\n"):
            for _ in range(30):
                connections.append(self.connect(server))
                connections[-1].send(data)
        self.assert_others_are_served(server)
        self.assertLess(server.resident_bytes() - before, 64 * MIB)

    def test_who_does_not_read_is_bounded(self):
        server = self.serve("--client-output-buffer-limit", str(4 * MIB))
        self.assertEqual(self.other.call("SET", "large", b"x" * 100_000), b"+OK\r\n")
        before = server.resident_bytes()
        lazy = [self.connect(server, receive_buffer_bytes=4096) for _ in range(3)]
        requests = wire.request("GET", "large") * 10_000
        for connection in lazy:
            connection.socket.setblocking(False)
        sent = [0] * len(lazy)
        # As long as one of them can go on it does: a server that stops reading stops them.
        for _ in range(200):
            for number, connection in enumerate(lazy):
                try:
                    sent[number] += connection.socket.send(requests[sent[number]:])
                except OSError:
                    pass
            self.assertEqual(self.other.call("GET", "large")[:8], b"$100000\r")
        self.assertLess(server.resident_bytes() - before, 128 * MIB)
        self.assert_others_are_served(server)

    def test_what_follows_a_large_reply(self):
        """What is answered sooner keeps its place behind it, and must not keep the large one from coming."""
        server = self.serve()
        value = b"x" * (3 * MIB)
        self.assertEqual(self.other.call("SET", "large", value), b"+OK\r\n")
        large = b"$%d\r\n%s\r\n" % (len(value), value)
        for words, reply in (
            (("PING",), PONG), (("SET", "small", "1"), b"+OK\r\n"), (("GET", "missing"), b"$-1\r\n"), (("STRLEN", "large"), b":%d\r\n" % len(value)),
            (("MGET", "missing", "missing"), b"*2\r\n$-1\r\n$-1\r\n"), (("GET", "large"), large), (("MSET", "a", "1", "b", "2"), b"+OK\r\n"),
            (("GETRANGE", "large", "0", "1"), b"$2\r\nxx\r\n"), (("CONFIG", "SET", "timeout", "0"), b"+OK\r\n"),
        ):
            with self.subTest(words=words):
                connection = self.connect(server)
                connection.send(wire.request("GET", "large") + wire.request(*words) * 3 + wire.request("GET", "large"))
                self.assertEqual(connection.replies(5) == [large, reply, reply, reply, large], True)

    def test_reads_do_not_see_what_is_written_behind_them(self):
        """Not even those that first had to wait for memory."""
        server = self.serve()
        connection = self.connect(server)
        for length in (10, 5000, 20_000, 100_000, 600_000):
            for number in range(10):
                value = bytes([97 + number]) * length
                connection.send(b"".join([
                    wire.request("SET", "a", value), wire.request("GET", "a"), wire.request("SET", "a", "later"),
                    wire.request("GETRANGE", "a", 0, 1), wire.request("MSET", "a", "last", "b", "x")]))
                expected = [b"+OK\r\n", b"$%d\r\n%s\r\n" % (length, value), b"+OK\r\n", b"$2\r\nla\r\n", b"+OK\r\n"]
                replies = connection.replies(5)
                self.assertEqual([wire.shown(reply) for reply in replies], [wire.shown(reply) for reply in expected])

    def test_ten_thousand_requests_at_once(self):
        server = self.serve()
        connection = self.connect(server)
        connection.send(b"".join(wire.request("SET", f"pipelined:{number % 300}", number) for number in range(10_000)))
        self.assertEqual(connection.replies(10_000), [b"+OK\r\n"] * 10_000)
        self.assertEqual(connection.call("GET", "pipelined:0"), b"$4\r\n9900\r\n")

    def test_output_limit(self):
        server = self.serve("--client-output-buffer-limit", str(MIB))
        connection = self.connect(server)
        self.assertEqual(connection.call("SET", "large", b"x" * 700_000), b"+OK\r\n")
        self.assertEqual(
            connection.call("MGET", *["large"] * 4), b"-ERR the reply would occupy more than client-output-buffer-limit\r\n")
        transaction = [["MULTI"], *[["GET", "large"]] * 3, ["INCR", "count"], ["EXEC"]]
        connection.send(b"".join(wire.request(*words) for words in transaction))
        self.assertRegex([connection.reply() for _ in transaction][-1], b"^-ERR the commands were carried out, but")
        self.assertEqual(connection.call("GET", "count"), b"$1\r\n1\r\n")
        # A reply that is larger than the limit.
        connection.send(wire.request("ECHO", b"x" * (2 * MIB)))
        connection.until_closed()
        self.assert_logged(server, "client-output-buffer-limit")
        self.assert_others_are_served(server)

    def test_query_buffer_limit(self):
        server = self.serve("--client-query-buffer-limit", str(MIB))
        connection = self.connect(server)
        try:
            connection.send(wire.request("MSET", *["x" * 100_000] * 30))
        except OSError:
            pass
        connection.until_closed()
        self.assert_logged(server, "client-query-buffer-limit")
        self.assert_others_are_served(server)

    # What concerns others' connections

    def test_a_pause_holds_writes_back(self):
        server = self.serve()
        connection = self.connect(server)
        self.assertEqual(self.other.call("CLIENT", "PAUSE", 600_000, "WRITE"), b"+OK\r\n")
        connection.send(wire.request("SET", "a", 1) + wire.request("PING"))
        self.assertEqual([self.other.call("GET", "a") for _ in range(3)], [b"$-1\r\n"] * 3)
        self.assertEqual(self.other.call("CLIENT", "UNPAUSE"), b"+OK\r\n")
        self.assertEqual(connection.replies(2), [b"+OK\r\n", PONG])
        self.assertEqual(self.other.call("CLIENT", "PAUSE", 100), b"+OK\r\n")
        self.assertEqual(connection.call("GET", "a"), b"$1\r\n1\r\n")

    def test_monitor_shows_what_is_carried_out(self):
        server = self.serve()
        watcher, connection = self.connect(server), self.connect(server)
        self.assertEqual(watcher.call("MONITOR"), b"+OK\r\n")
        for words in (["SET", "a", "1 \n"], ["MULTI"], ["INCR", "b"], ["EXEC"], ["NOTHING"], ["AUTH", "hidden"]):
            connection.call(*words)
        shown = [watcher.reply().split(b"] ", 1)[1] for _ in range(5)]
        self.assertEqual(shown, [
            b'"SET" "a" "1 \\n"\r\n', b'"MULTI"\r\n', b'"INCR" "b"\r\n', b'"EXEC"\r\n', b'"AUTH" "(redacted)"\r\n'])

    def test_shutdown_stops_the_server(self):
        server = self.serve()
        connection = self.connect(server)
        self.assertEqual(connection.call("SET", "a", 1), b"+OK\r\n")
        connection.send(wire.request("SHUTDOWN", "NOSAVE"))
        connection.until_closed()
        self.other.close()
        self.assertEqual(server.server.process.wait(timeout=60), 0)
        server.start()
        self.assertEqual(self.connect(server).call("GET", "a"), b"$1\r\n1\r\n")

    # Who may come in

    def test_password(self):
        server = self.enterContext(Protostore(PROTOSTORE_REQUIREPASS="secret"))
        connection = self.connect(server)
        self.assertEqual(connection.call("GET", "a"), b"-NOAUTH Authentication required.\r\n")
        self.assertEqual(
            connection.call("AUTH", "wrong"), b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        self.assertEqual(connection.call("PING"), b"-NOAUTH Authentication required.\r\n")
        self.assertEqual(connection.call("AUTH", "default", "secret"), b"+OK\r\n")
        self.assertEqual(connection.call("SET", "a", b"x" * 100_000), b"+OK\r\n")
        self.assertEqual(connection.call("RESET"), b"+RESET\r\n")
        self.assertEqual(connection.call("GET", "a"), b"-NOAUTH Authentication required.\r\n")
        connection = self.connect(server)
        self.assertTrue(connection.call("HELLO", 3, "AUTH", "default", "secret").startswith(b"%"))
        self.assertEqual(connection.call("STRLEN", "a"), b":100000\r\n")
        # Before AUTH the limits are Redis': 10 arguments of 16 KB.
        for data, error in (
            (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
            (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
        ):
            stranger = self.connect(server)
            stranger.send(data)
            self.assertEqual(stranger.until_closed(), error)
        # The native protocol has no password.
        stranger = self.connect(server)
        stranger.send(struct.pack(">Ic16sI", 21, b"R", b"k" * 16, 1))
        self.assertEqual(stranger.until_closed(), b"")

    def test_maxclients(self):
        server = self.serve("--maxclients", "5")
        connections = [self.connect(server) for _ in range(4)]
        for connection in connections:
            self.assertEqual(connection.call("PING"), PONG)
        one_more = self.connect(server)
        self.assertEqual(one_more.until_closed(), b"-ERR max number of clients reached\r\n")
        connections[0].close()
        def is_served():
            with server.connect() as connection:
                try:
                    return connection.call("PING") == PONG
                except (wire.Closed, OSError):
                    return False
        wait_until(is_served, "there is room for another client")

    def test_timeout(self):
        server = self.serve("--timeout", "5")
        silent = self.connect(server)
        self.assertEqual(silent.call("PING"), PONG)
        self.assertEqual(silent.until_closed(), b"")

    def test_timeout_spares_who_speaks(self):
        server = self.serve("--timeout", "0")
        self.assertEqual(self.other.call("CONFIG", "SET", "timeout", "1"), b"+OK\r\n")
        silent = self.connect(server)
        silent.send(b"PING\r\n")
        self.assertEqual(silent.until_closed(), PONG)

    def test_protected_mode_refuses_open_doors(self):
        with self.assertRaises(Exception) as caught:
            self.serve("--bind", "0.0.0.0")
        self.assertIn("protected-mode", str(caught.exception))
        self.serve("--bind", "0.0.0.0", "--protected-mode", "no")
        self.assertEqual(self.other.call("PING"), PONG)
