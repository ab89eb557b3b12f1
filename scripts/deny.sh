#!/usr/bin/env bash
# Judges Cargo.lock by deny.toml: licences, bans, sources, and advisories where a copy of their
# database is at hand. Builds cargo-deny once into a cache when the machine has none; why from
# source: docs/decisions/0006-cargo-deny-from-source.md.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
cache=${GRISTMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gristmill}
kept=$cache/cargo-deny-$version

new_enough() {
    local have
    have=$("$1" --version 2>/dev/null | cut -d' ' -f2) || return 1
    # 0.18 is the first to read the lock file and manifests of edition 2024.
    [ -n "$have" ] && [ "$(printf '%s\n' 0.18.0 "$have" | sort -V | head -n 1)" = 0.18.0 ]
}

if new_enough cargo-deny; then
    deny=cargo-deny
else
    deny=$kept/bin/cargo-deny
    if ! new_enough "$deny"; then
        echo "deny: building cargo-deny $version into $kept (once, a minute or two)"
        mkdir -p "$cache"
        build=$(mktemp -d "$cache/build.XXXXXX")
        trap 'rm -rf "$build"' EXIT
        # Unoptimised: it builds in a quarter of the time, and the check takes a second either way.
        CARGO_TARGET_DIR=$build cargo install cargo-deny --quiet --locked --debug \
            --version "$version" --root "$kept" ||
            { echo "deny: could not build cargo-deny; install it, or bring it to $deny" >&2 && exit 1; }
    fi
fi

"$deny" --locked check --hide-inclusion-graph bans licenses sources

databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if [ -n "$(ls -A "$databases" 2>/dev/null)" ]; then
    "$deny" --locked check --hide-inclusion-graph --disable-fetch advisories
else
    echo "deny: advisories not checked, there is no copy of the database in $databases"
fi
