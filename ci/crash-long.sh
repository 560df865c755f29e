#!/usr/bin/env bash
# The long run of the power-failure laboratory, in slices that can be interrupted and taken up again: every workload of four
# operations and more on the transactions and the allocator, under both models, and random ones that work on after recovery.
#
#   ci/crash-long.sh [minutes] [jobs]     60 minutes on every core where nothing is said; 0 minutes only tells the sum
#
# One line of JSON a slice in target/crash-long/; a slice that has one is not run again. A violation ends the run.
source "$(dirname "$0")/lib.sh"

minutes=${1:-60}
jobs=${2:-$(nproc)}
ledger=target/crash-long
mkdir -p "$ledger"

if [[ $minutes -gt 0 ]]; then
    cargo test --release -p everline --test crash_long --no-run
    test_binary=$(cargo test --release -p everline --test crash_long --no-run --message-format=json 2>/dev/null |
        jq -r 'select(.executable != null) | .executable' | tail -1)
    end=$(($(date +%s) + minutes * 60))
    # Worker w takes every jobs-th slice that has no line yet.
    worker() {
        local slice
        for ((slice = $1; $(date +%s) < end; slice += jobs)); do
            [[ -e $ledger/$slice.json ]] && continue
            EVERLINE_CRASH_SLICE=$slice EVERLINE_CRASH_LEDGER=$ledger/$slice.json \
                "$test_binary" --exact slices_of_the_long_run_survive --nocapture >"$ledger/$slice.log" 2>&1 && continue
            tail -40 "$ledger/$slice.log" >&2
            echo "slice $slice FAILED: $ledger/$slice.log" >&2
            return 1
        done
    }
    workers=()
    for ((w = 0; w < jobs; w++)); do
        worker "$w" &
        workers+=($!)
    done
    for w in "${workers[@]}"; do wait "$w" || fail "a slice of the long run failed"; done
fi

shopt -s nullglob
slices=("$ledger"/*.json)
[[ ${#slices[@]} -gt 0 ]] || fail "no slice has been run"
jq -s -c '{slices: length, workloads: (map(.workloads) | add), in_part: (map(.in_part) | add),
    crash_points: (map(.crash_points) | add), executions: (map(.executions) | add),
    core_seconds: (map(.seconds) | add | floor)}' "${slices[@]}"
