#!/usr/bin/env bash
# The shell session of README, as a newcomer would type it, in an empty folder.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -p everline-cli
export PATH="$PWD/target/release:$PATH"
readme="$PWD/README.md"
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cd "$empty"
cp "$readme" .
session=$(awk '/^```sh$/ {inside=1; next} /^```$/ {inside=0} inside && /^everline /' README.md)
while IFS= read -r line; do
    echo "+ $line"
    # `doctor` answers 6 where the place is volatile, which is a right answer too.
    bash -c "$line" || { status=$?; [[ $line == everline\ doctor* && $status == 6 ]] || exit "$status"; }
done <<< "$session"
cmp README.md copy.md
echo "README's session ran as printed"
