#!/usr/bin/env bash
# The main job on real input: the sample photographs, first on this machine alone, then any program
# as a job by way of a server and a worker. Leaves the results in demo-out/ and nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

echo "Building gristmill (the first time takes some minutes) ..."
cargo build --release --quiet -p gristmill
target=$(cargo metadata --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
gristmill=$target/release/gristmill

# What is about to run, as a person would type it.
say() {
    printf '\n$ %s\n' "$1"
}

results=demo-out
mkdir -p "$results"
echo '*' >"$results/.gitignore"

say "gristmill images samples/photos $results --resize 512x512 --gray --flip h --exclude '*.md'"
# --force: shown again, it should do the work again instead of finding it done.
"$gristmill" images samples/photos "$results" --resize 512x512 --gray --flip h --exclude '*.md' \
    --report "$results/report.csv" --force
echo "The pictures are in $results/, one row for each in $results/report.csv."

# Second part: a server and a worker on loopback, with a data folder that goes away afterwards.
scratch=$(mktemp -d)
started=()
stop() {
    # Last started, first ended: the worker hands its work back while the server still listens.
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        kill "${started[i]}" 2>/dev/null || true
        wait "${started[i]}" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap stop EXIT

free_port() {
    local port
    for _ in {1..50}; do
        port=$((20000 + RANDOM % 30000))
        # Nobody answers there, so we may.
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    return 1
}

port=$(free_port)
server=http://127.0.0.1:$port

say "gristmill serve --bind 127.0.0.1:$port"
"$gristmill" serve --bind "127.0.0.1:$port" --data "$scratch/data" >"$scratch/serve.log" 2>&1 &
started+=($!)
for ((i = 0; ; i++)); do
    curl --silent --fail --output /dev/null "$server/healthz" && break
    if [ "$i" -eq 100 ] || ! kill -0 "${started[0]}" 2>/dev/null; then
        echo "demo: the server did not come up; it said:" >&2
        cat "$scratch/serve.log" >&2
        exit 1
    fi
    sleep 0.1
done

say "gristmill work --server $server"
"$gristmill" work --server "$server" >"$scratch/work.log" 2>&1 &
started+=($!)

say "gristmill submit --server $server --wait -- sha256sum '{input}' ::: samples/photos/*.jpg"
timeout 60 "$gristmill" submit --server "$server" --wait -- sha256sum '{input}' ::: \
    samples/photos/*.jpg || {
    echo "demo: the jobs did not end well; the worker said:" >&2
    cat "$scratch/work.log" >&2
    exit 1
}

printf '\nDone. gristmill is %s; try: %s --help\n' "$gristmill" "$gristmill"
