#!/usr/bin/env python3
"""`mgqe convert` against faiss's product quantizer on one table, and tiers learnt nested against a
prefix of a codebook learnt at once. Errors are sum |x - decoded|^2 / sum |x|^2, computed here from
what each wrote; seconds are of processor time, on one thread.

  pip install numpy faiss-cpu safetensors
  experiments/baselines/compare_convert.py --mgqe build/release/mgqe --out experiments/results/convert_cpu.json
"""
import argparse
import json
import os
import resource
import subprocess
import tempfile
import time

import faiss
import numpy as np
from safetensors import safe_open

D, DIM, HEAD = 8, 64, 0.1


def clustered(rng, rows):
    """2000 clusters, a third of the variance within them."""
    centers = rng.normal(size=(2000, DIM))
    return centers[rng.integers(0, len(centers), rows)] + 0.7 * rng.normal(size=(rows, DIM))


def decaying(rng, rows):
    """Components of falling variance, as of a factorization, mixed by a rotation; rows that are
    asked for often are longer."""
    rotation = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    length = (1 + np.arange(rows)) ** -0.1
    return (rng.normal(size=(rows, DIM)) / np.sqrt(1 + np.arange(DIM))) @ rotation * length[:, None]


def random(rng, rows):
    return rng.normal(size=(rows, DIM))


def relative_error(x, decoded):
    return float(((x.astype(np.float64) - decoded) ** 2).sum() / (x.astype(np.float64) ** 2).sum())


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Convert:
    """A table through `mgqe convert`, decoded here from its file."""

    def __init__(self, mgqe, table, folder, *options):
        path = os.path.join(folder, "model.safetensors")
        before = children_seconds()
        run = subprocess.run([mgqe, "convert", "--in", table, "--out", path, "--subspaces", str(D), "--device", "cpu",
                              "--threads", "1", "--json", *options], check=True, stdout=subprocess.PIPE)
        self.seconds = children_seconds() - before
        self.report = json.loads(run.stdout)
        with safe_open(path, "np") as file:
            self.codebook = file.get_tensor("item.codebook")
            self.codes = [unpack(file.get_tensor(f"item.codes.{t}"), tier["bits_per_code"])
                          for t, tier in enumerate(self.report["tiers"])]

    def decoded(self):
        return np.concatenate([decode(self.codebook, codes) for codes in self.codes])

    def errors(self, x):
        ends = np.cumsum([len(codes) for codes in self.codes])[:-1]
        return [relative_error(rows, decode(self.codebook, codes))
                for rows, codes in zip(np.split(x, ends), self.codes)]


def unpack(packed, bits):
    every = np.unpackbits(packed, axis=1, bitorder="little")[:, :D * bits]
    return (every.reshape(len(packed), D, bits) << np.arange(bits)).sum(axis=2)


def decode(codebook, codes):
    book = codebook.reshape(len(codebook), D, DIM // D)
    return book[codes, np.arange(D)].reshape(len(codes), DIM)


def nearest(codebook, x):
    width, codes = DIM // D, np.empty((len(x), D), np.int64)
    for j in range(D):
        part, book = x[:, j * width:(j + 1) * width], codebook[:, j * width:(j + 1) * width]
        for begin in range(0, len(x), 1 << 15):
            rows = part[begin:begin + (1 << 15)]
            codes[begin:begin + (1 << 15), j] = ((book ** 2).sum(1) - 2 * rows @ book.T).argmin(1)
    return codes


def compare(args, name, x, folder):
    table = os.path.join(folder, f"{name}.npy")
    np.save(table, x)
    began = time.process_time()
    pq = faiss.ProductQuantizer(DIM, D, 8)
    pq.train(x)
    theirs = pq.decode(pq.compute_codes(x))
    faiss_seconds = time.process_time() - began
    sample = str(256 * 256)  # what faiss learns from
    same = Convert(args.mgqe, table, folder, "--centroids", "256", "--sample", sample)
    default = Convert(args.mgqe, table, folder, "--centroids", "256")
    assert abs(same.report["error"] - relative_error(x, same.decoded())) < 1e-5 * same.report["error"] + 1e-7

    nested = Convert(args.mgqe, table, folder, "--centroids", "256,64", "--tiers", str(HEAD))
    head, tail = x[:len(nested.codes[0])], x[len(nested.codes[0]):]
    at_once = [relative_error(head, decode(default.codebook, nearest(default.codebook, head))),
               relative_error(tail, decode(default.codebook, nearest(default.codebook[:64], tail)))]
    shuffled = default.codebook[np.random.default_rng(2).permutation(256)[:64]]
    alone = [Convert(args.mgqe, save(folder, "head.npy", head), folder, "--centroids", "256").report["error"],
             Convert(args.mgqe, save(folder, "tail.npy", tail), folder, "--centroids", "64").report["error"]]
    errors = nested.errors(x)
    return {
        "device": default.report["device"], "rows": len(x), "dim": DIM, "subspaces": D,
        "one_tier_256": {
            "faiss_error": relative_error(x, theirs), "faiss_cpu_seconds": faiss_seconds,
            "error_same_sample": same.report["error"], "cpu_seconds_same_sample": same.seconds,
            "error": default.report["error"], "cpu_seconds": default.seconds,
        },
        "two_tiers_256_64": {
            "nested": errors,
            "each_tier_its_own_codebook": alone,
            "prefix_of_one_codebook": at_once,
            "tail_with_64_of_one_codebook_at_random": relative_error(tail, decode(shuffled, nearest(shuffled, tail))),
            "head_costs": errors[0] / alone[0] - 1, "tail_costs": errors[1] / alone[1] - 1,
            "prefix_costs_the_tail": at_once[1] / alone[1] - 1,
        },
    }


def save(folder, name, x):
    path = os.path.join(folder, name)
    np.save(path, x)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mgqe", default="build/release/mgqe")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    result = {"faiss": faiss.__version__, "tables": {}}
    version = subprocess.run([args.mgqe, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    result["mgqe"] = version.split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        for make in (clustered, decaying, random):
            x = make(np.random.default_rng(7), args.rows).astype(np.float32)
            result["tables"][make.__name__] = compare(args, make.__name__, x, folder)
            print(make.__name__, json.dumps(result["tables"][make.__name__], indent=1))
    with open(args.out, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
