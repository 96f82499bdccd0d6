#!/usr/bin/env python3
"""Secure conversations between WSS4J and this project, in both roles and both versions, and basicHttpBinding's messages. `wss4j.sh`
builds both and calls this.

usage: sessions.py OURS CLASSPATH CERTIFICATE KEY KEYS
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
from service import PATIENCE, Service

OURS, CLASSPATH, CERTIFICATE, KEY, KEYS = sys.argv[1:]
JAVA = ("java", "-cp", CLASSPATH, "Live")
BASIC = ("java", "-cp", CLASSPATH, "Basic")
COUNT = 4
TEXTS = [f"message {n}" for n in range(1, COUNT + 1)]
MESSAGES = [f"heard {text}" for text in TEXTS]
HEARD = [*MESSAGES, "over"]
GOT = [f"got {text}" for text in TEXTS]
NAMES = {"c": "WS-SecureConversation February 2005", "sc": "WS-SecureConversation 1.3"}


def conversation(title, serve, call, endless, wanted, due=HEARD, origin="http://127.0.0.1"):
    service = Service(serve, endless)
    url = f"{origin}:{service.port}/echo"
    try:
        client = subprocess.run(
            [url if word is None else word for word in call],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
        )
    finally:
        heard, complaints = service.stop()
    said = client.stdout.splitlines()
    if (said, heard) != (wanted, due):
        sys.exit(f"{title}\n  client:  {said}\n  service: {heard}\n{client.stderr}{complaints}")
    print(f"{title:<100} held", flush=True)


for version, name in NAMES.items():
    conversation(
        f"{name}: our client opens, calls {COUNT} times and cancels at WSS4J's service",
        (*JAVA, "serve", version, CERTIFICATE, KEY), (OURS, "call-secure", version, CERTIFICATE, None, str(COUNT)),
        True, [*GOT, "closed"],
    )
    conversation(
        f"{name}: WSS4J's client does so at our service, which refuses a changed message",
        (OURS, "serve-secure", version, CERTIFICATE, KEY), (*JAVA, "call", version, CERTIFICATE, None, str(COUNT)),
        False, [*GOT, "refused", "closed"],
    )

MODES = {
    "certificate": "basicHttpBinding, certificates",
    "username-over-https": "basicHttpBinding, a user name over HTTPS",
    "certificate-over-https": "basicHttpBinding, a certificate over HTTPS",
}
for mode, name in MODES.items():
    origin = "https://localhost" if mode.endswith("-over-https") else "http://127.0.0.1"
    conversation(
        f"{name}: our client calls {COUNT} times at WSS4J's service",
        (*BASIC, "serve", mode, KEYS), (OURS, "call-basic", mode, KEYS, None, str(COUNT)),
        True, [*GOT, "closed"], MESSAGES, origin,
    )
    conversation(
        f"{name}: WSS4J's client does so at our service; a forgery is refused",
        (OURS, "serve-basic", mode, KEYS), (*BASIC, "call", mode, KEYS, None, str(COUNT)),
        False, [*GOT, "refused", "closed"], MESSAGES, origin,
    )
