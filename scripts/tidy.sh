#!/usr/bin/env bash
# The house rules that neither rustfmt nor clippy knows. Prints each breach as file: what, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 # columns are characters, not bytes

longest_file=500
longest_line=100
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- '*.rs')
for file in "${sources[@]}"; do
    [ -e "$file" ] || continue # deleted, not yet committed

    head -n 1 "$file" | grep -q '^//!' ||
        echo "$file: does not open with //! (what it is for, what it leaves to others)"

    case "/$file" in
    */util.rs | */utils.rs | */util/* | */utils/* | */helper.rs | */helpers.rs | */helpers/* | \
        */common.rs | */common/* | */misc.rs | */misc/*)
        echo "$file: name it by what it does, not by being shared"
        ;;
    esac

    # rustfmt breaks code but not comments, and it cannot break a string: those may be longer.
    grep -nE "^.{$((longest_line + 1)),}" "$file" | grep -vE '"|https?://' |
        sed "s|^\([0-9]*\):.*|$file:\1: over $longest_line columns|" || true

    # Tests may be long: those beside the code begin at the first #[cfg(test)].
    case "$file" in
    crates/*/src/*/tests.rs | crates/*/src/tests.rs | crates/*/src/tests/* | crates/*/src/*/tests/*) ;;
    crates/*/src/*)
        lines=$(sed '/^#\[cfg(test)\]/,$d' "$file" | wc -l)
        [ "$lines" -le "$longest_file" ] ||
            echo "$file: $lines lines without tests, $longest_file at most; split it by verb"
        ;;
    esac
done >"$breaches"

if command -v shellcheck >/dev/null; then
    shellcheck .ci/run scripts/*.sh >>"$breaches" || true
fi

if [ -s "$breaches" ]; then
    cat "$breaches"
    exit 1
fi
echo "tidy: ${#sources[@]} files"
