#!/usr/bin/python3
"""Sends to one echo listener as fast as it can, and takes the answers: a client of fairness_test.

usage: firehose.py HOST:PORT CONNECTIONS BYTES_PER_SEND

Prints "running" when every connection has had an answer; ends when its input ends.
"""

import select
import socket
import sys

TIMEOUT_S = 60
READ_SIZE = 1 << 20


def connect(target):
    host, _, port = target.rpartition(":")
    peer = socket.create_connection((host, int(port)), TIMEOUT_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(b"x")
    if peer.recv(1) != b"x":
        raise ValueError("no echo")
    peer.setblocking(False)
    return peer


def exchange(peer, events, chunk):
    try:
        if events & select.POLLIN and not peer.recv(READ_SIZE):
            sys.exit("the connection was closed")
        if events & select.POLLOUT:
            peer.send(chunk)
    except BlockingIOError:
        pass


def main():
    target, connections, size = sys.argv[1:]
    several = [connect(target) for _ in range(int(connections))]
    chunk = bytes(int(size))
    by_number = {peer.fileno(): peer for peer in several}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN | select.POLLOUT)
    poll.register(sys.stdin, select.POLLIN)
    print("running", flush=True)
    while True:
        for number, events in poll.poll():
            if number not in by_number:
                return
            exchange(by_number[number], events, chunk)


if __name__ == "__main__":
    main()
