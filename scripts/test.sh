#!/usr/bin/env bash
# All tests, against real Apache Kafka where it can be had.
#
#   scripts/test.sh [ARGUMENTS OF cargo test]
#
# Starts a broker (scripts/kafka.sh) unless TIDEMILL_KAFKA names one, runs `cargo test --release`, stops the broker that it
# started, and exits as the tests did. Without a broker the tests that need one are skipped, and the last line says so.
# TIDEMILL_TEST_KAFKA=required makes that a failure.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
kafka=
if [ -n "${TIDEMILL_KAFKA:-}" ]; then
    kafka="the broker at $TIDEMILL_KAFKA"
elif line=$(scripts/kafka.sh status 2>/dev/null); then
    eval "$line"
    kafka="the broker that was running at $TIDEMILL_KAFKA"
elif line=$(scripts/kafka.sh start); then
    trap 'scripts/kafka.sh stop || true' EXIT
    eval "$line"
    kafka="a broker of its own"
elif [ "${TIDEMILL_TEST_KAFKA:-}" = required ]; then
    echo "test: there is no Kafka broker to be had (see above), and it is required" >&2
    exit 1
fi

code=0
cargo test --release "$@" || code=$?

if [ -n "$kafka" ]; then
    echo "test: with Kafka, on $kafka"
else
    echo "test: KAFKA WAS SKIPPED: no broker could be started (see above); the tests in tests/kafka did not run" >&2
fi
[ "$code" -eq 0 ] && echo "test: passed" || echo "test: FAILED (cargo test ended with $code)" >&2
exit "$code"
