"""The Redis protocol as bytes: requests are made here, replies are cut apart and never understood."""

import socket

PATIENCE_SECONDS = 120


class Closed(Exception):
    """The other end has closed the connection. `rest` is what came before, short of a whole reply."""

    def __init__(self, rest):
        super().__init__(f"the connection was closed behind {shown(rest)}")
        self.rest = rest


def as_bytes(word):
    return word if isinstance(word, bytes) else str(word).encode()


def request(*words):
    words = [as_bytes(word) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def reply_end(buffer, position=0):
    """Where the reply that begins at `position` ends; None where it is not complete."""
    missing = 1
    while missing > 0:
        line_end = buffer.find(b"\r\n", position)
        if line_end < 0:
            return None
        kind, line = buffer[position:position + 1], buffer[position + 1:line_end]
        position = line_end + 2
        missing -= 1
        if kind in (b"$", b"=", b"!"):
            if line != b"-1":
                position += int(line) + 2
        elif kind in (b"*", b"~"):
            missing += max(0, int(line))
        elif kind == b">":
            # What is pushed out of band stands in front of a reply here.
            missing += int(line) + 1
        elif kind == b"%":
            missing += 2 * int(line)
        elif kind == b"|":
            missing += 2 * int(line) + 1
        elif kind not in (b"+", b"-", b":", b",", b"(", b"#", b"_"):
            raise ValueError(f"no reply begins so: {shown(buffer[position - 20:position + 60])}")
    return position if position <= len(buffer) else None


def elements(reply):
    """The replies that an array, a set, a push or a map is made of."""
    position = reply.index(b"\r\n") + 2
    parts = []
    while position < len(reply):
        end = reply_end(reply, position)
        parts.append(reply[position:end])
        position = end
    return parts


def bulk(reply):
    """The bytes of a bulk string; None of null."""
    return None if reply in (b"$-1\r\n", b"_\r\n") else reply[reply.index(b"\r\n") + 2:-2]


def shown(data, length_max=200):
    text = repr(bytes(data[:length_max]))[1:]
    return text if len(data) <= length_max else f"{text}... ({len(data)} bytes)"


class Connection:
    """A raw connection. An address is a port of this machine, or the path of a socket."""

    def __init__(self, address, patience=PATIENCE_SECONDS, receive_buffer_bytes=None):
        is_port = isinstance(address, int)
        self.socket = socket.socket(socket.AF_INET if is_port else socket.AF_UNIX)
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(patience)
        try:
            self.socket.connect(("127.0.0.1", address) if is_port else str(address))
            if is_port:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise
        self._received = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """The bytes of the next reply."""
        while True:
            end = reply_end(self._received)
            if end is not None:
                reply = bytes(self._received[:end])
                del self._received[:end]
                return reply
            self._receive()

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def call(self, *words):
        self.send(request(*words))
        return self.reply()

    def until_closed(self):
        """All that comes until the other end closes the connection."""
        try:
            while True:
                self._receive()
        except Closed:
            return bytes(self._received)

    def _receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(bytes(self._received))
        self._received += data
