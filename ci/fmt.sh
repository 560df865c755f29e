#!/usr/bin/env bash
# Every crate is formatted as rustfmt would.
source "$(dirname "$0")/lib.sh"
cargo fmt --all -- --check
