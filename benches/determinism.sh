#!/usr/bin/env bash
# The digest of everything that a run writes, by number of workers and processes, uninterrupted and killed on the way.
#
# usage: benches/determinism.sh [PIPELINE [KILLS]]      (default: sea, 5)
#
# Prints the table that stands in benches/README.md; exit code 1 if two digests differ. Everything: the streams, the
# progress records, the versions with their cards and log; not what clocks say (summary.json). A kill is a SIGKILL of
# the supervisor or process after a random part of the time that an uninterrupted run takes; its children die with it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
pipeline=${1:-sea}
kills=${2:-5}
program=${CARGO_TARGET_DIR:-target}/release/tidemill
cargo build --release --locked --quiet --bin tidemill
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

digest() {
    (cd "$1" && find . -type f ! -name summary.json ! -name lock | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16)
}

run() { "$program" run "$pipeline" --quiet --out "$work/out" "$@"; }

RANDOM=${SEED:-1}
echo "| workers | uninterrupted | killed $kills times |"
echo "| --- | --- | --- |"
digests=()
for shape in "-w 1" "-w 2" "-w 4" "-n 2 -w 1" "-n 2 -w 2"; do
    # shellcheck disable=SC2086 # a shape is several words
    {
        rm -rf "$work/out"
        began=$(date +%s%N)
        run $shape
        took=$((($(date +%s%N) - began) / 1000000))
        whole=$(digest "$work/out")
        rm -rf "$work/out"
        for _ in $(seq "$kills"); do
            after=$((RANDOM * took / 32768))
            after=$((after / 1000)).$(printf %03d $((after % 1000)))
            # The shell would tell of each that was killed; what goes wrong otherwise shows in the digest.
            { timeout --signal=KILL "$after" "$program" run "$pipeline" --quiet --out "$work/out" $shape || true; } \
                2>/dev/null
        done
        run $shape
        killed=$(digest "$work/out")
    }
    echo "| \`$shape\` | \`$whole\` | \`$killed\` |"
    digests+=("$whole" "$killed")
done
[ "$(printf '%s\n' "${digests[@]}" | sort -u | wc -l)" -eq 1 ] || { echo "they differ" >&2; exit 1; }
