#!/usr/bin/env bash
# Brings the last two columns of docs/FEATURES.md up to date with the tests that exist. A row with a test becomes done
# (partly stays partly: only a person knows that a scenario is not whole), a row without one planned.
source "$(dirname "$0")/lib.sh"
document=docs/FEATURES.md
rows=$(mktemp)
trap 'rm -f "$rows" "$rows.new"' EXIT

# The test may fail on the very rows that are about to be marked; what it prints counts. Where nothing is printed it
# did not build, and nothing is changed.
EVERLINE_PRINT_ROWS=1 cargo test -q -p everline --test tidy l17_ -- --nocapture >"$rows" 2>&1 || true
grep -q '^ROW ' "$rows" || { cat "$rows"; fail "the tidy test printed no rows"; }

awk -v rows="$rows" '
    BEGIN { while ((getline line < rows) > 0) if (split(line, part, " ") == 3 && part[1] == "ROW") tests[part[2]] = part[3] }
    /^\| [A-L][0-9]+ \|/ {
        split($0, cell, / *\| */)
        status = cell[5]; test = tests[cell[2]]
        if (test == "") status = "planned"; else if (status != "partly") status = "done"
        printf "| %s | %s | %s | %s |%s |\n", cell[2], cell[3], cell[4], status, (test == "" ? "" : " " test)
        next
    }
    { print }
' "$document" >"$rows.new"
cat "$rows.new" >"$document"
grep -cE '^\| [A-L][0-9]+ \|.*\| done \|' "$document" | sed 's/$/ rows done/'
grep -cE '^\| [A-L][0-9]+ \|.*\| partly \|' "$document" | sed 's/$/ rows partly/' || true
