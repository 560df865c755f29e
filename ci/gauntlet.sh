#!/usr/bin/env bash
# The laboratory put to the test, and the real layers with planted bugs: all caught, all controls clean.
# `ci/gauntlet.sh --quick` ends within a minute; without arguments the equivalence runs on 100,000 programs.
source "$(dirname "$0")/lib.sh"
cargo run --release -p everline-crash --bin gauntlet -- "$@"
