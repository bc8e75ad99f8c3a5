#!/usr/bin/env bash
# Runs a verb of ./dev on a copy of this tree in an empty Debian 12 container: the proof that dev
# installs everything that it needs.
# usage: docker/bare_machine.sh VERB [ARGUMENT...]
set -euo pipefail
cd "$(dirname "$0")/.."

tar --create --exclude ./build --exclude ./.git . |
  docker/engine.sh run --rm --interactive --network host debian:bookworm-slim \
    sh -c 'mkdir /sockhost && cd /sockhost && tar --extract && exec ./dev "$@"' dev "$@"
