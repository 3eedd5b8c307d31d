#!/usr/bin/env python3
"""Rows of an artifact's embedding tables, by NumPy and safetensors alone: a second reader of
host/serve/FORMAT.md, which shares no code with the first.

    read_artifact.py FILE                                   what is in it
    read_artifact.py FILE --table item --rows 0,5,7         some rows, each behind its original id
    read_artifact.py FILE --table item --out item.npy       all rows, float32 (rows, dim)

Rows have the same bits as those that mgqe decodes; but for low_rank and mixed_dim, whose
products are summed in another order.
"""
import argparse
import json
import sys

import numpy as np
from safetensors import safe_open


def code_bits(centroids):
    """ceil(log2 K) bits hold a code of K centroids; one centroid needs none."""
    return (centroids - 1).bit_length()


def unpack(packed, count, bits):
    """(n, row bytes) u8 -> (n, count): value j of a row is bits [j*bits, (j+1)*bits) of its
    little-endian bit string."""
    if bits == 0:
        return np.zeros((len(packed), count), np.int64)
    string = np.unpackbits(packed, axis=1, bitorder="little")[:, : count * bits]
    return string.reshape(-1, count, bits) @ (np.int64(1) << np.arange(bits, dtype=np.int64))


def hash_buckets(rows, buckets):
    """splitmix64's finaliser of the row, modulo the number of buckets."""
    z = rows.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z % np.uint64(buckets)).astype(np.int64)


class Table:
    def __init__(self, file, name, form, version):
        self.file, self.name, self.form, self.version = file, name, form, version
        self.rows, self.dim, self.scheme = form["rows"], form["dim"], form["scheme"]

    def array(self, name):
        return self.file.get_tensor(f"{self.name}.{name}")

    def decode(self, rows):
        """float32 (len(rows), dim)"""
        rows = np.asarray(rows, np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.rows):
            raise SystemExit(f"table {self.name} has rows 0 to {self.rows - 1}")
        decoders = {"full": self.full, "low_rank": self.low_rank, "hashed": self.hashed,
                    "scalar_quantized": self.scalar, "dpq_vq": self.coded, "dpq_sx": self.coded,
                    "mgqe": self.coded, "prq": self.staged, "lsq": self.scalar,
                    "multiplexed": self.hashed, "quotient_remainder": self.quotient_remainder,
                    "memcom": self.memcom, "mixed_dim": self.mixed_dim}
        return decoders[self.scheme](rows)

    def full(self, rows):
        return self.array("table")[rows]

    def low_rank(self, rows):
        return self.array("factor")[rows] @ self.array("basis")

    def hashed(self, rows):
        return self.array("table")[hash_buckets(rows, self.form["buckets"])]

    def quotient_remainder(self, rows):
        buckets = self.form["buckets"]
        return self.array("quotients")[rows // buckets] * self.array("remainders")[rows % buckets]

    def memcom(self, rows):
        return self.array("table")[rows % self.form["buckets"]] * self.array("factors")[rows][:, None]

    def mixed_dim(self, rows):
        out = np.empty((len(rows), self.dim), np.float32)
        begin = 0
        for i, block in enumerate(self.form["blocks"]):
            here = np.flatnonzero((rows >= begin) & (rows < block["end"]))
            own = self.array(f"table.{i}")[rows[here] - begin]
            out[here] = own @ self.array(f"projection.{i}") if block["width"] < self.dim else own
            begin = block["end"]
        return out

    def scalar(self, rows):
        """The middle of each cell, in double, rounded once."""
        bits = self.form["bits"]
        cells = unpack(self.array("cells")[rows], self.dim, bits)
        low, high = (self.array(name).astype(np.float64) for name in ("low", "high"))
        return (low + (cells + 0.5) * ((high - low) / (1 << bits))).astype(np.float32)

    def coded(self, rows, stages=1):
        """Columns [j w, (j + 1) w) of a row, w = dim / D, are those of centroid code_j. In stages
        there are D codes and dim columns of each, one after the other."""
        out = np.empty((len(rows), stages * self.dim), np.float32)
        private = self.form.get("private_codebooks", False)
        begin = 0
        for i, tier in enumerate(self.form["tiers"]):
            here = np.flatnonzero((rows >= begin) & (rows < tier["end"]))
            subspaces = (self.form if self.version == 1 else tier)["subspaces"]
            packed = self.array(f"codes.{i}")[rows[here] - begin]
            codes = unpack(packed, stages * subspaces, code_bits(tier["centroids"]))
            codebook = self.array(f"codebook.{i}" if private else "codebook")  # f32 or f16
            columns = np.arange(stages * self.dim)
            out[here] = codebook[codes[:, columns // (self.dim // subspaces)], columns]
            begin = tier["end"]
        return out


    def staged(self, rows):
        """Stages are added in their order, in float; rotated back by sums in double in the order of
        the rotation's rows."""
        stages = self.coded(rows, self.form["stages"]).reshape(len(rows), -1, self.dim)
        out = stages[:, 0]
        for s in range(1, stages.shape[1]):
            out = out + stages[:, s]
        if not self.form["rotated"]:
            return out
        back = np.zeros((len(rows), self.dim))
        for y, axis in zip(out.T.astype(np.float64), self.array("rotation").astype(np.float64)):
            back += y[:, None] * axis
        return back.astype(np.float32)


class Artifact:
    def __init__(self, path):
        self.file = safe_open(path, framework="numpy")
        self.names = set(self.file.keys())
        self.metadata = self.file.metadata() or {}
        if self.metadata.get("format") != "mgqe-artifact":
            raise SystemExit(f"{path}: not an mgqe artifact")
        self.version = int(self.metadata["version"])
        if self.version not in (1, 2, 3):
            raise SystemExit(f"{path}: version {self.version} is not known here")
        self.tables = {name: Table(self.file, name, form, self.version)
                       for name, form in json.loads(self.metadata["tables"]).items()}

    def ids(self, table, rows):
        """The original ids of rows: int, or str"""
        name = "ids." + table.rsplit(".", 1)[-1]
        if name in self.names:
            return [int(i) for i in self.file.get_tensor(name)[rows]]
        if f"{name}.text" not in self.names:  # the id is the row
            return list(rows)
        text = self.file.get_tensor(f"{name}.text").tobytes()
        ends = self.file.get_tensor(f"{name}.offsets")
        return [text[ends[r]:ends[r + 1]].decode("utf-8", "replace") for r in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--table", help="item, user, gmf.item, ...")
    parser.add_argument("--rows", help="comma-separated rows; all where it is left out")
    parser.add_argument("--out", help="a .npy file for the rows, instead of text")
    options = parser.parse_args()
    artifact = Artifact(options.file)
    if options.table is None:
        for key in ("version", "backbone", "task", "commit"):
            print(f"{key} {artifact.metadata.get(key, '-')}")
        for name, table in artifact.tables.items():
            print(f"table {name}: {table.rows} rows of {table.dim} by {table.scheme}")
        return
    if options.table not in artifact.tables:
        raise SystemExit(f"no table {options.table}; there are {', '.join(artifact.tables)}")
    table = artifact.tables[options.table]
    rows = range(table.rows) if options.rows is None else [int(r) for r in options.rows.split(",")]
    decoded = table.decode(rows)
    if options.out:
        np.save(options.out, decoded)
        return
    for name, row in zip(artifact.ids(options.table, list(rows)), decoded):
        print(name, *(np.format_float_scientific(x, unique=True) for x in row))


if __name__ == "__main__":
    sys.exit(main())
