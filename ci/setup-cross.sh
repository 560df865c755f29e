#!/usr/bin/env bash
# Brings a Rust toolchain that can build `core` for any target into target/cross-toolchain, beside the system:
# packages are fetched and unpacked there, nothing is installed. A stable rustup toolchain carries only the standard
# libraries that were added to it, and the source of the one below may be built by no other compiler.
#
# Usage: ci/setup-cross.sh            fetch and unpack, or do nothing where that has been done
#        source target/cross-toolchain/env && cargo build -Zbuild-std=core --target thumbv7em-none-eabihf ...
#
# Exit status 3 means that the packages cannot be had on this machine; anything else but 0 is a defect.
set -euo pipefail
cd "$(dirname "$0")/.."

root="$PWD/target/cross-toolchain"
stamp="$root/env"

if [[ -f $stamp ]]; then
    echo "cross toolchain: already in $root"
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "cross toolchain: NOT AVAILABLE: this machine has no apt-get and dpkg" >&2
    exit 3
fi

tmp="$root.partial"
rm -rf "$tmp"
mkdir -p "$tmp/archives/partial" "$tmp/root"

# The lists may be as old as the machine's image; the packages come from the security suite, which moves.
as_root=()
[[ $(id -u) -eq 0 ]] || { command -v sudo >/dev/null && as_root=(sudo -n); }
for attempt in 1 2 3; do
    "${as_root[@]}" apt-get update -q >/dev/null 2>&1 && break
    echo "cross toolchain: apt-get update failed (attempt $attempt)" >&2
    sleep $((attempt * 2))
done

# Resolve what is missing here, dependencies included, and fetch it without installing any of it.
if ! apt-get install --yes --no-install-recommends --download-only \
    -o Debug::NoLocking=1 -o Dir::Cache::archives="$tmp/archives" \
    rustc-web cargo-web rust-web-src >"$tmp/fetch.log" 2>&1; then
    tail -5 "$tmp/fetch.log" >&2
    echo "cross toolchain: NOT AVAILABLE: rustc-web, cargo-web and rust-web-src cannot be fetched" >&2
    exit 3
fi
for package in "$tmp"/archives/*.deb; do
    dpkg -x "$package" "$tmp/root"
done
rm -rf "$tmp/archives"

# Only the library sources are needed of the source package.
source_root=$(find "$tmp/root/usr/src" -maxdepth 1 -name 'rustc-*' -type d | head -1)
rm -rf "$source_root/compiler" "$source_root/src" "$source_root/debian"

libraries=$(find "$tmp/root/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu' | head -1)
for needed in "$tmp/root/usr/bin/rustc" "$tmp/root/usr/bin/cargo" "$source_root/library/core/Cargo.toml" "$libraries"; do
    [[ -e $needed ]] || { echo "cross toolchain: a package did not contain $needed" >&2; exit 1; }
done

# The variables are computed where the file is read, so that a moved checkout keeps its toolchain.
cat >"$tmp/env" <<ENV
cross_toolchain=\$(cd "\$(dirname "\${BASH_SOURCE[0]}")" && pwd)
export CARGO="\$cross_toolchain/root/usr/bin/cargo"
export RUSTC="\$cross_toolchain/root/usr/bin/rustc"
export RUSTDOC="\$cross_toolchain/root/usr/bin/rustdoc"
export LD_LIBRARY_PATH="\$cross_toolchain/root/usr/lib/$(basename "$libraries")\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export RUSTC_BOOTSTRAP=1
ENV
(source "$tmp/env" && "$RUSTC" --version && "$CARGO" --version) || {
    echo "cross toolchain: the unpacked compiler does not start" >&2
    exit 1
}
rm -rf "$root"
mv "$tmp" "$root"
echo "cross toolchain: ready in $root"
