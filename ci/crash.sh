#!/usr/bin/env bash
# The power-failure suites at full depth, in release mode. `cargo test` runs the same suites at desk depth.
source "$(dirname "$0")/lib.sh"
export EVERLINE_CRASH=full
cargo test --release -p everline -p everline-region --test 'crash_*' "$@"
