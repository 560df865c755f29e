#!/usr/bin/env bash
# The documentation of every crate builds without a warning: no broken link, no undocumented public item.
source "$(dirname "$0")/lib.sh"
export RUSTDOCFLAGS="-D warnings"
cargo doc --workspace --no-deps
