#!/usr/bin/env bash
# The interleaving models. Without --cfg loom the crate is empty, so a run that found no model is a failure too.
source "$(dirname "$0")/lib.sh"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"

report=$(mktemp)
trap 'rm -f "$report"' EXIT
cargo test --release -p everline-loom-tests "$@" 2>&1 | tee "$report"

models=$(awk '$1 == "test" && $2 == "result:" { for (i = 3; i < NF; i++) if ($(i + 1) == "passed;") n += $i } END { print n + 0 }' "$report")
[[ $models -gt 0 ]] || fail "no loom model ran: is --cfg loom reaching the crate?"
echo "loom models run: $models"
