#!/usr/bin/env bash
# All tests of all crates.
source "$(dirname "$0")/lib.sh"
cargo test --workspace "$@"
