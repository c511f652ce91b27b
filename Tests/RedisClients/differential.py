"""The same random commands to redis-server and to Protostore; each reply is compared, byte for byte.

A run is one seed: some connections to either server take turns, each turn a few commands in
pieces. What differs is played again with ever less before it, so that little is left to look at.
"""

import re
import time
from collections import namedtuple
from random import Random

from . import generator, wire
from .generator import Generator
from .wire import shown

CONNECTIONS = 3
TURNS = 60
COMMANDS_PER_TURN_MAX = 24


class Difference(AssertionError):
    pass


# --- What may differ


def is_both(first, second, pattern):
    return all(re.fullmatch(pattern, reply, re.DOTALL) for reply in (first, second))


def number(reply):
    return int(reply[1:-2]) if re.fullmatch(rb":-?\d+\r\n", reply) else None


class Allowed:
    """Every difference that is allowed, with its reason."""

    NAMES = {}

    def __init__(self):
        # The longest time between a command in Redis and the same one in Protostore.
        self.lag_seconds = 0

    def allows(self, words, own, theirs):
        if own == theirs:
            return True
        if is_both(own, theirs, rb"-.*") and own == theirs.decode(errors="replace").encode():
            # Error texts are UTF-8 here, whatever bytes the argument has that they show.
            return True
        name = words[0].decode(errors="replace").lower()
        rule = self.NAMES.get(name)
        return rule is not None and rule(self, words, own, theirs)

    def _time(self, words, own, theirs):
        """Redis and Protostore do the same thing one after the other, and read the clock then."""
        own, theirs = number(own), number(theirs)
        if own is None or theirs is None or min(own, theirs) < 0:
            return False
        unit = 1000 if words[0].lower().startswith(b"p") else 1
        return abs(own - theirs) <= (1 + 2 * self.lag_seconds) * unit

    def _object(self, words, own, theirs):
        subcommand = words[1].lower()
        if subcommand == b"encoding":
            # Redis' encoding shows what was done to a value; here it is that of a new one.
            return is_both(own, theirs, rb"\$\d+\r\n(int|raw|embstr)\r\n")
        if subcommand == b"refcount":
            # Redis shares small integers, and what a command has brought while it is kept for EXEC.
            return own == b":1\r\n" and theirs in (b":2\r\n", b":2147483647\r\n")
        # Redis counts from the last use, here it is from the last write.
        return subcommand == b"idletime" and is_both(own, theirs, rb":\d+\r\n")

    def _dump(self, words, own, theirs):
        """Redis compresses. That the payloads are good shows when they are restored, by both."""
        return is_both(own, theirs, rb"\$\d+\r\n.+")

    def _hello(self, words, own, theirs):
        """Protostore calls itself redis; the version and the number of the connection are its own."""
        both = (re.sub(rb"(version\r\n\$\d+\r\n)[0-9.]+", rb"\1?", re.sub(rb"\$\d(\r\n[0-9.]+\r\n\$5\r\nproto)", rb"$?\1", reply))
                for reply in (own, theirs))
        own, theirs = (re.sub(rb"(id\r\n:)\d+", rb"\1?", reply) for reply in both)
        return own == theirs

    def _client(self, words, own, theirs):
        subcommand = words[1].lower()
        if subcommand == b"id":
            return is_both(own, theirs, rb":\d+\r\n")
        # Addresses, ages and buffers.
        return subcommand == b"info" and is_both(own, theirs, rb"(\$|=)\d+\r\n(txt:)?id=\d+ addr=.*\r\n")

    def _count(self, words, own, theirs):
        """What has lapsed counts for a while."""
        own, theirs = number(own), number(theirs)
        return own is not None and theirs is not None and abs(own - theirs) <= len(generator.LAPSING_KEYS)

    def _keys(self, words, own, theirs):
        """In any order."""
        return is_both(own, theirs, rb"\*.*") and self._are_same(wire.elements(own), wire.elements(theirs))

    def _scan(self, words, own, theirs):
        if not is_both(own, theirs, rb"\*2\r\n.*"):
            return False
        # Cursors mean nothing to the other.
        if words[1] != b"0":
            return True
        (own_cursor, own), (cursor, theirs) = wire.elements(own), wire.elements(theirs)
        return own_cursor == cursor and self._are_same(wire.elements(own), wire.elements(theirs))

    @staticmethod
    def _are_same(own, theirs):
        lapsing = {wire.request(key)[4:] for key in generator.LAPSING_KEYS}
        return len(own) == len(set(own)) and set(own) ^ set(theirs) <= lapsing

    def _any_key(self, words, own, theirs):
        return is_both(own, theirs, rb"\$\d+\r\n.*")

    def _clock(self, words, own, theirs):
        return is_both(own, theirs, rb"\*2\r\n\$\d+\r\n\d+\r\n\$\d\r\n\d+\r\n")

    NAMES.update({
        **dict.fromkeys(("ttl", "pttl", "expiretime", "pexpiretime"), _time), "object": _object, "dump": _dump, "hello": _hello,
        "client": _client, "time": _clock, "dbsize": _count, "keys": _keys, "scan": _scan, "randomkey": _any_key})


def differs_in_transactions(words):
    """Where HELLO is in a transaction, its version is that of the whole reply to EXEC, not of what
    comes behind; CLIENT REPLY is refused, since EXEC's reply would be one short; and so is what gives
    databases other keys, since it is no part of a commit."""
    name = words[0].lower().decode(errors="replace")
    return [word.lower() for word in words[:2]] == [b"client", b"reply"] or name in ("hello", *generator.DATABASE_CHANGES)


# --- Playing


# Commands of one connection, and the pieces that their bytes are sent in.
Turn = namedtuple("Turn", "connection commands pieces pause_seconds", defaults=(0,))


class Pair:
    """A connection to Redis and one to Protostore."""

    def __init__(self, redis, protostore):
        self.connections = redis, protostore
        # The commands since MULTI.
        self.queued = None

    def close(self):
        for connection in self.connections:
            connection.close()

    def play(self, turn):
        """Returns for each command what it has queued, where it is EXEC, and Redis' and Protostore's replies."""
        is_answered = answered(turn.commands)
        replies = []
        for connection in self.connections:
            for piece in turn.pieces:
                connection.send(piece)
            replies.append([connection.reply() if expected else None for expected in is_answered])
        return [(words, self._follow(words, theirs), theirs, own) for words, theirs, own in zip(turn.commands, *replies)]

    def _follow(self, words, reply):
        """The commands that EXEC carries out."""
        queued, name = self.queued, words[0].lower()
        if reply == b"+QUEUED\r\n" and queued is not None:
            queued.append(words)
        elif name == b"multi" and reply == b"+OK\r\n":
            self.queued = []
        elif name in (b"exec", b"discard", b"reset"):
            self.queued = None
        return queued


def answered(commands):
    """Which of them get a reply: follows CLIENT REPLY."""
    result, replies = [], "on"
    for words in commands:
        mode = words[2].lower() if [word.lower() for word in words[:2]] == [b"client", b"reply"] else None
        if mode == b"skip" and replies != "off":
            replies = "skip"
            result.append(False)
            continue
        replies = {b"on": "on", b"off": "off"}.get(mode, replies)
        result.append(replies == "on")
        if replies == "skip":
            replies = "on"
    return result


class Play:
    """Plays turns on connections of its own, on stores that are empty at first."""

    def __init__(self, redis, protostore):
        self._redis, self._protostore = redis, protostore
        self.allowed = Allowed()
        self.pairs = []

    def __enter__(self):
        for server in (self._redis, self._protostore):
            with server.connect() as connection:
                empty(connection)
        self.pairs = [Pair(self._redis.connect(), self._protostore.connect()) for _ in range(CONNECTIONS)]
        return self

    def __exit__(self, *_):
        for pair in self.pairs:
            pair.close()

    def play(self, turn):
        """Raises a Difference, or returns the commands with Redis' and Protostore's replies."""
        begun = time.monotonic()
        try:
            played = self.pairs[turn.connection].play(turn)
        except (wire.Closed, OSError, ValueError) as error:
            raise Difference(repr(error)) from error
        self.allowed.lag_seconds = max(self.allowed.lag_seconds, time.monotonic() - begun)
        for words, queued, theirs, own in played:
            if theirs is not None and not self._is_allowed(words, queued, theirs, own):
                raise Difference(
                    f"{' '.join(map(shown, words))}\nProtostore: {shown(own, 600)}\nRedis:      {shown(theirs, 600)}")
        time.sleep(turn.pause_seconds)
        return [(words, theirs, own) for words, _, theirs, own in played]

    def _is_allowed(self, words, queued, theirs, own):
        if own == theirs or words[0].lower() != b"exec" or not own.startswith(b"*"):
            return self.allowed.allows(words, own, theirs)
        own, theirs = wire.elements(own), wire.elements(theirs)
        return len(own) == len(theirs) == len(queued) and all(map(self.allowed.allows, queued, own, theirs))

    def compare_all_keys(self):
        """In the end both hold the same, in every database."""
        for database in range(16):
            found = []
            for server in (self._redis, self._protostore):
                with server.connect() as connection:
                    connection.call("SELECT", database)
                    keys = sorted(scan(connection))
                    found.append([(key, connection.call("GET", key)) for key in keys])
            if found[0] != found[1]:
                raise Difference(f"database {database}:\nProtostore: {found[1]}\nRedis:      {found[0]}"[:4000])


def scan(connection):
    """All keys of the database, each once."""
    keys, cursor = set(), b"0"
    while True:
        cursor, found = wire.elements(connection.call("SCAN", cursor, "COUNT", 100))
        cursor = wire.bulk(cursor)
        keys.update(map(wire.bulk, wire.elements(found)))
        if cursor == b"0":
            return keys


def empty(connection):
    for database in range(16):
        connection.call("SELECT", database)
        if keys := scan(connection):
            connection.call("DEL", *keys)


# --- A run


class Run:
    def __init__(self, seed, redis, protostore, names, turns=TURNS):
        self._random = Random(seed)
        self._seed, self._names, self._turn_count = seed, names, turns
        self._generator = Generator(self._random)
        self._servers = redis, protostore
        # Those that are between MULTI and EXEC.
        self._in_transaction = set()
        # Those that may watch a missing key: Redis goes on where databases are flushed or swapped then.
        self._watching = set()
        self._history = []

    def run(self):
        try:
            with Play(*self._servers) as play:
                for turn in self._turns():
                    self._history.append(turn)
                    for words, theirs, own in play.play(turn):
                        self._keep_payloads(words, theirs, own)
                play.compare_all_keys()
        except Difference as difference:
            turns, difference = shortened(self._history, difference, *self._servers)
            raise Difference(f"seed {self._seed}\n{shown_turns(turns)}\n{difference}") from None

    def _keep_payloads(self, words, theirs, own):
        if words[0].lower() == b"dump" and own and own[:1] == b"$":
            payloads = self._generator.payloads
            payloads += filter(None, map(wire.bulk, (own, theirs)))
            del payloads[:-20]

    # Making turns

    def _turns(self):
        for _ in range(self._turn_count):
            number = self._random.randrange(CONNECTIONS)
            yield self._turn(number, self._some_commands(number))
            if number not in self._in_transaction and self._random.randrange(12) == 0:
                key = self._random.choice(generator.LAPSING_KEYS)
                yield self._turn(number, [[b"SET", key, b"x", b"PX", b"%d" % self._random.randrange(1, 30)]])._replace(pause_seconds=0.05)
                yield self._turn(number, [self._after_lapse(key), [b"GET", key], [b"PTTL", key], [b"DEL", key]])

    def _turn(self, number, commands):
        return Turn(number, commands, self._generator.pieces(b"".join(map(self._generator.encoded, commands))))

    def _after_lapse(self, key):
        return self._random.choice((
            [b"GET", key], [b"TTL", key], [b"EXISTS", key], [b"DEL", key], [b"APPEND", key, b"y"], [b"SET", key, b"z", b"XX"],
            [b"RENAME", key, b"a"], [b"INCR", key], [b"PERSIST", key]))

    def _some_commands(self, number):
        choice = self._random.randrange(10)
        if choice == 0 and number not in self._in_transaction:
            return [*self._commands(4), *self._with_replies_off(), *self._commands(4)]
        if choice < 4:
            return self._transaction(number)
        return self._commands(COMMANDS_PER_TURN_MAX, number in self._in_transaction)

    def _commands(self, count_max, in_transaction=False):
        commands = [self._command() for _ in range(1 + self._random.randrange(count_max))]
        if self._watching:
            commands = [words for words in commands if words[0].decode(errors="replace").lower() not in generator.DATABASE_CHANGES]
        return [words for words in commands if not (in_transaction and differs_in_transactions(words))]

    def _command(self):
        name = self._random.choice(self._names)
        if name == "lcs" and self._random.randrange(2) == 0:
            value = bytes(self._random.choice(b"abc") for _ in range(self._random.randrange(60)))
            return [b"set", self._random.choice((b"short1", b"short2")), value]
        return self._generator.command(name)

    def _with_replies_off(self):
        commands = []
        for _ in range(1 + self._random.randrange(3)):
            mode = self._random.choice((b"OFF", b"SKIP", b"SKIP", b"ON"))
            # What DEBUG PROTOCOL pushes, Redis pushes to whom wants no replies as well.
            commands += [[b"CLIENT", b"REPLY", mode], *(
                words for words in self._commands(4) if words[0].lower() not in (b"client", b"hello", b"debug"))]
        return [*commands, [b"CLIENT", b"REPLY", b"ON"]]

    def _transaction(self, number):
        """Begins one, or ends one; in between others may come."""
        choose = self._random.choice
        if number not in self._in_transaction:
            key = wire.as_bytes(self._generator.key())
            watch = choose(([], [[b"WATCH", key]], [[b"SET", key, b"1"], [b"WATCH", key]]))
            if len(watch) == 1:
                self._watching.add(number)
            if watch and choose((False, True)):
                return [*watch, *self._commands(3)]
            self._in_transaction.add(number)
            return [*watch, [b"MULTI"], *self._commands(8, True)]
        self._in_transaction.remove(number)
        wrong = choose(([], [], [[b"MULTI"]], [[b"WATCH", b"a"]], [[b"UNWATCH"]], [[b"GET"]]))
        end = choose((b"EXEC",) * 8 + (b"DISCARD", b"RESET"))
        rest = [*self._commands(4, True), *wrong, [end], *self._commands(3)]
        self._watching.discard(number)
        return rest


# --- What is shown


def shortened(turns, difference, redis, protostore, seconds=60):
    """Leaves out what the difference does not need, for a while."""
    deadline = time.monotonic() + seconds

    def fails(turns):
        nonlocal difference
        try:
            with Play(redis, protostore) as play:
                for turn in turns:
                    play.play(turn)
                play.compare_all_keys()
        except Difference as found:
            difference = found
            return True
        return False

    if not fails(turns):
        return turns[-20:], f"{difference}\n(not every time)"
    turns = without_needless(turns, fails, deadline)
    commands = [Turn(turn.connection, [words], [wire.request(*words)], turn.pause_seconds) for turn in turns for words in turn.commands]
    # Some differences need commands in one piece.
    if not any([b"CLIENT", b"REPLY"] == words[:2] for turn in turns for words in turn.commands) and fails(commands):
        turns = without_needless(commands, fails, deadline)
    else:
        fails(turns)
    return turns, difference


def without_needless(turns, fails, deadline):
    length = max(1, len(turns) // 2)
    while True:
        position = 0
        while position < len(turns) and time.monotonic() < deadline:
            fewer = turns[:position] + turns[position + length:]
            if fails(fewer):
                turns = fewer
            else:
                position += length
        if length == 1 or time.monotonic() > deadline:
            return turns
        length //= 2


def shown_turns(turns):
    lines = []
    for turn in turns:
        lines += [f"{turn.connection}> {' '.join(map(shown, words))}" for words in turn.commands]
        lines += [f"   {len(turn.commands)} commands in {len(turn.pieces)} pieces"] if len(turn.commands) > 1 else []
    return "\n".join(lines[-60:])
