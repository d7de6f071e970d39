#!/usr/bin/env bash
# Breaks the project on purpose, one way after the other, and runs the tests that must notice.
#
# usage: tests/broken.sh [NAME..]      names: order sync progress members; all unless told. Exit code 1 if one goes unnoticed.
#
# Works on copies under target/broken, built in a folder of their own (CARGO_TARGET_DIR if it is set: not the project's,
# whose program would be replaced by a broken one). About five minutes a name after the first build.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$PWD/target/broken
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$work/build}
unnoticed=0

# broken NAME FILE FROM TO TEST..: replaces a line's text in a copy, and runs the tests.
broken() {
    local name=$1 file=$2 from=$3 to=$4
    shift 4
    mkdir -p "$work/source"
    git ls-files -z | xargs -0 cp --parents -t "$work/source"
    FROM=$from TO=$to perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/ or die "$ARGV has no such line\n"' "$work/source/$file"
    if (cd "$work/source" && cargo test --release --no-run "${@:1:2}") >"$work/$name.log" 2>&1; then
        if (cd "$work/source" && cargo test --release "$@") >>"$work/$name.log" 2>&1; then
            echo "$name: NOT NOTICED by cargo test $*"
            unnoticed=1
        else
            echo "$name: noticed by $(grep -E '^test .* FAILED$' "$work/$name.log" | awk '{print $2}' | tr '\n' ' ')"
        fi
    else
        echo "$name: it does not even build, see $work/$name.log"
        unnoticed=1
    fi
}

order() {
    # Rows of a tick are worked in the order in which partitions happened to deliver.
    broken order src/flow/mint/open.rs 'if !self.sorted {' 'if self.records() == usize::MAX {' \
        --test crash -- replay:: checkpoints::a_live_run
}

sync() {
    # A file is renamed into its place before its bytes are durable.
    broken sync src/state/disk/mod.rs 'file.sync()?;' '' --lib state::
}

progress() {
    # A tick's progress record is durable before its lines are.
    broken progress src/sink/file/mod.rs 'for output in self.outputs.values_mut() {' \
        'self.log.put(&self.progress)?; self.progress.clear(); self.log.make_durable(["", "", "progress.synced"])?; for output in self.outputs.values_mut() {' \
        --test crash -- points::whatever
}

members() {
    # Members of an ensemble begin anew where a checkpoint is taken up.
    broken members src/flow/voting.rs 'self.copy.adopt(whole, self.share)' 'whole.updates() < u64::MAX' \
        --test crash -- checkpoints::a_run_goes_on
}

for name in "${@:-order sync progress members}"; do
    for one in $name; do
        "$one"
    done
done
exit "$unnoticed"
