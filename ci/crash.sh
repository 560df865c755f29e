#!/usr/bin/env bash
# The power-failure suites in release mode, at the depth that a merge asks for; `EVERLINE_CRASH=full ci/crash.sh` explores everything.
# `cargo test` runs the same suites at desk depth. At the end stands how many crash states were recovered and judged; without
# arguments fewer than ten million fail.
source "$(dirname "$0")/lib.sh"
export EVERLINE_CRASH="${EVERLINE_CRASH:-merge}"
told=$(mktemp)
trap 'rm -f "$told"' EXIT
cargo test --release -p everline -p everline-region -p everline-kv --test 'crash_*' "$@" -- --nocapture 2>&1 | tee "$told"
total=$(grep -oE '[0-9]+ executions' "$told" | awk '{ sum += $1 } END { print sum + 0 }')
echo "crash: $total executions: distinct images on which the shipped open ran and every oracle was asked"
[[ $# -gt 0 || $total -ge 10000000 ]] || fail "fewer than ten million executions"
