"""Clients of listeners: plain sockets."""

import random
import socket
import struct

TIMEOUT_S = 60
MAX_DATAGRAM = 65507


def endpoint(address):
    """(family, type, address of the socket module) of an address of a listener."""
    scheme, _, rest = address.partition(":")
    if scheme in ("unix", "unixgram"):
        kind = socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM
        name = "\0" + rest[1:] if rest.startswith("@") else rest.removeprefix("//")
        return socket.AF_UNIX, kind, name
    rest = rest.removeprefix("//")
    host, _, port = rest.rpartition(":")
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[scheme]
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return family, kind, (host.strip("[]"), int(port))


def port_of(address):
    return endpoint(address)[2][1]


def reachable(address):
    """`address` with a loopback host in place of a wildcard."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def connect(address, receive_buffer=None):
    """A connected socket. `receive_buffer` bounds what the kernel takes for a peer that is slow."""
    family, kind, where = endpoint(reachable(address))
    peer = socket.socket(family, kind)
    peer.settimeout(TIMEOUT_S)
    if family == socket.AF_UNIX and kind == socket.SOCK_DGRAM:
        # Autobind: who has no name gets no answer.
        peer.bind("")
    if receive_buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        peer.connect(where)
    except BaseException:
        peer.close()
        raise
    return peer


def address_of(peer, name):
    """`name` (of getsockname or getpeername) in the text form of the contract."""
    scheme = "tcp" if peer.type == socket.SOCK_STREAM else "udp"
    host, port = name[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def random_bytes(count, seed=0):
    """The same bytes for the same seed."""
    return random.Random(seed).randbytes(count)


def receive(peer, count):
    """Reads `count` bytes of a stream; fewer if it ends."""
    chunks = []
    while count > 0 and (chunk := peer.recv(min(count, 1 << 20))):
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def receive_all(peer):
    """Reads a stream to its end."""
    return receive(peer, 1 << 62)


def echo(peer, message):
    """One exchange; returns the answer."""
    peer.sendall(message)
    return receive(peer, len(message)) if peer.type == socket.SOCK_STREAM else peer.recv(65536)


def reset(peer):
    """Ends a connection with RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
