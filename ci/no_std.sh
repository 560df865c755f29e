#!/usr/bin/env bash
# The core without std, and without alloc: it builds, what it links proves it, and it builds for targets that have neither.
source "$(dirname "$0")/lib.sh"
out="${CARGO_TARGET_DIR:-target}/no_std"

# Prints the names of the crates a library was compiled against, proc-macros left out.
crates_behind() {
    local library=$1
    RUSTC_BOOTSTRAP=1 rustc -Zls=root "$library" |
        sed -n '/External Dependencies/,/^$/p' | awk '$1 ~ /^[0-9]+$/ { sub(/-[0-9a-f]+$/, "", $2); print $2 }'
}

# check_host NAME FORBIDDEN FEATURES...: builds for this machine, then looks for crates that must not be there.
check_host() {
    local name=$1 forbidden=$2
    shift 2
    echo "-- no_std on this machine: $name"
    cargo build -p everline --no-default-features "$@" --target-dir "$out/$name"
    local library="$out/$name/debug/libeverline.rlib" behind
    behind=$(crates_behind "$library")
    grep -qx core <<<"$behind" || fail "cannot tell what $library links: core itself was not listed"
    if grep -xE "$forbidden" <<<"$behind"; then
        fail "everline ($name) links the crates above"
    fi
    # Symbols are a second witness that does not lean on compiler metadata (the archive's own metadata member is no object).
    local named
    named=$(nm -uC "$library" 2>/dev/null | grep -E "[ <](${forbidden})::|__rust_alloc" | sort -u || true)
    if [[ $name == alloc ]]; then named=$(grep -v __rust_alloc <<<"$named" || true); fi
    [[ -z $named ]] || fail "everline ($name) refers to: $named"
    if cargo tree -p everline --no-default-features "$@" -e features,normal,no-proc-macro | grep -E '(everline|everline-arch|crc32fast|thiserror|bitflags|zerocopy) feature "std"'; then
        fail "a dependency of everline ($name) has its std feature on"
    fi
}

check_host core 'std|alloc'
check_host alloc 'std' --features alloc

# Other targets. A toolchain from rustup builds for the ones that were added to it; the unpacked one builds its own core.
installed=$(rustup target list --installed 2>/dev/null || true)
cross=unknown

# Fetches the toolchain at the first target that needs it.
cross_works() {
    if [[ $cross == unknown ]]; then
        local status=0
        ci/setup-cross.sh || status=$?
        case $status in 0) cross=yes ;; 3) cross=no ;; *) fail "ci/setup-cross.sh ended with $status" ;; esac
    fi
    [[ $cross == yes ]]
}

build_for() {
    local target=$1
    if grep -qx "$target" <<<"$installed"; then
        echo "-- no_std for $target (rustup)"
        cargo build -p everline --no-default-features --target "$target" --target-dir "$out/rustup"
    elif cross_works; then
        echo "-- no_std for $target (core built from source; alloc and std do not exist there)"
        (
            source target/cross-toolchain/env
            "$CARGO" build -Zbuild-std=core --target "$target" -p everline --no-default-features --target-dir "$out/cross"
        )
    else
        not_checked "everline for $target: neither rustup nor the Debian toolchain offers it here"
    fi
}

for target in thumbv7em-none-eabihf aarch64-unknown-linux-gnu riscv64gc-unknown-linux-gnu; do
    build_for "$target"
done
for target in aarch64-unknown-none riscv64gc-unknown-none-elf; do
    if grep -qx "$target" <<<"$installed"; then build_for "$target"; fi
done

# With std: the paths that ask the kernel what the CPU can do exist only there.
with_std=aarch64-unknown-linux-gnu
if grep -qx "$with_std" <<<"$installed"; then
    cargo check -p everline --target "$with_std" --target-dir "$out/rustup"
elif cross_works; then
    echo "-- with std for $with_std (check only, std from source)"
    (
        source target/cross-toolchain/env
        "$CARGO" check -Zbuild-std=std,panic_abort --target "$with_std" -p everline --target-dir "$out/cross"
    )
else
    not_checked "everline with std for $with_std"
fi
echo "no_std: done"
