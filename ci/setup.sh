#!/usr/bin/env bash
# Prepares a fresh machine for .ci/run: the system packages that tests and comparisons use. Running it again changes nothing.
# Rust itself must be there already (https://rustup.rs); Debian and its relatives are known, elsewhere it says what to install.
source "$(dirname "$0")/lib.sh"

# package:command-or-header that shows it is there:what it is for
wanted=(
    "binutils:objdump:the test that disassembles the release path"
    "valgrind:valgrind:forcing an instruction where CPUID hides it"
    "pkg-config:pkg-config:finding the peers below"
    "jq:jq:reading what the demo reports"
    "libpmem-dev:/usr/include/libpmem.h:figures beside libpmem"
    "libpmemobj-dev:/usr/include/libpmemobj.h:figures beside libpmemobj"
)

have() { case $1 in /*) [[ -e $1 ]] ;; *) command -v "$1" >/dev/null ;; esac; }

command -v cargo >/dev/null || fail "cargo is not installed: see https://rustup.rs"
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 ||
        { command -v rustup >/dev/null && rustup component add "${component/fmt/rustfmt}"; } ||
        fail "cargo $component is missing and cannot be added"
done

missing=()
for entry in "${wanted[@]}"; do
    IFS=: read -r package witness _ <<<"$entry"
    have "$witness" || missing+=("$package")
done

if [[ ${#missing[@]} -gt 0 ]]; then
    if ! command -v apt-get >/dev/null; then
        not_checked "no apt-get here; install by hand what corresponds to: ${missing[*]}"
    else
        as_root=()
        if [[ $(id -u) -ne 0 ]]; then
            command -v sudo >/dev/null || fail "packages are missing (${missing[*]}) and there is neither root nor sudo"
            as_root=(sudo -n)
        fi
        for attempt in 1 2 3; do
            "${as_root[@]}" apt-get update -q >/dev/null && break
            echo "setup: apt-get update failed (attempt $attempt)" >&2
            sleep $((attempt * 3))
        done
        # One at a time: a package that one distribution lacks must not keep the others away.
        for package in "${missing[@]}"; do
            echo "setup: installing $package"
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install --yes --quiet --no-install-recommends "$package" >/dev/null ||
                echo "setup: $package cannot be installed" >&2
        done
    fi
fi

absent=0
for entry in "${wanted[@]}"; do
    IFS=: read -r package witness purpose <<<"$entry"
    if ! have "$witness"; then
        echo "setup: MISSING $package: $purpose" >&2
        absent=1
    fi
done
[[ $absent -eq 0 ]] || not_checked "what needs the packages above"

# Other targets are welcome and not required: ci/no_std.sh builds its own core where these cannot be had.
if command -v rustup >/dev/null; then
    for target in thumbv7em-none-eabihf aarch64-unknown-none riscv64gc-unknown-none-elf; do
        rustup target list --installed 2>/dev/null | grep -qx "$target" ||
            timeout 60 rustup target add "$target" >/dev/null 2>&1 ||
            echo "setup: rustup cannot add $target here; ci/no_std.sh takes another way" >&2
    done
fi
echo "setup: done"
