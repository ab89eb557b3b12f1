#!/usr/bin/env bash
# The Python package: its environment, lints, tests and wheel. Without a verb lint and test.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

folder=target/python
wheels=target/wheels
longest_file=300

fail() {
    printf 'python: %s\n' "$*" >&2
    exit 1
}

# Debian's Python comes without what makes environments; asking it to import that tells.
can_make_environments() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

environment() {
    can_make_environments || install_packages python3 python3-venv
    can_make_environments || fail "python3 still cannot make environments after the installation"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "working on the package needs Python 3.11 or newer (using it needs 3.9)"
    # What was installed is kept beside it, so that nothing is asked of the network twice.
    if ! cmp -s python/requirements-dev.txt "$folder/requirements-dev.txt"; then
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check \
            -r python/requirements-dev.txt
        cp python/requirements-dev.txt "$folder/"
    fi
}

# The rule of the house that no linter knows.
short_files() {
    local long
    long=$(git ls-files --cached --others --exclude-standard -- 'python/gristmill/*.py' 'examples/*.py' |
        xargs wc -l | awk -v most="$longest_file" '$2 != "total" && $1 > most {print $2 ": " $1 " lines"}')
    [ -z "$long" ] || fail "split by verb what has over $longest_file lines: $long"
}

lint() {
    environment
    short_files
    (
        cd python
        "../$folder/bin/ruff" check --config pyproject.toml . ../examples
        "../$folder/bin/ruff" format --config pyproject.toml --check . ../examples
        "../$folder/bin/mypy"
    )
}

# Tests of the client need the binary; GRISTMILL_BINARY names one that was built elsewhere.
tests() {
    environment
    (cd python && "../$folder/bin/python" -m pytest "$@")
}

# Builds the binary and packs it with the package; what cargo has built already it uses.
pack() {
    environment
    (cd python && CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target} \
        "../$folder/bin/maturin" build "$@")
}

# The wheel for others: optimised and compressed.
wheel() {
    pack --release --out "../$wheels" "$@"
    ls -l "$wheels"
}

# What the wheel holds, and that it is enough. This one is for here: nothing is optimised or
# compressed, so that it costs little where the tests have built the binary.
wheel_test() {
    rm -rf "$folder/wheel"
    pack --quiet --auditwheel skip --compression-method stored --out "../$folder/wheel"
    GRISTMILL_WHEEL=$(realpath "$folder"/wheel/*.whl) tests tests/test_wheel.py "$@"
}

verb=${1:-check}
[ "$#" -eq 0 ] || shift
case "$verb" in
env) environment ;;
lint) lint ;;
test) tests "$@" ;;
wheel) wheel "$@" ;;
wheel-test) wheel_test "$@" ;;
check) lint && tests ;;
*) fail "unknown verb $verb; there are env, lint, test, wheel, wheel-test" ;;
esac
