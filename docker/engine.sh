#!/usr/bin/env bash
# Runs this machine's container engine: docker when its daemon answers, else podman, with the flags
# that podman needs to behave the same. The only file that knows the difference.
# usage: docker/engine.sh name | docker/engine.sh SUBCOMMAND ARGUMENT...   (as docker takes them)
# CONTAINER_ENGINE=docker|podman decides without asking.
set -euo pipefail

if [[ -z ${CONTAINER_ENGINE-} ]]; then
  if docker info >/dev/null 2>&1; then CONTAINER_ENGINE=docker; else CONTAINER_ENGINE=podman; fi
fi

if [[ $1 == name ]]; then
  echo "$CONTAINER_ENGINE"
  exit
fi
[[ $CONTAINER_ENGINE == podman ]] || exec docker "$@"

# runc: crun refuses the hybrid cgroup hierarchies that nested machines have.
podman=(podman --runtime runc)
# As root: its base image is made with debootstrap, which needs root.
((EUID == 0)) || podman=(sudo "${podman[@]}")

case $1 in
  build)
    # The image format that knows HEALTHCHECK; the isolation that also works inside a container.
    exec "${podman[@]}" build --format docker --isolation chroot "${@:2}"
    ;;
  run)
    # Limits: podman asks for 1 048 576 fds, which only a fully privileged caller may grant.
    # Tmpfs: podman would put its own over /run, which hides the mode that the image gives
    # /run/sockhost. Health check: podman's timer needs systemd.
    exec "${podman[@]}" run --ulimit "nofile=1024:$(ulimit -Hn)" --ulimit nproc=1024:2048 \
      --read-only-tmpfs=false --no-healthcheck "${@:2}"
    ;;
  *)
    exec "${podman[@]}" "$@"
    ;;
esac
