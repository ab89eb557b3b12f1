#!/usr/bin/env bash
# All tests: set-up, unit and integration tests, documentation examples, end to end.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/onnx-test-set-up.sh

# Tests must pass under both runners: nextest gives each a process of its own and reports better,
# cargo test is what everybody has.
if cargo nextest --version >/dev/null 2>&1; then
    # What fails and what is slow; a line for each of the hundreds that pass would bury them.
    cargo nextest run --workspace --no-fail-fast --status-level slow --final-status-level fail
    cargo test --workspace --doc --quiet
else
    cargo test --workspace --no-fail-fast
fi

# The Python package, its host and its clients, against the binary that was just built.
target=$(cargo metadata --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
GRISTMILL_BINARY=$target/debug/gristmill scripts/python.sh test --quiet
CARGO_TARGET_DIR=$target scripts/python.sh wheel-test --quiet

for suite in e2e/*.sh; do
    [ -e "$suite" ] || continue
    echo "e2e: $suite"
    "$suite"
done
