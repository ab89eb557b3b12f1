#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks. Says nothing when nothing is
# missing. Rust itself is presumed: which toolchain to have is not ours to decide.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

check_rust() {
    local wanted have
    if ! command -v cargo >/dev/null; then
        if [ -x "$HOME/.cargo/bin/cargo" ]; then
            fail "cargo is in $HOME/.cargo/bin but not on PATH; run: . \"\$HOME/.cargo/env\""
        fi
        fail "no cargo on PATH; install Rust first (rustup.rs, or your distribution's rustup)"
    fi
    wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)
    have=$(cargo --version | cut -d' ' -f2)
    # The smaller of the two versions must be the wanted one.
    if [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1)" != "$wanted" ]; then
        fail "Rust $wanted or newer is needed, this is $have; run: rustup update stable"
    fi
}

# A compiler without the C library's headers is as good as none, so build something.
c_compiler_works() {
    local out
    out=$(mktemp)
    echo '#include <stdio.h>
          int main(void) { return puts("") < 0; }' | cc -x c - -o "$out" 2>/dev/null
    local rc=$?
    rm -f "$out"
    return $rc
}

# libjpeg-turbo is built from source with its SIMD code: cmake, nasm, make and a C compiler. SQLite
# and BLAKE3 need the compiler too. curl asks the demonstration's server whether it is up. The tests of
# the ONNX host take its runtime from a Python package.
missing_packages() {
    c_compiler_works || echo gcc libc6-dev
    for tool in cmake nasm make curl; do
        command -v "$tool" >/dev/null || echo "$tool"
    done
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

check_rust
read -ra missing < <(missing_packages | xargs) || true
if [ "${#missing[@]}" -gt 0 ]; then
    install_packages "${missing[@]}"
    read -ra missing < <(missing_packages | xargs) || true
    [ "${#missing[@]}" -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
fi
