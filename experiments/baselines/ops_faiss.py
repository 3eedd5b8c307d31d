#!/usr/bin/env python3
"""The search of bench_ops (`assign`) by faiss's product quantizer, on the same shapes.

ProductQuantizer.compute_codes finds the nearest of 2^nbits centroids in each subspace and packs the
codes; decode takes them back to rows. Reads a JSON list of {"op", "shape"} from a file or stdin, as
ops_pytorch.py does. Needs faiss: apt-get install python3-faiss, or pip install faiss-cpu.

  build/release/bench_ops --only '^assign rows' --json - | experiments/baselines/ops_faiss.py --threads 2
"""

import argparse
import json
import statistics
import sys
import time

import faiss
import numpy

from ops_common import read_cases


def product_quantizer(d, subspaces, centroids, random):
    """With random centroids: the search takes as long as with trained ones."""
    bits = (centroids - 1).bit_length()
    if 1 << bits != centroids:
        return None
    quantizer = faiss.ProductQuantizer(d, subspaces, bits)
    values = random.standard_normal((subspaces, centroids, d // subspaces), dtype=numpy.float32)
    faiss.copy_array_to_vector(values.ravel(), quantizer.centroids)
    if hasattr(quantizer, "sync_transposed_centroids"):
        quantizer.sync_transposed_centroids()  # compute_codes then takes its faster way
    return quantizer


def ways(case, seed):
    """Pairs of a name and a call. bench_ops's assign writes decoded rows too, which this spares."""
    shape, random = case["shape"], numpy.random.default_rng(seed)
    if case["op"] == "assign":
        quantizer = product_quantizer(shape["d"], shape["D"], shape["K"], random)
        if quantizer is None:
            return
        rows = random.standard_normal((shape["rows"], shape["d"]), dtype=numpy.float32)
        yield "compute_codes", lambda: quantizer.compute_codes(rows)
    elif case["op"] == "decode":
        quantizer = product_quantizer(shape["d"], shape["D"], 1 << shape["bits"], random)
        codes = random.integers(256, size=(shape["rows"], quantizer.code_size), dtype=numpy.uint8)
        yield "decode", lambda: quantizer.decode(codes)


def sample(run, samples, seconds_at_most, flush):
    run()
    seconds = []
    while len(seconds) < samples and (len(seconds) < 3 or sum(seconds) < seconds_at_most):
        if flush is not None:
            flush.sum()
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="?", default="-", help="JSON file; - for stdin")
    parser.add_argument("--threads", type=int, default=faiss.omp_get_max_threads())
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="of samples of one op at most")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    faiss.omp_set_num_threads(args.threads)
    flush = numpy.ones(1 << 25, dtype=numpy.float32)  # 128 MiB: beyond the caches
    records = []
    for case in read_cases(args.cases):
        cold = flush if case.get("bound") == "copy" else None
        for name, run in ways(case, args.seed):
            seconds = sample(run, args.samples, args.seconds, cold)
            records.append({"op": case["op"], "shape": case["shape"],
                            "name": f"faiss {faiss.__version__} {name}",
                            "measured": statistics.median(seconds), "measured_min": min(seconds),
                            "measured_max": max(seconds), "samples": len(seconds)})
    json.dump(records, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
