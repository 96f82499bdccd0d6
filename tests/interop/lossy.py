"""A way to an HTTP service on 127.0.0.1 that loses what it is told to lose, and notes what passes."""
import re
import socket
import threading


class LossyWay:
    """Listens on `port` and leads to `service`, another port.

    `losses` are tuples: ("request", "echo", 2) loses the second request whose action ends in `echo`, ("reply", "echo", 2) lets
    that pass and loses what answers it. A lost message takes its connection with it, as a router does that reboots. A request
    that is sent again counts.
    """

    def __init__(self, service, losses=()):
        self.service, self.losses = service, losses
        # Of each exchange: action of the request; status and action of the reply; what was lost. In the order of the requests.
        self.exchanges = []
        # Of each exchange: both bodies.
        self.bodies = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def lost(self):
        """What was lost so far."""
        with self.lock:
            return [(what, action) for action, _, _, what in self.exchanges if what in ("request", "reply")]

    def _listen(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        ends = [client]
        try:
            incoming, service = client.makefile("rb"), None
            while request := read_message(incoming):
                raw, body = request
                number, lost = self._begin(body)
                if "request" in lost:
                    self._note(number, "-", b"", "request")
                    return
                if service is None:
                    service = socket.create_connection(("127.0.0.1", self.service))
                    ends.append(service)
                    outgoing = service.makefile("rb")
                service.sendall(raw)
                reply = read_message(outgoing)
                if reply is None:
                    self._note(number, "-", b"", "no reply")
                    return
                raw, body = reply
                head = raw[: len(raw) - len(body)]
                self._note(number, head.split(b" ", 2)[1].decode(), body, "reply" if "reply" in lost else "-")
                if "reply" in lost:
                    return
                client.sendall(raw)
                if b"connection: close" in head.lower():
                    return
        except OSError:
            # One side has gone; the other learns it so too.
            pass
        finally:
            for end in ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def _begin(self, body):
        action = action_of(body)
        with self.lock:
            nth = 1 + sum(earlier == action for earlier, *_ in self.exchanges)
            self.exchanges.append((action, "-", "-", "open"))
            self.bodies.append((body, b""))
            number = len(self.exchanges) - 1
        return number, [way for way, name, which in self.losses if (name, which) == (action, nth)]

    def _note(self, number, status, body, what):
        with self.lock:
            self.exchanges[number] = (self.exchanges[number][0], status, action_of(body), what)
            self.bodies[number] = (self.bodies[number][0], body)


def read_message(stream):
    """The octets of the next message, and its body; None at the end of the stream."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    fields = dict(re.findall(rb"(?m)^([\w-]+):[ \t]*(.*?)\r$", head.lower()))
    if fields.get(b"transfer-encoding") == b"chunked":
        raw, body = b"", b""
        while True:
            line = stream.readline()
            size = int(line.split(b";")[0], 16)
            chunk = stream.read(size + 2)
            raw, body = raw + line + chunk, body + chunk[:size]
            if size == 0:
                return head + raw, body
    body = stream.read(int(fields.get(b"content-length", 0)))
    return head + body, body


def action_of(body):
    """The last part of WS-Addressing's Action."""
    found = re.search(rb"<(?:\w+:)?Action\b[^>]*>\s*([^<]*?)\s*<", body)
    return found.group(1).decode().rsplit("/", 1)[-1] if found else "-"
