#!/usr/bin/env bash
# The main job on real input: files go in under SIGKILL and power cuts, and what the command reports is held to its bounds.
source "$(dirname "$0")/lib.sh"
command -v jq >/dev/null || fail "jq is missing: run ci/setup.sh"

report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
cargo run --release -p everline-cli -- demo --json "$@" >"$report" || status=$?
cat "$report"
[[ $status -eq 0 ]] || fail "demo ended with exit code $status"

# One line a promise: a name, then what must hold.
bounds=(
    'ok == true'
    'files > 0'
    'bytes > 0'
    'kills >= 5'
    'kills_inside_tx >= 3'
    'lost == 0'
    'redone > 0'
    'undone > 0'
    'recovery_us_max > 0'
    'crash_points >= 2000'
    'crash_states >= 10000'
    'violations == 0'
    'waits.staged_8B == 1'
    'waits.undo_8B == 2'
)
jq -es 'length == 1 and (.[0] | type == "object")' "$report" >/dev/null || fail "demo --json did not print exactly one object"
missed=0
for bound in "${bounds[@]}"; do
    # A field that is missing is null, and null compares below every number: ask for its presence too.
    field=${bound%% *}
    if ! jq -e ".${field} != null and .${bound}" "$report" >/dev/null; then
        echo "demo: not so: $bound (it is $(jq -c ".${field}" "$report"))" >&2
        missed=$((missed + 1))
    fi
done
jq -e '.domain | type == "string" and length > 0' "$report" >/dev/null || { echo "demo: no durability domain" >&2; missed=$((missed + 1)); }
[[ $missed -eq 0 ]] || fail "demo: $missed of its promises are not kept"
echo "demo: all promises kept"
