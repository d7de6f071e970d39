#!/usr/bin/env bash
# The benches: builds the engine and the hand-written loops, generates the stream, measures, prints the tables.
#
# usage: benches/run.sh [--short] [--markdown]
#
# --short: cut inputs, each once, less than a minute after the build; checks that the hand-written loops write the
# engine's bytes, prints ratios, and asserts no timing. --markdown: the tables as they stand in benches/README.md.
# Python: PYTHON (default python3); numpy generates the stream (without it only flights is measured), River is a peer
# if it can be imported. Works under target/bench and target/stream. Exit code 1 if bytes differ.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --release --locked --bin tidemill
cargo bench --locked --bench core --no-run
exec "${PYTHON:-python3}" benches/measure.py "$@"
