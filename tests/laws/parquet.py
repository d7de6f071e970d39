"""Compares examples as Parquet with the same as CSV, cell by cell, by DuckDB: CSV FILE, PARQUET FILE."""

import csv
import json
import sys
from datetime import datetime, timezone

try:
    import duckdb
except ImportError:
    print("skipped: no duckdb")
    sys.exit(0)

texts, table = sys.argv[1:3]
rows = duckdb.connect()
rows.execute("SET TimeZone = 'UTC'")
found = rows.execute("SELECT * FROM read_parquet(?)", [table])
names = [column[0] for column in found.description]
types = [str(column[1]) for column in found.description]
# Instants as microseconds: what Python's own are depends on what else is installed.
at = names.index("at")
columns = ", ".join('epoch_us("at")' if name == "at" else '"%s"' % name.replace('"', '""') for name in names)
found = rows.execute(f"SELECT {columns} FROM read_parquet(?)", [table]).fetchall()


def micros(text):
    whole = datetime.fromisoformat(text.replace("Z", "+00:00"))
    since = whole - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def told(text, kind, place):
    if place == at:
        return micros(text)
    if text == "":
        return None
    if kind == "VARCHAR":
        return text
    if kind == "BOOLEAN":
        return {"true": True, "false": False}[text]
    if kind == "BIGINT":
        return int(text)
    if kind == "DOUBLE":
        return float(text)
    assert kind == "DOUBLE[]", kind
    return json.loads(text)


with open(texts, newline="") as file:
    lines = csv.reader(file)
    assert next(lines) == names, names
    count = 0
    for line, row in zip(lines, found, strict=True):
        wanted = [told(text, kind, place) for place, (text, kind) in enumerate(zip(line, types, strict=True))]
        assert list(row) == wanted, f"row {count}: {row}, wanted {wanted}"
        count += 1
groups = rows.execute("SELECT count(DISTINCT row_group_id) FROM parquet_metadata(?)", [table]).fetchone()[0]
print(json.dumps({"rows": count, "groups": groups, "types": dict(zip(names, types))}))
