#!/usr/bin/python3
"""Holds many connections to one echo listener: a client process of capacity_test.

usage: crowd.py HOST:PORT SOURCE_HOST

Reads commands, one a line, and answers each with "ok" or what went wrong:
  open N     connect until there are N
  echo TEXT  every connection sends TEXT and gets it back
  close      close all
"""

import resource
import socket
import sys

TIMEOUT_S = 60
# <linux/in.h>; the socket module has no name for it.
IP_BIND_ADDRESS_NO_PORT = 24


class Crowd:
    def __init__(self, target, source):
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._source = (source, 0)
        self._peers = []

    def open(self, count):
        while len(self._peers) < int(count):
            peer = socket.socket()
            # The kernel may choose a port that another target uses as well.
            peer.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            peer.bind(self._source)
            peer.settimeout(TIMEOUT_S)
            peer.connect(self._target)
            self._peers.append(peer)

    def echo(self, text):
        message = text.encode()
        for peer in self._peers:
            peer.sendall(message)
        for peer in self._peers:
            answer = b""
            while len(answer) < len(message) and (chunk := peer.recv(len(message))):
                answer += chunk
            if answer != message:
                raise ValueError(f"{answer} came back for {message}")

    def close(self):
        while self._peers:
            self._peers.pop().close()


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(*sys.argv[1:])
    for line in sys.stdin:
        verb, *arguments = line.split()
        try:
            getattr(crowd, verb)(*arguments)
            print("ok", flush=True)
        except (OSError, ValueError) as error:
            print(f"{verb}: {error!r}", flush=True)


if __name__ == "__main__":
    main()
