#!/usr/bin/python3
"""Bounded traffic for echo and discard listeners; every answer is compared with what was sent.

By hand: demo_traffic.py --seconds 5 tcp://127.0.0.1:7007 udp://127.0.0.1:7007
"""

import argparse
import dataclasses
import os
import socket
import sys
import threading
import time
import urllib.parse

ANSWER_TIMEOUT_S = 5
# One exchange per peer and pause: a load that shows in the counters and leaves the machine usable.
PAUSE_S = 0.004
TCP_MESSAGE_BYTES = 4096
UDP_MESSAGE_BYTES = 512


@dataclasses.dataclass
class Totals:
    """What one target was sent, and how much of it came back unchanged."""

    messages: int = 0
    sent_bytes: int = 0
    echoed_bytes: int = 0


class WrongAnswer(Exception):
    """A listener did not answer, or answered with something else than what it was sent."""


def connect(address):
    """Returns a connected socket for "tcp://host:port" or "udp://host:port"."""
    url = urllib.parse.urlsplit(address)
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[url.scheme]
    family = socket.AF_INET6 if ":" in url.hostname else socket.AF_INET
    peer = socket.socket(family, kind)
    peer.settimeout(ANSWER_TIMEOUT_S)
    peer.connect((url.hostname, url.port))
    return peer


def receive_exactly(peer, count):
    """Reads `count` bytes of a stream."""
    data = b""
    while len(data) < count:
        chunk = peer.recv(count - len(data))
        if not chunk:
            raise WrongAnswer(f"connection closed after {len(data)} of {count} bytes")
        data += chunk
    return data


class Traffic:
    """Threads that talk to listeners until stop(); totals per target address."""

    def __init__(self):
        self.totals = {}
        self._errors = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = []

    def add(self, address, peers=1, echo=True):
        """Starts `peers` clients of one listener; with echo=False no answer is expected."""
        self.totals.setdefault(address, Totals())
        for _ in range(peers):
            thread = threading.Thread(target=self._run_peer, args=(address, echo), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self):
        """Ends every client after its exchange; raises WrongAnswer when one saw a wrong answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(ANSWER_TIMEOUT_S + 1)
        if self._errors:
            raise WrongAnswer("; ".join(sorted(set(self._errors))))
        for address, totals in self.totals.items():
            if not totals.messages:
                raise WrongAnswer(f"{address}: no message got through")

    def _run_peer(self, address, echo):
        try:
            with connect(address) as peer:
                while not self._stopping.wait(PAUSE_S):
                    self._exchange(peer, address, echo)
        except (OSError, WrongAnswer) as error:
            with self._lock:
                self._errors.append(f"{address}: {error}")

    def _exchange(self, peer, address, echo):
        is_stream = peer.type == socket.SOCK_STREAM
        message = os.urandom(TCP_MESSAGE_BYTES if is_stream else UDP_MESSAGE_BYTES)
        peer.sendall(message)
        answer = b""
        if echo:
            answer = receive_exactly(peer, len(message)) if is_stream else peer.recv(65536)
            if answer != message:
                raise WrongAnswer(f"the answer to {len(message)} bytes differs")
        with self._lock:
            totals = self.totals[address]
            totals.messages += 1
            totals.sent_bytes += len(message)
            totals.echoed_bytes += len(answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--peers", type=int, default=4, help="clients per address")
    parser.add_argument("address", nargs="+", help="tcp://host:port or udp://host:port of an echo")
    options = parser.parse_args()

    traffic = Traffic()
    for address in options.address:
        traffic.add(address, options.peers)
    time.sleep(options.seconds)
    try:
        traffic.stop()
    except WrongAnswer as error:
        sys.exit(f"demo_traffic: {error}")
    for address, totals in traffic.totals.items():
        print(f"{address}: {totals.messages} messages, {totals.echoed_bytes} bytes echoed")


if __name__ == "__main__":
    main()
