#!/usr/bin/env bash
# Makes debian:bookworm-slim for podman from Debian packages, for machines that reach a Debian
# mirror but no image registry. Does nothing when podman already has an image of that name.
# usage: docker/base_image.sh [--fresh]
set -euo pipefail

readonly IMAGE=debian:bookworm-slim
readonly RELEASE=bookworm

# This machine's Debian sources, "URL SUITE COMPONENT..." a line: the image must install from
# mirrors that can be reached from here.
machine_sources() {
  # shellcheck disable=SC2016 # $(...) here is apt's own format language.
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sed -nE "/ $RELEASE(-[a-z]+)? /p" | sort -u
}

# How this machine reaches them: proxies, certificates, checks that are off.
machine_apt_settings() {
  apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|AllowInsecure)' || true
}

make_rootfs() {
  local rootfs=$1 mirror options=()
  mirror=$(machine_sources | awk -v suite=$RELEASE '$2 == suite { print $1; exit }')
  # minbase cannot check certificates.
  [[ $mirror != https:* ]] || options+=(--include=ca-certificates)
  debootstrap --variant=minbase "${options[@]}" $RELEASE "$rootfs" ${mirror:+"$mirror"}
  [[ -z $mirror ]] || machine_sources | sed 's/^/deb /' >"$rootfs/etc/apt/sources.list"
  machine_apt_settings >"$rootfs/etc/apt/apt.conf.d/90machine"
  if [[ $mirror == https:* ]]; then
    cp /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/"
  fi
}

# What "slim" means for the official image: no documentation, no translations, no package cache.
slim_down() {
  find "$1"/usr/share/{doc,info,locale,man} -mindepth 1 -delete
  find "$1"/var/cache/apt "$1"/var/lib/apt/lists "$1"/var/log -type f -delete
  cat >"$1/etc/dpkg/dpkg.cfg.d/slim" <<'CONFIG'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
CONFIG
  echo 'Acquire::Languages "none";' >"$1/etc/apt/apt.conf.d/90slim"
}

main() {
  if [[ ${1-} != --fresh ]] && podman image exists $IMAGE; then
    echo "podman has $IMAGE"
    return
  fi
  local rootfs
  rootfs=$(mktemp -d "${TMPDIR:-/var/tmp}/sockhost-base.XXXXXX")
  # shellcheck disable=SC2064 # The path is fixed now.
  trap "rm -rf '$rootfs'" EXIT
  chmod 755 "$rootfs" # It becomes the image's root folder, which every user must enter.
  make_rootfs "$rootfs"
  slim_down "$rootfs"
  tar -C "$rootfs" -c . | podman import - $IMAGE
}

main "$@"
