"""The same random commands to redis-server and to Protostore; each reply is compared, byte for byte.

A run is one seed: some connections to either server take turns, each turn a few commands in
pieces. Where transactions begin and end is known here, so that it is known how many replies come.
"""

import re
import time
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
            # Redis shares small integers.
            return own == b":1\r\n" and theirs == b":2147483647\r\n"
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

    def _clock(self, words, own, theirs):
        return is_both(own, theirs, rb"\*2\r\n\$\d+\r\n\d+\r\n\$\d\r\n\d+\r\n")

    NAMES.update({
        **dict.fromkeys(("ttl", "pttl", "expiretime", "pexpiretime"), _time), "object": _object, "dump": _dump, "hello": _hello,
        "client": _client, "time": _clock})


# --- One connection to either server


class Pair:
    """A connection to Redis and one to Protostore, and what they are in."""

    def __init__(self, redis, protostore):
        self.redis, self.protostore = redis, protostore
        # The commands since MULTI; None outside.
        self.queued = None

    def turn(self, commands, pieces_of):
        """Returns the replies of both, one for each command, None where there is none."""
        is_answered = self._note(commands)
        replies = []
        for connection in (self.redis, self.protostore):
            for piece in pieces_of():
                connection.send(piece)
            replies.append([connection.reply() if answered else None for answered in is_answered])
        return list(zip(*replies))

    def _note(self, commands):
        """Follows CLIENT REPLY: which commands are answered."""
        is_answered, replies = [], "on"
        for words in commands:
            mode = words[2].lower() if [word.lower() for word in words[:2]] == [b"client", b"reply"] else None
            if mode == b"on":
                replies = "on"
            elif mode == b"off":
                replies = "off"
            elif mode == b"skip" and replies != "off":
                replies = "skip"
                is_answered.append(False)
                continue
            is_answered.append(replies == "on")
            if replies == "skip":
                replies = "on"
        return is_answered


# --- A run


class Run:
    def __init__(self, seed, redis, protostore, names, turns=TURNS):
        self._random = Random(seed)
        self._seed, self._names, self._turns = seed, names, turns
        self._generator = Generator(self._random)
        self._allowed = Allowed()
        self._redis, self._protostore = redis, protostore
        self._pairs = []
        self._history = []
        self.compared = 0

    def run(self):
        try:
            self._pairs = [Pair(self._redis.connect(), self._protostore.connect()) for _ in range(CONNECTIONS)]
            self._clear()
            for _ in range(self._turns):
                self._turn(self._random.choice(self._pairs))
                if self._random.randrange(12) == 0:
                    self._let_keys_lapse()
            for pair in self._pairs:
                self._compare(pair, [[b"RESET"]])
            self._compare_all_keys()
        finally:
            for pair in self._pairs:
                pair.redis.close()
                pair.protostore.close()

    def _clear(self):
        for database in range(16):
            self._compare(self._pairs[0], [
                [b"SELECT", b"%d" % database],
                [b"DEL", *generator.KEYS, *generator.LAPSING_KEYS, b"short1", b"short2"]], lambda own, theirs: True)
        self._compare(self._pairs[0], [[b"SELECT", b"0"]])
        self._history.clear()

    # Turns

    def _turn(self, pair):
        choice = self._random.randrange(10)
        if choice == 0 and pair.queued is None:
            commands = [*self._commands(4), *self._with_replies_off(), *self._commands(4)]
        elif choice < 4:
            commands = self._transaction(pair)
        else:
            commands = self._commands(COMMANDS_PER_TURN_MAX)
        self._compare(pair, commands)

    def _commands(self, count_max):
        return [self._command() for _ in range(1 + self._random.randrange(count_max))]

    def _command(self):
        name = self._random.choice(self._names)
        if name == "lcs" or self._random.randrange(40) == 0:
            if self._random.randrange(2) == 0:
                return [b"set", self._random.choice((b"short1", b"short2")), self._random.randbytes(3) * self._random.randrange(20)]
        if name == "unknown":
            words = [self._random.choice((b"nothing", b"nOpe", b"get\0", b"\xff", b"x" * 200)), self._generator.value(), b"a" * 150]
            return [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return self._generator.command(name)

    def _with_replies_off(self):
        commands = []
        for _ in range(1 + self._random.randrange(3)):
            mode = self._random.choice((b"OFF", b"SKIP", b"SKIP", b"ON"))
            commands += [[b"CLIENT", b"REPLY", mode], *(
                words for words in self._commands(4) if words[0].lower() not in (b"client", b"hello"))]
        return [*commands, [b"CLIENT", b"REPLY", b"ON"]]

    def _transaction(self, pair):
        """Begins one, or ends one."""
        random = self._random
        if pair.queued is None:
            watch = [[b"WATCH", *self._generator.some(3, self._generator.key)]] if random.randrange(2) == 0 else []
            if watch and random.randrange(2) == 0:
                # Others come in between.
                return [*watch, *self._commands(3)]
            pair.queued = []
            return [*watch, [b"MULTI"], *self._commands(8)]
        end = random.choice((b"EXEC",) * 8 + (b"DISCARD", b"RESET"))
        wrong = random.choice(([], [], [[b"MULTI"]], [[b"WATCH", b"a"]], [[b"UNWATCH"]], [[b"GET"]]))
        pair.queued = None
        return [*self._commands(4), *wrong, [end], *self._commands(3)]

    def _let_keys_lapse(self):
        pair = next((pair for pair in self._pairs if pair.queued is None), None)
        if pair is None:
            return
        key = self._random.choice(generator.LAPSING_KEYS)
        self._compare(pair, [[b"SET", key, b"x", b"PX", b"%d" % (1 + self._random.randrange(30))]])
        time.sleep(0.05)
        self._compare(pair, [
            self._random.choice(([b"GET", key], [b"TTL", key], [b"EXISTS", key], [b"DEL", key], [b"APPEND", key, b"y"],
                                 [b"SET", key, b"z", b"XX"], [b"RENAME", key, b"a"], [b"INCR", key], [b"PERSIST", key])),
            [b"GET", key], [b"PTTL", key], [b"DEL", key]])

    # Comparing

    def _compare(self, pair, commands, is_right=None):
        begun = time.monotonic()
        data = b"".join(map(self._generator.encoded, commands))
        pieces = self._generator.pieces(data)
        number = self._pairs.index(pair)
        self._history += [(number, words) for words in commands]
        try:
            replies = pair.turn(commands, lambda: pieces)
        except (wire.Closed, TimeoutError, ValueError) as error:
            raise Difference(f"{error!r}\n{self._shown_history(len(commands))}") from error
        self._allowed.lag_seconds = max(self._allowed.lag_seconds, time.monotonic() - begun)
        for position, (words, (theirs, own)) in enumerate(zip(commands, replies)):
            self.compared += 1
            if theirs is None:
                continue
            if not (is_right or (lambda own, theirs: self._is_allowed(pair, words, own, theirs)))(own, theirs):
                raise Difference(
                    f"{self._shown_history(len(commands), position + 1)}\nProtostore: {shown(own, 600)}\nRedis:      {shown(theirs, 600)}")
            self._keep_payloads(words, own, theirs)

    def _is_allowed(self, pair, words, own, theirs):
        if words[0].lower() != b"exec":
            return self._allowed.allows(words, own, theirs)
        if own == theirs:
            return True
        commands = self._queued_before(pair)
        own, theirs = wire.elements(own), wire.elements(theirs)
        return len(own) == len(theirs) == len(commands) and all(map(self._allowed.allows, commands, own, theirs))

    def _queued_before(self, pair):
        """The commands between the last MULTI of a connection that began a transaction, and EXEC."""
        number = self._pairs.index(pair)
        own = [words for other, words in self._history if other == number]
        end = max(position for position, words in enumerate(own) if words == [b"EXEC"])
        begin = end
        while own[begin - 1] != [b"MULTI"] or own[begin - 1] is self._nested(own, begin - 1):
            begin -= 1
        return [words for words in own[begin:end] if words != [b"MULTI"] and words[0] != b"WATCH"]

    def _nested(self, own, position):
        """A MULTI within a transaction: the one before it has not ended yet."""
        for words in reversed(own[:position]):
            if words[0] in (b"EXEC", b"DISCARD", b"RESET"):
                return None
            if words == [b"MULTI"]:
                return own[position]
        return None

    def _keep_payloads(self, words, own, theirs):
        if words[0].lower() == b"dump":
            payloads = self._generator.payloads
            payloads += [payload for payload in map(wire.bulk, (own, theirs)) if payload and own[:1] == b"$"]
            del payloads[:-20]

    def _compare_all_keys(self):
        for database in range(16):
            self._compare(self._pairs[0], [[b"SELECT", b"%d" % database]] + [
                [name, key] for key in generator.KEYS for name in (b"GET", b"PEXPIRETIME")])

    def _shown_history(self, count, position=None):
        end = len(self._history) - count + (count if position is None else position)
        lines = [f"{number}> {' '.join(shown(word) for word in words)}" for number, words in self._history[max(0, end - 40):end]]
        return f"seed {self._seed}\n" + "\n".join(lines)
