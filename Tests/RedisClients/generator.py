"""Random commands on few keys, with arguments that are likely to be trouble.

A command is made in its right form, and then perhaps spoilt: an argument more, one less, one
replaced. Nothing runs into hundreds of megabytes, and no time comes while a test runs, but for
those of `lapsing`.
"""

import time

from . import wire

KEYS = [b"a", b"b", b"c", b"d", b"e\0\xff\r\n", b"key:{1}"]
LAPSING_KEYS = [b"lapsing1", b"lapsing2"]
DATABASES = 4

INTEGERS = [
    0, 1, -1, 2, 7, 8, 10, -10, 63, 64, 65, 100, -100, 255, 256, 1 << 32, (1 << 31) - 1, 1 << 31, -(1 << 31),
    (1 << 63) - 1, (1 << 63) - 2, -(1 << 63), 1 - (1 << 63), 1 << 62]
WRONG_INTEGERS = [
    b"", b" ", b"+1", b"01", b"-0", b"1 ", b" 1", b"1.0", b"0x1", b"a", b"1a", b"-", b"--1", b"1\0", 1 << 63,
    -(1 << 63) - 1, 1 << 64, b"#1", b"\xff"]
FLOATS = [
    b"0.1", b"-0.1", b"3.0e3", b"1e-17", b"1.5", b"5.0e3", b"0x10", b"inf", b"-inf", b"nan", b".5", b"5.", b".", b"1e",
    b"1e5000", b"-0", b"1.23456789012345678901", b"1e20", b"1,5", b"1.5 ", b"0.3"]
# Also as times from now on, none comes soon.
FAR_INTEGERS = [0, -1, 1 << 32, (1 << 63) - 1, -(1 << 63), 9223372036854775, 9223372036854776, 9223370000000]

STRINGS = [
    "get", "set", "setnx", "setex", "psetex", "getset", "getdel", "getex", "mget", "mset", "msetnx", "append", "strlen",
    "getrange", "substr", "setrange", "incr", "decr", "incrby", "decrby", "incrbyfloat", "lcs"]
BITS = ["setbit", "getbit", "bitcount", "bitpos", "bitop", "bitfield", "bitfield_ro"]
KEY_COMMANDS = [
    "del", "unlink", "exists", "touch", "type", "ttl", "pttl", "expiretime", "pexpiretime", "expire", "pexpire",
    "expireat", "pexpireat", "persist", "rename", "renamenx", "copy", "move", "object", "dump", "restore"]
CONNECTION = [
    "ping", "echo", "select", "client", "command", "wait", "time", "unknown", "hello", "readonly", "auth", "debug"]
KEYSPACE = ["dbsize", "keys", "randomkey", "scan"]
DATABASE_CHANGES = ["flushdb", "flushall", "swapdb"]


class Generator:
    """Makes commands: lists of words, which are bytes."""

    def __init__(self, random):
        self.random = random
        self.now = int(time.time() * 1000)
        self.large_values = [bytes(random.randbytes(256)) * 3000, b"x" * (1 << 20)]
        # What DUMP has given away.
        self.payloads = []

    # Choices

    def one_in(self, count):
        return self.random.randrange(count) == 0

    def some(self, count_max, make):
        return [make() for _ in range(1 + self.random.randrange(count_max))]

    def maybe(self, count, *words):
        return list(words) if self.one_in(count) else []

    def key(self):
        return self.random.choice(KEYS)

    def small(self):
        return self.random.randrange(-20, 40)

    def integer(self):
        choice = self.random.randrange(8)
        if choice == 0:
            return self.random.choice(WRONG_INTEGERS)
        if choice < 3:
            return self.random.choice(INTEGERS)
        return self.small()

    def number(self):
        return self.random.choice(FLOATS) if self.one_in(2) else self.integer()

    def value(self):
        choice = self.random.randrange(9)
        if choice == 0:
            return b""
        if choice < 3:
            return self.integer()
        if choice == 3:
            return self.random.choice(FLOATS)
        if choice == 4:
            return self.random.randbytes(self.random.randrange(70))
        if choice == 5:
            return self.random.choice((b"\0", b"\xff")) * self.random.randrange(30)
        if choice == 6 and self.one_in(12):
            return self.random.choice(self.large_values)
        if choice == 6:
            return self.random.randbytes(20) * self.random.randrange(500)
        return bytes(self.random.choice(b"abc") for _ in range(self.random.randrange(40)))

    def offset(self):
        choice = self.random.randrange(14)
        if choice == 0:
            return self.random.choice(WRONG_INTEGERS)
        if choice == 1:
            return self.random.choice((-1, -(1 << 63), 536870912000, (1 << 63) - 1))
        if choice == 2:
            return self.random.randrange(1 << 20)
        return self.random.randrange(90)

    def bit_offset(self):
        choice = self.random.randrange(14)
        if choice == 0:
            return self.random.choice(WRONG_INTEGERS)
        if choice == 1:
            return self.random.choice((-1, -(1 << 63), 4294967297000, (1 << 63) - 1))
        return self.random.randrange(600)

    def word(self, text):
        text = text.lower() if self.one_in(3) else text.upper()
        return text[:-1] if self.one_in(60) else text

    def expiry(self):
        option = self.random.choice(("EX", "PX", "EXAT", "PXAT"))
        ahead = 1_000_000_000 + self.random.randrange(1_000_000) * 1000
        ahead = (ahead + (self.now if option.endswith("AT") else 0)) // (1000 if option[0] == "E" else 1)
        choice = self.random.randrange(8)
        if choice == 0:
            ahead = self.random.choice(WRONG_INTEGERS)
        elif choice == 1:
            ahead = self.random.choice(FAR_INTEGERS)
        elif choice == 2 and option.endswith("AT"):
            ahead = 1 + self.random.randrange(1_000_000)
        return [self.word(option), ahead]

    def moment(self, name):
        """In some order of size that stays what it is while a test runs."""
        if self.one_in(8):
            return self.random.choice(FAR_INTEGERS + [b"", b" 1", b"01", b"1.0", b"x"])
        milliseconds = (1_000_000 + self.random.randrange(1_000_000)) * 1_000_000
        return (milliseconds + (self.now if name.endswith("at") else 0)) // (1 if name[0] == "p" else 1000)

    # Commands

    def command(self, name):
        words = [name.upper() if self.one_in(5) else name, *self._arguments(name)]
        if name == "unknown":
            words[0] = self.random.choice((b"nothing", b"nOpe", b"get ", b"\xff", b"x" * 200))
        if self.one_in(12):
            self._spoil(words)
        return [wire.as_bytes(word) for word in words]

    def _spoil(self, words):
        name = words[0].lower()
        choice = self.random.randrange(4)
        is_harmless = name not in (
            "setrange", "setbit", "bitfield", "set", "setex", "psetex", "getex", "restore", "expire", "pexpire", "expireat",
            "pexpireat", "client", "wait", "hello", "debug")
        # COMMAND alone describes all commands, which are fewer here.
        if choice == 0 and len(words) > 1 and name != "command":
            words.pop()
        elif choice == 1 and is_harmless and len(words) > 1:
            # No longer than a key may be here.
            words[self.random.randrange(1, len(words))] = wire.as_bytes(self.value())[:65_535]
        elif name not in ("client", "hello", "wait", "debug", "ping"):
            words.append(self.key())

    def _arguments(self, name):
        random = self.random
        match name:
            case "set":
                return [self.key(), self.value(), *self._set_options()]
            case "setex" | "psetex":
                return [self.key(), random.choice(FAR_INTEGERS) if self.one_in(3) else 5_000_000, self.value()]
            case "getex":
                return [self.key(), *([self.word("PERSIST")] if self.one_in(3) else self.expiry())]
            case "mget" | "del" | "unlink" | "exists" | "touch":
                return self.some(4, self.key)
            case "mset" | "msetnx":
                return [word for _ in range(1 + random.randrange(3)) for word in (self.key(), self.value())]
            case "append" | "getset" | "setnx":
                return [self.key(), self.value()]
            case "getrange" | "substr":
                return [self.key(), self.integer(), self.integer()]
            case "setrange":
                return [self.key(), self.offset(), self.value()]
            case "incrby" | "decrby":
                return [self.key(), self.integer()]
            case "incrbyfloat":
                return [self.key(), self.number()]
            case "lcs":
                # Of nothing large: it takes the product of both lengths.
                return [b"short1", b"short2", *self.maybe(3, self.word("LEN")), *self.maybe(3, self.word("IDX")),
                        *self.maybe(3, self.word("MINMATCHLEN"), self.integer()), *self.maybe(3, self.word("WITHMATCHLEN"))]
            case "setbit":
                return [self.key(), self.bit_offset(), random.choice((0, 1, 1, 2, b""))]
            case "getbit":
                return [self.key(), self.bit_offset()]
            case "bitcount":
                return [self.key(), *random.choice((
                    [], [self.integer(), self.integer()],
                    [self.integer(), self.integer(), self.word(random.choice(("BIT", "BYTE")))]))]
            case "bitpos":
                return [self.key(), random.choice((0, 1, 2, b"a")), *random.choice((
                    [], [self.integer()], [self.integer(), self.integer()],
                    [self.integer(), self.integer(), self.word(random.choice(("BIT", "BYTE")))]))]
            case "bitop":
                return [self.word(random.choice(("AND", "OR", "XOR", "NOT"))), *self.some(4, self.key)]
            case "bitfield" | "bitfield_ro":
                return [self.key(), *(word for _ in range(random.randrange(5)) for word in self._field_operation(name))]
            case "expire" | "pexpire" | "expireat" | "pexpireat":
                return [self.key(), self.moment(name), *self.maybe(3, self.word(random.choice(("NX", "XX", "GT", "LT"))))]
            case "rename" | "renamenx":
                return [self.key(), self.key()]
            case "copy":
                return [self.key(), self.key(), *self.maybe(2, self.word("DB"), self._database()),
                        *self.maybe(2, self.word("REPLACE"))]
            case "move":
                return [self.key(), self._database()]
            case "object":
                return [self.word(random.choice(("ENCODING", "REFCOUNT", "IDLETIME", "FREQ", "NOTHING"))), self.key()]
            case "restore":
                payload = random.choice(self.payloads) if self.payloads and not self.one_in(9) else self.value()
                return [self.key(), random.choice((0, 0, 5_000_000, -1, b"x")), payload, *self.maybe(2, self.word("REPLACE")),
                        *self.maybe(5, self.word("IDLETIME"), self.small()), *self.maybe(5, self.word("FREQ"), self.small())]
            case "ping":
                return self.maybe(2, self.value())
            case "echo":
                return [self.value()]
            case "select":
                return [self.integer() if self.one_in(8) else random.randrange(DATABASES)]
            case "client":
                return random.choice((
                    ["ID"], ["GETNAME"], ["SETNAME", random.choice((b"n", b"", b"a b", b"name-1"))], ["NO-EVICT", "ON"],
                    ["GETREDIR"], ["TRACKINGINFO"], ["TRACKING", "OFF"], ["CACHING", "YES"], ["UNBLOCK", self.integer()], ["NOTHING"],
                    ["REPLY", "NOTHING"], ["KILL", "ID", 1 << 50], ["KILL", "1.2.3.4:5"], ["LIST", "TYPE", "x"],
                    ["LIST", "ID", "x"], ["PAUSE", "x"], ["INFO"], ["UNPAUSE"]))
            case "command":
                return random.choice((
                    ["INFO", "get", "mset", "nothing"], ["GETKEYS", "mset", 1, 2, 3, 4], ["GETKEYS", "get"], ["GETKEYS", "ping"],
                    ["GETKEYSANDFLAGS", "copy", "a", "b"], ["NOTHING"], ["GETKEYS", "nothing", "a"], ["INFO", "object|freq"]))
            case "wait":
                return [random.choice((0, -1, b"x")), random.choice((0, 1, -1, b"x"))] if not self.one_in(4) else [0]
            case "unknown":
                return self.some(3, self.value)
            case "hello":
                return random.choice(([], [2], [3], [1], [b"x"], [4], [3, "SETNAME", "name"], [2, "AUTH", "x", "y"], [3, "NOTHING"]))
            case "auth":
                return random.choice((["x"], ["x", "y"], ["default", "y"]))
            case "debug":
                return ["PROTOCOL", random.choice((
                    "string", "integer", "double", "null", "array", "set", "map", "attrib", "push", "verbatim", "bignum", "true",
                    "false", "nothing"))]
            case "keys":
                return [self._pattern()]
            case "scan":
                # More than there are keys, or places of keys that were.
                return [0, self.word("COUNT"), 5000, *self.maybe(3, self.word("MATCH"), self._pattern()),
                        *self.maybe(5, self.word("TYPE"), random.choice(("string", "hash")))]
            case "flushdb" | "flushall":
                return self.maybe(3, self.word(random.choice(("SYNC", "ASYNC"))))
            case "swapdb":
                return [self._database(), self._database()]
            case "time" | "readonly" | "dbsize" | "randomkey":
                return []
        return [self.key()]

    def _database(self):
        return self.integer() if self.one_in(5) else self.random.randrange(DATABASES)

    def _pattern(self):
        return self.random.choice((b"*", b"*", b"?", b"[a-c]", b"key:*", b"lapsing*", b"nothing"))

    def _set_options(self):
        words = []
        while self.one_in(2):
            words += self.expiry() if self.one_in(2) else [self.word(self.random.choice(("NX", "XX", "GET", "KEEPTTL")))]
        return words

    def _field_operation(self, name):
        kind = f"i{1 + self.random.randrange(64)}" if self.one_in(2) else f"u{1 + self.random.randrange(63)}"
        kind = self.random.choice(("i0", "u64", "i65", "x8", "u", "")) if self.one_in(15) else kind
        offset = f"#{self.random.randrange(20)}" if self.one_in(3) else self.bit_offset()
        choice = self.random.randrange(4)
        if choice == 0:
            return [self.word("OVERFLOW"), self.word(self.random.choice(("WRAP", "SAT", "FAIL")))]
        if choice == 1 or name == "bitfield_ro":
            return [self.word("GET"), kind, offset]
        return [self.word("SET" if choice == 2 else "INCRBY"), kind, offset, self.integer()]

    # Bytes

    def encoded(self, words):
        """A command as bytes; one that has only plain words sometimes as one line."""
        is_plain = all(word and all(33 <= byte < 127 and byte not in b"\"'" for byte in word) for word in words)
        # A longer line ends its connection, here and there.
        is_plain = is_plain and sum(map(len, words)) < 60_000
        if is_plain and words[0][0] not in b"*$" and self.one_in(20):
            return b" ".join(words) + self.random.choice((b"\r\n", b"\n"))
        return wire.request(*words)

    def pieces(self, data):
        """The same bytes, cut at random."""
        if self.one_in(3) or not data:
            return [data]
        ends = sorted(self.random.randrange(1, len(data) + 1) for _ in range(self.random.choice((1, 3, 10))))
        return [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)]) if begin < end]
