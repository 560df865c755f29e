# Shared by the scripts in ci/; sourced, never run.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One loud line about something that was not checked. Where EVERLINE_REQUIRE_TOOLS is 1, as in .ci/run, that is a failure.
not_checked() {
    echo "NOT CHECKED: $*" >&2
    if [[ ${EVERLINE_REQUIRE_TOOLS:-0} == 1 ]]; then
        echo "EVERLINE_REQUIRE_TOOLS=1: what is not checked counts as failed" >&2
        exit 1
    fi
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
