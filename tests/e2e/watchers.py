#!/usr/bin/python3
"""Holds many watches, each on a connection of its own: a client process of stalled_readers_test.

usage: watchers.py ADDRESS COUNT

Opens COUNT streams of WatchSockets and reads them. For each line on standard input it prints one line
of JSON: the numbers of messages that were taken from each stream, and how many streams have ended.
"""

import json
import sys
import threading

import grpc

import admin


class Watcher:
    def __init__(self, address):
        self.taken = 0
        self.ended = False
        self._client = admin.AdminClient(address)
        self._stream = self._client.watch(interval_s=0.5)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for _ in self._stream:
                self.taken += 1
        except grpc.RpcError:
            pass
        self.ended = True


def main():
    address, count = sys.argv[1:]
    watchers = [Watcher(address) for _ in range(int(count))]
    for _ in sys.stdin:
        state = {"taken": [w.taken for w in watchers], "ended": sum(w.ended for w in watchers)}
        print(json.dumps(state), flush=True)


if __name__ == "__main__":
    main()
