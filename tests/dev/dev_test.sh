#!/usr/bin/env bash
# Tests of the script `dev`: its verb table, its package check, and how it reports a failed step.
set -euo pipefail
cd "$(dirname "$0")/../.."

work_dir=$(mktemp -d)
trap 'rm -rf "$work_dir"' EXIT
failures=0

fail() {
  printf 'FAILED: %s: %s\n' "$test_name" "$*"
  failures=$((failures + 1))
}

expect_contains() {
  [[ $1 == *"$2"* ]] || fail "\"$2\" is not in: $1"
}

# in_dev COMMAND...: runs COMMAND with the functions of dev; prints all that it prints, then its
# exit code.
in_dev() {
  local status=0
  (
    export DEV_LOG_DIR=$work_dir/log VERB='test'
    # shellcheck source=/dev/null
    source ./dev
    "$@"
  ) 2>&1 || status=$?
  printf 'exit code %d\n' "$status"
}

# with_stub_apt COMMAND...: with an apt-get that only notes how it was called.
with_stub_apt() {
  mkdir -p "$work_dir/stubs"
  rm -f "$work_dir/apt-calls"
  printf '#!/bin/sh\necho "apt-get $*" >>"%s/apt-calls"\n' "$work_dir" >"$work_dir/stubs/apt-get"
  chmod +x "$work_dir/stubs/apt-get"
  PATH=$work_dir/stubs:$PATH "$@"
}

test_help_lists_every_verb_and_each_has_a_function() {
  local output verb
  output=$(./dev help)
  for verb in demo build test asan tsan faults soak certs format image; do
    expect_contains "$output" "  $verb "
    expect_contains "$(in_dev has_function "$verb")" 'exit code 0'
  done
}

has_function() {
  declare -F "$(function_of "$1")"
}

test_unknown_verb_is_a_usage_error() {
  local output status=0
  output=$(./dev frobnicate 2>&1) || status=$?
  ((status == 2)) || fail "exit code $status"
  expect_contains "$output" "no verb 'frobnicate'"
}

test_unknown_argument_is_refused() {
  expect_contains "$(./dev format --frobnicate 2>&1 || true)" "'--frobnicate'"
}

test_installed_packages_need_no_apt() {
  expect_contains "$(with_stub_apt in_dev need_these bash coreutils)" 'exit code 0'
  [[ ! -e $work_dir/apt-calls ]] || fail "$(<"$work_dir/apt-calls")"
}

test_missing_packages_are_installed() {
  ((EUID == 0)) || return 0 # As another user it would ask for a password.
  local output
  output=$(with_stub_apt in_dev need_these bash no-such-package)
  expect_contains "$output" 'install 1 Debian packages'
  expect_contains "$(<"$work_dir/apt-calls")" 'install -y --no-install-recommends no-such-package'
}

need_these() {
  local wanted=("$@")
  # shellcheck disable=SC2317 # need calls it.
  listed_packages() { printf '%s\n' "${wanted[@]}"; }
  need any
}

test_failed_step_shows_command_log_and_its_end() {
  local output
  output=$(in_dev step 'read it' sh -c 'echo the reason; exit 7')
  expect_contains "$output" 'FAILED (exit code 7)'
  expect_contains "$output" 'the reason'
  expect_contains "$output" "$work_dir/log/test-read-it.log"
  expect_contains "$output" 'the command was: sh -c echo the reason; exit 7'
  expect_contains "$output" 'exit code 1'
}

test_skipped_tests_are_not_counted_as_passed() {
  printf '%s\n' ' 3/20 Test #3: A.B ....***Skipped   0.01 sec' \
    '90% tests passed, 2 tests failed out of 20' >"$work_dir/ctest.log"
  expect_contains "$(in_dev print_ctest_count "$work_dir/ctest.log")" \
    'tests: 17 passed, 2 failed, 1 skipped'
}

test_shell_scripts_pass_shellcheck() {
  local scripts
  mapfile -t scripts < <(find docker tests -name '*.sh')
  shellcheck dev .ci/run "${scripts[@]}" || fail 'see above'
}

for test_name in $(declare -F | sed -n 's/^declare -f \(test_\)/\1/p'); do
  printf '%s\n' "$test_name"
  "$test_name"
done
((failures == 0))
