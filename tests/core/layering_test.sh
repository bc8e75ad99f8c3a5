#!/bin/sh
# Fails when an include, an import or a symbol points to where a layer must not
# look: client -> proto; server -> proto, service_core; tests -> all. And when the
# wall clock is read elsewhere than where a time of day is told.
#
#   layering_test.sh SOURCE_DIR [LIBSOCKHOST_CORE]
#   layering_test.sh --self-test       checks that violations are found
set -u

# What was found: the checks are ends of pipelines, which cannot set variables.
findings=$(mktemp)
trap 'rm -f "$findings"' EXIT

# report LAYER RULE: a finding if there is anything on standard input.
report() {
  found=$(cat)
  [ -z "$found" ] || printf '%s: %s:\n%s\n' "$1" "$2" "$found" >> "$findings"
}

# Every include of a folder, as "file:line:path".
includes_of() {
  [ -d "$1" ] || return
  find "$1" -name '*.h' -o -name '*.hpp' -o -name '*.cc' -o -name '*.c' | sort |
    xargs -r grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' /dev/null |
    sed -E 's/^([^:]*:[0-9]+:).*["<]([^">]+)[">].*/\1\2/'
}

check_sources() {
  # A path with a slash is the system's, Abseil's or the core's own.
  includes_of "$1/service_core" |
    grep -vE ':((sys|net|netinet|arpa|linux|bits|asm)/|absl/|zephyr/|sockhost/|kernel/)?[^/:]+$' |
    grep -vE ':(absl|zephyr)/[^:]+$' |
    report service_core 'includes what is not libc, Abseil or its own'
  includes_of "$1/service_core" | grep -E ':(absl/log/|CLI|spdlog|sqlite|gtest|gmock)' |
    report service_core 'includes a library that it does not link'
  includes_of "$1/client" | grep -E ':(server|service_core|tests|zephyr)/' |
    report client 'includes another layer than proto'
  includes_of "$1/client" | grep -E ':sockhost/' | grep -vE ':sockhost/v1/' |
    report client 'includes a header of service_core'
  includes_of "$1/server" | grep -E ':(client|tests)/' |
    report server 'includes a layer above it'
  if [ -d "$1/proto" ]; then
    find "$1/proto" -name '*.proto' | sort |
      xargs -r grep -nE '^[[:space:]]*import' /dev/null |
      grep -vE 'import (public )?"(google|grpc|sockhost/v1)/' |
      report proto 'imports what is not proto'
    find "$1/proto" -name '*.h' -o -name '*.cc' | report proto 'holds code'
  fi
}

# Where a time of day is told: to people, to clients, or to X.509. Everything that
# waits or measures takes CLOCK_MONOTONIC, which nobody can set.
tells_time_of_day='service_core/(event_ring|listener_life|listener_sockets|service_loop)\.cc
service_core/socket_(removal|table)\.cc
service_core/include/zephyr/sys/clock\.h
server/(audit_log|call_interceptor|daytime_service|listener_record|logging|main|process_end)\.cc
server/(server_certificates|signal_safe_line|socket_sample|time_service|upstream_encoding)\.cc'

check_clocks() {
  allowed=$(printf '%s' "$tells_time_of_day" | tr '\n' '|')
  (cd "$1" && find service_core server -name '*.h' -o -name '*.cc' 2>/dev/null | sort |
    xargs -r grep -nE \
      'absl::Now\(|GetCurrentTimeNanos|CLOCK_REALTIME|gettimeofday|[^_]time\(nullptr\)|CondVar' \
      /dev/null) | grep -vE "^($allowed):" |
    report clocks 'reads the wall clock, or waits by it as absl::CondVar does'
}

check_symbols() {
  nm -uC "$1" 2>/dev/null | grep -E 'grpc|google::|protobuf|prometheus|sqlite|spdlog' | sort -u |
    report "$1" 'needs symbols of gRPC, protobuf or other libraries of the server'
  # Proof that nm could read it.
  nm -uC "$1" 2>/dev/null | grep -q epoll_create1 ||
    echo 'no use of epoll_create1 found' | report "$1" 'is not the service core'
}

# What the checks say of a tree that holds this one file.
findings_of_one() {
  tree=$(mktemp -d)
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "$2" > "$tree/$1"
  check_sources "$tree"
  check_clocks "$tree"
  rm -rf "$tree"
  cat "$findings"
  : > "$findings"
}

expect_found() {
  [ -n "$(findings_of_one "$1" "$2")" ] || mistakes="$mistakes
not found: $1: $2"
}

expect_allowed() {
  [ -z "$(findings_of_one "$1" "$2")" ] || mistakes="$mistakes
not allowed: $1: $2"
}

self_test() {
  mistakes=
  expect_found service_core/a.cc '#include <grpcpp/grpcpp.h>'
  expect_found service_core/a.cc '#include "google/protobuf/message.h"'
  expect_found service_core/a.h '  #  include "sockhost/v1/admin.pb.h"'
  expect_found service_core/kernel/a.cc '#include "server/main.h"'
  expect_found service_core/include/sockhost/a.h '#include <client/output.h>'
  expect_found service_core/a.cc '#include "spdlog/spdlog.h"'
  expect_found service_core/a.c '#include <sqlite3.h>'
  expect_found client/a.cc '#include "service_core/listener.h"'
  expect_found client/a.cc '#include "server/store.h"'
  expect_found client/a.cc '#include "sockhost/service_host.h"'
  expect_found client/a.h '#include <zephyr/net/socket.h>'
  expect_found server/a.cc '#include "client/output.h"'
  expect_found server/a.cc '#include "tests/core/sockets.h"'
  expect_found proto/sockhost/v1/a.proto 'import "server/a.proto";'
  expect_found proto/a.h '// code'
  expect_found server/a.cc 'deadline = absl::Now() + limit;'
  expect_found service_core/a.cc 'clock_gettime(CLOCK_REALTIME, &now);'
  expect_found server/a.h 'absl::CondVar changed_;'
  expect_allowed server/time_service.cc 'absl::Now()'
  expect_allowed service_core/a.cc 'clock_gettime(CLOCK_MONOTONIC, &now);'
  expect_allowed service_core/a.cc '#include "absl/strings/str_cat.h"'
  expect_allowed service_core/a.cc '#include <netinet/in.h>'
  expect_allowed service_core/a.cc '#include "sockhost/error.h"'
  expect_allowed service_core/a.c '#include <zephyr/net/socket_service.h>'
  expect_allowed client/a.cc '#include "sockhost/v1/admin.grpc.pb.h"'
  expect_allowed server/a.cc '#include "sockhost/service_host.h"'
  expect_allowed proto/sockhost/v1/a.proto 'import "google/protobuf/timestamp.proto";'
}

if [ "$1" = --self-test ]; then
  self_test
  [ -z "$mistakes" ] && exit 0
  echo "$mistakes"
  exit 1
fi
[ -d "$1/service_core" ] || { echo "no service_core in $1"; exit 1; }
check_sources "$1"
check_clocks "$1"
[ $# -ge 2 ] && check_symbols "$2"
cat "$findings"
[ ! -s "$findings" ]
