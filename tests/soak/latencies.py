"""How long exchanges take, for the report of a soak test."""

import time

import peers


def measure(peer, exchanges, message=b"ping"):
    """Seconds that each of so many exchanges took, sorted."""
    taken = []
    for _ in range(exchanges):
        begin = time.perf_counter()
        assert peers.echo(peer, message) == message
        taken.append(time.perf_counter() - begin)
    return sorted(taken)


def percentile(taken, share):
    return taken[min(int(share * len(taken)), len(taken) - 1)]


def summary(taken):
    shares = ", ".join(
        f"p{100 * share:g} {1e6 * percentile(taken, share):.0f} us" for share in (0.5, 0.99, 0.999)
    )
    return f"{shares} of {len(taken)}"
