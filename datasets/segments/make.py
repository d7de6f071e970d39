"""Makes the two streams of pipeline `segments` from the image segments of the UCI repository.

usage: make.py WHEEL     WHEEL: one of river 0.26.1 (PyPI), which has a copy

- regions: one a minute from 2024-01-01, in the file's order; 18 numbers of a region of 3 by 3 pixels, 5 digits.
- labels: what the region shows, 30 seconds later.
"""
import csv
import io
import pathlib
import sys
import zipfile
from datetime import datetime, timedelta

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from packing import write  # noqa: E402


def main():
    wheel = zipfile.ZipFile(sys.argv[1])
    inner = zipfile.ZipFile(io.BytesIO(wheel.read("river/datasets/segment.csv.zip")))
    rows = list(csv.reader(io.StringIO(inner.read(inner.namelist()[0]).decode())))
    # The source's own slip: vegde-sd.
    header = [name.replace("-", "_").replace("vegde", "vedge") for name in rows[0][:-1]]
    regions, labels = [",".join(["at", "region", *header])], ["at,region,shows"]
    for number, (*values, shows) in enumerate(rows[1:]):
        at = datetime(2024, 1, 1) + timedelta(minutes=number)
        regions.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{number}," + ",".join(f"{float(v):.5g}" for v in values))
        labels.append(f"{at + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ},{number},{shows}")
    write(HERE, "regions.csv.gz", regions, len(rows) - 1)
    write(HERE, "labels.csv.gz", labels, len(rows) - 1)


if __name__ == "__main__":
    main()
