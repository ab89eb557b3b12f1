#!/usr/bin/env bash
# What must hold before a change goes in; CI runs exactly this. Every step runs even when an earlier
# one fails, so that one round shows all there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

failed=()
started=$SECONDS

step() {
    local name=$1 from=$SECONDS verdict=ok
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || { verdict=FAILED && failed+=("$name"); }
    printf '== %s: %s, %d s\n' "$name" "$verdict" $((SECONDS - from))
}

# Nobody else says it: a manifest that has moved on is otherwise resolved anew, quietly.
lock_is_current() {
    cargo metadata --locked --format-version 1 >/dev/null
}

# Without the compiler nothing below can pass, and a page of its failures would hide the reason.
step setup scripts/setup.sh
if [ "${#failed[@]}" -eq 0 ]; then
    step lock lock_is_current
    step fmt cargo fmt --all --check
    step tidy scripts/tidy.sh
    step clippy cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" step docs cargo doc --workspace --no-deps --locked
    step deny scripts/deny.sh
    step dependencies scripts/unused_dependencies.py
    step python scripts/python.sh lint
    step test make --no-print-directory test
    # The tests have built it; built alone it would want other features of its dependencies.
    step sim "${CARGO_TARGET_DIR:-target}/debug/gristmill-sim" --start 1 --seeds 2000
fi

echo
if [ "${#failed[@]}" -gt 0 ]; then
    echo "CHECK FAILED: ${failed[*]} ($((SECONDS - started)) s)"
    exit 1
fi
echo "CHECK PASSED ($((SECONDS - started)) s)"
