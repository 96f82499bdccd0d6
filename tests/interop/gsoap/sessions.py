#!/usr/bin/env python3
"""Reliable sessions between gSOAP and this project, over a way that loses messages. `gsoap.sh` builds both and calls this.

usage: sessions.py OURS GSOAP_1.0 GSOAP_1.1

Stops at the first session that went otherwise than it says here. What gSOAP does that is not in the protocol:
- A client with an offer that names DiscardFollowingFirstGap (ours, when it wants order) is told SequenceTerminated as soon as one
  request overtakes another: gSOAP takes a gap for the end, not for something that may still be filled. Only in 1.1, where the
  behaviour is sent. So messages go one by one there, or without order: gSOAP then keeps the order by itself.
- A request that is repeated is answered by an empty 202, also where its reply was lost. Services that want to be called by WCF keep
  their replies; ours here do, but for one session that shows what happens if not.
- Nothing is ever acknowledged to an anonymous address but upon a reply. So one-way messages cannot be sent to gSOAP over HTTP, the
  LastMessage of February 2005 is answered by an empty 202, and its client takes what answers a resent request for nothing: a session
  in which it resends ends by a fault, since our service, as WCF's, waits until its replies are acknowledged.
- In February 2005 its client compares the identifiers of two sequences when it has ended one, and reports UnknownSequence.
- In February 2005 its service, upon LastMessage, sends one of its own to an address that it does not have, and awaits an answer: on the
  connection if that is kept, else on its standard input. So that is empty here.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
from lossy import LossyWay
from service import PATIENCE, Service

OURS, GSOAP = sys.argv[1], {"1.0": sys.argv[2], "1.1": sys.argv[3]}
COUNT = 4
TEXTS = [f"message {n}" for n in range(1, COUNT + 1)]
HEARD = [f"heard {text}" for text in TEXTS]
GOT = [f"got {text}" for text in TEXTS]
# In what order a protocol's own messages are lost.
PROTOCOL = {
    "1.0": ("CreateSequence", "LastMessage", "TerminateSequence"),
    "1.1": ("CreateSequence", "CloseSequence", "TerminateSequence"),
}


def session(service_command, client_command, losses, endless):
    """What the client and the service said, and the exchanges. `client_command` gets the address for its None."""
    service = Service(service_command, endless)
    way = LossyWay(service.port, losses)
    url = f"http://127.0.0.1:{way.port}/echo"
    try:
        client = subprocess.run(
            [url if word is None else word for word in client_command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )
    finally:
        way.close()
        said, complaints = service.stop()
    return client.stdout.splitlines(), said, way, f"{client.stderr}{complaints}"


def check(title, found, client, service, losses, ending=None):
    said, heard, way, complaints = found
    wrong = []
    if not client(said) if callable(client) else said != client:
        wrong.append("what the client said")
    if not service(heard) if callable(service) else heard != service:
        wrong.append("what the service heard")
    if way.lost() != [(what, action) for what, action, _ in losses]:
        wrong.append("what was lost")
    if ending is not None and way.exchanges[-1][1:3] != ending:
        wrong.append("how it ended")
    if wrong:
        print(f"{title}: {', '.join(wrong)}", file=sys.stderr)
        for exchange in way.exchanges:
            print("  exchange", *exchange, sep="\t", file=sys.stderr)
        print("  client: ", said, "\n  service:", heard, f"\n{complaints}", file=sys.stderr)
        sys.exit(1)
    print(f"{title:<92} {len(way.exchanges):>3} exchanges  held", flush=True)


def name(losses):
    return ", ".join(f"{what} of {action} lost" for what, action, _ in losses) or "nothing lost"


def to_gsoap(version, losses=(), order="ordered", pace="one-by-one", service=("replay",), client=None, heard=None, why=""):
    serve = (GSOAP[version], "serve", *service)
    call = (OURS, "call", version, "request-reply", order, None, str(COUNT), pace)
    title = f"{version}  our client, {order}, {pace}{why}: {name(losses)}"
    check(title, session(serve, call, losses, True), client or [*GOT, "closed"], heard or HEARD, losses)


def to_ours(version, losses=(), operation="echo", again="now", client=None, ending=None, keep=(), why=""):
    shape = "request-reply" if operation == "echo" else "one-way"
    # See above: that its client calls the session not terminated in February 2005 is its own affair.
    last = "not terminated" if (version, operation) == ("1.0", "echo") else "terminated"
    replies = GOT if operation == "echo" else []
    serve = (OURS, "serve", version, shape)
    call = (GSOAP[version], "call", None, str(COUNT), operation, again, *keep)
    title = f"{version}  gSOAP's client, {operation}{why}: {name(losses)}"
    answered = {
        ("1.0", "echo"): ("200", "TerminateSequence"),
        ("1.0", "notify"): ("202", "-"),
    }.get((version, operation), ("200", "TerminateSequenceResponse"))
    said = client or [*replies, "unacknowledged 0", last]
    check(title, session(serve, call, losses, False), said, [*HEARD, "over"], losses, ending or answered)


for version in ("1.0", "1.1"):
    lossy = [[("request", "echo", 2)], [("reply", "echo", 2)], [("request", "echo", 1), ("reply", "echo", 4)]]
    for losses in [[], *lossy]:
        to_gsoap(version, losses)
        # Requests that overtake each other: see above.
        to_gsoap(version, losses, order="ordered" if version == "1.0" else "unordered", pace="at-once")
    to_gsoap(version, service=("replay", "keep-alive"), why=", kept connections")
    for action in PROTOCOL[version]:
        for what in ("request", "reply"):
            to_gsoap(version, [(what, action, 1)])
    for operation in ("echo", "notify"):
        for losses in [[], [("request", operation, 2)], [("reply", operation, 2)]]:
            to_ours(version, losses, operation)
        to_ours(version, (), operation, keep=("keep-alive",), why=", kept connections")

# What does not work, and whose fault it is.
to_gsoap(
    "1.1", [("request", "echo", 2)], pace="at-once", why=", a gap ends it",
    # Which of those under way were before the one that was lost is chance.
    heard=lambda heard: heard == HEARD[: len(heard)] and len(heard) < COUNT,
    client=lambda said: said[:-1] == GOT[: len(said) - 1] and "the fault SequenceTerminated" in said[-1],
)
to_gsoap(
    "1.1", [("reply", "echo", 2)], service=(), heard=HEARD[:2], why=", replies not kept",
    client=lambda said: said[:1] == GOT[:1] and len(said) == 2 and said[1].startswith("failed: the call failed: no reply came within"),
)
for version in ("1.0", "1.1"):
    to_ours(
        version, [("request", "echo", 2)], again="end", ending=("500", "fault"), why=", resends unread",
        client=lambda said: said[:4] == [*GOT[:1], "lost 2", "lost 3", "lost 4"] and said[-1] == "not terminated",
    )
