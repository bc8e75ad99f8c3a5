#!/usr/bin/python3
"""Holds many watches, each on a connection of its own: a client process of stalled_readers_test.

usage: watchers.py ADDRESS COUNT [FOLDER]

Opens COUNT streams of WatchSockets, with the certificate of a viewer in FOLDER if ADDRESS is tls://, and
reads them. For each line on standard input it prints one line of JSON: the numbers of messages that were
taken from each stream, and how many streams have ended.
"""

import json
import sys
import threading

import grpc
from sockhost.v1 import watch_pb2

import admin

METHOD = f"/{admin.SERVICE}/WatchSockets"


class Watcher:
    def __init__(self, address, credentials):
        self.taken = 0
        self.ended = False
        self._client = admin.AdminClient(address, credentials)
        request = watch_pb2.WatchSocketsRequest(sample_interval=admin.duration(1))
        # Bytes, not messages: hundreds of readers would use up the machine to decode them.
        self._stream = self._client.channel.unary_stream(METHOD)(request.SerializeToString())
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for _ in self._stream:
                self.taken += 1
        except grpc.RpcError:
            pass
        self.ended = True


def main():
    address, count, *folder = sys.argv[1:]
    credentials = admin.credentials(folder[0], "viewer") if folder else None
    watchers = [Watcher(address, credentials) for _ in range(int(count))]
    for _ in sys.stdin:
        ended = sum(watcher.ended for watcher in watchers)
        state = {"taken": [watcher.taken for watcher in watchers], "ended": ended}
        print(json.dumps(state), flush=True)


if __name__ == "__main__":
    main()
