"""Writes a packed stream and tells its sums: what the makers of the smaller streams share.

Needs the package zopfli 0.4.3 for the vendored bytes; without it gzip -9 makes larger files with the same rows.
"""
import gzip
import hashlib

try:
    from zopfli.gzip import compress as pack  # writes mtime 0
except ImportError:
    def pack(plain):
        return gzip.compress(plain, 9, mtime=0)


def write(folder, name, lines, rows=None):
    """Writes lines to `folder/name`; prints its name, rows, bytes, SHA-256, and the SHA-256 of what is inside."""
    plain = "".join(line + "\n" for line in lines).encode()
    packed = pack(plain)
    (folder / name).write_bytes(packed)
    sums = [hashlib.sha256(data).hexdigest() for data in (packed, plain)]
    print(f"{folder.name}/{name}", rows if rows is not None else len(lines), len(packed), *sums)
