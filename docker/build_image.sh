#!/usr/bin/env bash
# Builds the image `sockhost` from the Dockerfile, as `docker build -t sockhost .` does.
# usage: docker/build_image.sh [--no-cache]
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^project(sockhost VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
revision=$(git -c safe.directory="$PWD" rev-parse HEAD 2>/dev/null || echo unknown)

exec docker/engine.sh build "$@" --tag sockhost \
  --build-arg VERSION="$version" --build-arg REVISION="$revision" .
