#!/usr/bin/env bash
# Makes the golden data folders with a build of gristmill, and writes down what it answers about them.
#
#   make.sh BINARY OUT [NAME...]
#
# BINARY is the program `gristmill` whose folders are made; OUT gets a folder for each NAME (by default
# for each that there is). OLD=PROGRAM in the environment is a build that writes format 2; without it
# format2 is left out. Everything happens in /tmp/golden, which must not be there, on loopback. It takes
# a minute and needs bash and python3, no packages.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binary=$(realpath "$1")
out=$(realpath -m "$2")
shift 2
here=$(dirname "$(realpath "$0")")
home=/tmp/golden

mkdir "$home" || { echo "$home is there: somebody makes folders, or did not end; remove it" >&2; exit 1; }
trap 'rm -rf "$home"' EXIT

# Nothing of whoever makes them gets into the folders.
cd "$home"
env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$home" TMPDIR="$home/tmp" LANG=C.UTF-8 TZ=UTC \
    GOLDEN_HOME="$home" GRISTMILL_LOG="${GRISTMILL_LOG:-warn}" PYTHONDONTWRITEBYTECODE=1 \
    python3 "$here/making/make.py" "$binary" "${OLD:+$(realpath "$OLD")}" "$out" "$@"
