#!/usr/bin/env bash
# No lint anywhere, tests and benches included. Lints that are allowed are allowed beside the code, with the reason.
source "$(dirname "$0")/lib.sh"
cargo clippy --workspace --all-targets -- -D warnings
