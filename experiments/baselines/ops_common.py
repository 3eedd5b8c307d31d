"""What the baselines of single ops share: cases from bench_ops, ids drawn by the same laws."""

import json
import sys

import numpy


def read_cases(path):
    """A JSON list of {"op", "shape", ...} from a file, or stdin for -."""
    with (sys.stdin if path == "-" else open(path)) as file:
        return json.load(file)


def draw_ids(shape, seed):
    """B ids of [0, n): uniform, or zipf: id i with probability proportional to 1 / (i + 1)."""
    random = numpy.random.default_rng(seed)
    if shape["ids"] == "uniform":
        return random.integers(shape["n"], size=shape["B"])
    cumulative = numpy.cumsum(1.0 / numpy.arange(1, shape["n"] + 1))
    return numpy.searchsorted(cumulative, cumulative[-1] * random.random(shape["B"]))


def tier_of(ids, n):
    """0 for the first tenth of the ids, else 1."""
    return (ids >= (n + 9) // 10).long()
