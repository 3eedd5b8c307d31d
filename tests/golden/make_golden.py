#!/usr/bin/env python3
"""Golden trajectories: models trained for up to 50 steps by an independent PyTorch implementation.

Writes a JSON file for each of CASES beside this script. golden_test.cpp replays the same batches
from the same initial values and compares losses, parameters and codes.

The embedding tables stand in golden_embeddings.py, the backbones in golden_models.py, the batches
in golden_batches.py. The loss of a step is the task loss, a mean over the pairs (or tokens) of the
batch, plus the tables' own losses; the file records the task loss. Parameters with a row an id are
under torch.optim.SparseAdam (or Adam), everything else under torch.optim.Adam.

The run is in float64. The program under test is in float32, where a query that lies almost midway
between two centroids could go to either, and a ReLU's input almost 0 could pass or not; the first
seed is taken at which the run comes near no such boundary, so that codes must match exactly.

Needs numpy and PyTorch >= 1.13:  python3 tests/golden/make_golden.py [CASE...]
"""

import itertools
import json
import pathlib
import sys

import numpy
import torch

from golden_batches import make_batches
from golden_embeddings import TABLES
from golden_models import MODELS

CONFIG = {
    "users": 40,
    "items": 60,
    "dim": 8,
    "subspaces": 4,
    "centroids": [16, 5],
    "tiers": [0.1],
    "codebook_weight": 1.0,
    "batch": 32,
    "lr": 0.01,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-5,  # large enough that it shows where an optimizer adds it
}
# A key's bias leaves a softmax as it is: its gradient is rounding error alone, which Adam would
# blow up to whole steps but for epsilon.
SASREC = {"model": "sasrec", "task": "ranking", "batch": 6, "beta2": 0.98, "epsilon": 1e-4,
          "max_length": 10, "heads": 2, "blocks": 2, "dropout": 0.0}
NEUMF = {"model": "neumf", "task": "ranking"}
PRIVATE_K = {"variant": "private_k", "tiers": [0.1, 0.4], "centroids": [16, 8, 4]}
PRIVATE_D = {"variant": "private_d", "tiers": [0.1, 0.4], "centroids": [8],
             "subspaces": [4, 2, 1]}
# The width and codes of the figures published, which kernels of their own compute; few rows and steps,
# or some code would come near its boundary whatever the seed.
WIDE = {"task": "ranking", "dim": 64, "subspaces": 32, "users": 20, "items": 30, "batch": 16, "steps": 12}
# Few values and steps, of a size whose rounding shows, or one would round otherwise in float32.
F16 = {"task": "ranking", "codebook_type": "f16", "dim": 4, "subspaces": 2, "users": 12, "items": 14,
       "batch": 8, "steps": 4, "stddev": 1.0}
# Few values and steps, of which none comes near where it rounds otherwise.
FEW = {"task": "ranking", "dim": 4, "users": 12, "items": 14, "batch": 8, "steps": 8}
DPQ_SX = {"centroids": [16], "tiers": []}
CTR = {"task": "ctr", "features": 5, "rows": 40, "dense": 3, "hidden": [12, 6], "dim": 4, "subspaces": 2,
       "batch": 16, "steps": 20}
DCN = {**CTR, "model": "dcn", "cross_layers": 2}
DLRM = {**CTR, "model": "dlrm", "bottom": [5]}
RELEVANCE = {"task": "relevance", "mean": 0.5}

CASES = {  # file: embedding scheme, optimizer of parameters with a row an id, config beside CONFIG
    "gmf_full": ("full", "sparse_adam", {}),
    "gmf_mgqe": ("mgqe", "sparse_adam", {}),
    "gmf_mgqe_wide": ("mgqe", "sparse_adam", WIDE),
    "gmf_full_adam": ("full", "adam", {}),
    "gmf_low_rank": ("low_rank", "sparse_adam", {"task": "ranking", "dim": 12, "rank": 4}),
    "gmf_hashed": ("hashed", "sparse_adam", {"task": "ranking", "buckets": 16}),
    "gmf_mgqe_private_k": ("mgqe", "sparse_adam", {"task": "ranking", **PRIVATE_K}),
    "gmf_mgqe_private_d": ("mgqe", "sparse_adam", {"task": "ranking", **PRIVATE_D}),
    "gmf_commitment": ("mgqe", "sparse_adam", {"task": "ranking", "commitment_weight": 0.25}),
    "gmf_mgqe_f16": ("mgqe", "sparse_adam", {**F16, "centroids": [4, 2]}),
    "gmf_dpq_sx_f16": ("dpq_sx", "sparse_adam", {**DPQ_SX, **F16, "centroids": [4]}),
    "gmf_dpq_sx": ("dpq_sx", "sparse_adam", {"task": "ranking", **DPQ_SX}),
    "gmf_dpq_sx_normalized": ("dpq_sx", "sparse_adam", {"task": "ranking", **DPQ_SX, "distance_bn": "tf",
                                                        "softmax_temperature": 0.5}),
    "gmf_lsq": ("lsq", "sparse_adam", {**FEW, "bits": 3, "stddev": 0.3}),
    "gmf_quotient_remainder": ("quotient_remainder", "sparse_adam",
                               {"task": "ranking", "buckets": 9, "stddev": 0.3}),
    "gmf_memcom": ("memcom", "sparse_adam", {"task": "ranking", "buckets": 16}),
    "gmf_mixed_dim": ("mixed_dim", "sparse_adam", {"task": "ranking", "tiers": [0.1, 0.4], "widths": [8, 4, 2],
                                                   "centroids": [16], "stddev": 0.25}),
    "dcn_multiplexed": ("multiplexed", "sparse_adam", {**DCN, "buckets": 16}),
    "neumf_full": ("full", "sparse_adam", {**NEUMF, "dim": 16}),
    "neumf_mgqe": ("mgqe", "sparse_adam", NEUMF),
    "neumf_mlp_dim": ("mgqe", "sparse_adam", {**NEUMF, "mlp_dim": 12}),
    "sasrec_full": ("full", "sparse_adam", {**SASREC, "dim": 12}),
    "sasrec_mgqe": ("mgqe", "sparse_adam", SASREC),
    "dcn_full": ("full", "sparse_adam", DCN),
    "dcn_mgqe": ("mgqe", "sparse_adam", DCN),
    "dlrm_full": ("full", "sparse_adam", DLRM),
    "dlrm_mgqe": ("mgqe", "sparse_adam", DLRM),
    "relevance_gmf": ("full", "sparse_adam", RELEVANCE),
    "relevance_neumf": ("full", "sparse_adam", {**RELEVANCE, "model": "neumf"}),
}
STEPS = 50
INIT_STDDEV = 0.1  # of tables, where TABLE_STDDEV says nothing else
TABLE_STDDEV = {
    "low_rank": 0.25,  # of both factors: products about as large as 0.1
    "dpq_sx": 0.5,  # so that its softmax is far from even, and its gradient large enough to show
}

# Least distance of any query from the plane at which its code changes. Float32 and float64
# trajectories part by about 1e-6 (printed below), so this is 30 times that.
MIN_MARGIN = 3e-5
# Least |x| of any input of a ReLU, ten times what its float32 value is off.
MIN_RELU_MARGIN = 1e-5
# Least distance of a centroid from where it rounds to another binary16, several times what its float32
# value is off after so few steps.
MIN_ROUNDING_MARGIN = 1e-6


def make_problem(seed, config):
    """Initial values, each a float32, and the batches."""
    random = numpy.random.default_rng(seed)

    def normal(stddev, *shape):
        return random.normal(0.0, stddev, shape).astype(numpy.float32)

    def uniform(bound, *shape):
        return random.uniform(-bound, bound, shape).astype(numpy.float32)

    model = model_class(config)
    stddev = config.get("stddev", TABLE_STDDEV.get(config["scheme"], INIT_STDDEV))
    table = TABLES[config["scheme"]]
    initial = {f"{name}.{key}": normal(stddev, *shape) + numpy.float32(table.offset(key))
               for name, rows in model.table_rows(config).items()
               for key, shape in table.shapes(
                   rows, model.table_config(config, name)).items()}
    initial.update(model.draw(config, normal, uniform))
    return initial, make_batches(random, config, config.get("steps", STEPS))


def model_class(config):
    return MODELS[config["model"], config.get("task", "ranking")]


def make_model(config, initial, dtype):
    return model_class(config)(config, {name: torch.from_numpy(value).to(dtype)
                                        for name, value in initial.items()})


def to_tensors(batch, dtype):
    return {name: torch.tensor(values, dtype=dtype if name in ("labels", "targets", "dense") else None)
            for name, values in batch.items()}


def train(config, initial, batches, dtype):
    """The trained model, and its losses by step."""
    model = make_model(config, initial, dtype)
    options = {"lr": config["lr"], "betas": (config["beta1"], config["beta2"]),
               "eps": config["epsilon"]}
    sparse = config["optimizer"] == "sparse_adam"
    per_row_optimizer = torch.optim.SparseAdam if sparse else torch.optim.Adam
    optimizers = [per_row_optimizer(model.per_row(), **options),
                  torch.optim.Adam(model.dense(), **options)]
    losses = []
    for batch in batches:
        task_loss, table_loss = model(to_tensors(batch, dtype))
        for each in optimizers:
            each.zero_grad()
        (task_loss + table_loss).backward()
        for each in optimizers:
            each.step()
        losses.append(float(task_loss.detach()))
    return model, losses


def search_seed(config):
    """The first seed whose run keeps its distance from every boundary: the seed, initial values,
    batches, trained model, losses, final codes."""
    for seed in itertools.count(1):
        initial, batches = make_problem(seed, config)
        model, losses = train(config, initial, batches, torch.float64)
        codes = model.codes()  # their margin counts too
        if (model.code_margin() > MIN_MARGIN and model.margin > MIN_RELU_MARGIN and
                model.rounding_margin() > MIN_ROUNDING_MARGIN):
            return seed, initial, batches, model, losses, codes


def rounded(values):
    """Floats to 9 significant digits, which tell any two float32 apart."""
    return [float(f"{value:.9g}") for value in numpy.asarray(values, numpy.float64).ravel()]


def moved_codes(config, initial, final_codes):
    """Share of all codes that differ from those of the initial values."""
    first = make_model(config, initial, torch.float64).codes()
    moved = sum(int((first[name] != codes).sum()) for name, codes in final_codes.items())
    return moved / sum(codes.numel() for codes in final_codes.values())


def report(file, config, seed, initial, batches, model, losses, codes):
    single, single_losses = train(config, initial, batches, torch.float32)
    final = model.values()
    apart = {name: float((value.double() - final[name]).abs().max())
             for name, value in single.values().items()}
    worst = max(apart, key=apart.get)
    loss_apart = max(abs(a - b) for a, b in zip(losses, single_losses))
    assert all(torch.equal(value, codes[name]) for name, value in single.codes().items())
    print(f"{file}: seed {seed}, torch {torch.__version__}, loss {losses[0]:.4f} -> "
          f"{losses[-1]:.4f}, float32 parts from float64 by {apart[worst]:.1e} ({worst}), "
          f"losses by {loss_apart:.1e}")
    if codes:
        print(f"  least margin {model.code_margin():.1e}, "
              f"{moved_codes(config, initial, codes):.0%} of the codes moved")


def make_case(file):
    scheme, optimizer, extra = CASES[file]
    config = {**CONFIG, "model": "gmf", "scheme": scheme, "optimizer": optimizer, **extra}
    seed, initial, batches, model, losses, codes = search_seed(config)
    report(file, config, seed, initial, batches, model, losses, codes)
    golden = {
        "config": {**config, "seed": seed},
        "initial": {name: rounded(value) for name, value in initial.items()},
        "batches": batches,
        "losses": rounded(losses),
        "final": {name: rounded(value) for name, value in model.values().items()},
        "codes": {name: value.tolist() for name, value in codes.items()},
    }
    path = pathlib.Path(__file__).with_name(f"{file}.json")
    partial = path.with_suffix(".json.tmp")
    partial.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    partial.replace(path)


def main():
    torch.set_num_threads(1)
    unknown = [file for file in sys.argv[1:] if file not in CASES]
    if unknown:
        sys.exit(f"no case named {unknown[0]}: choose from {', '.join(CASES)}")
    for file in sys.argv[1:] or CASES:
        make_case(file)


if __name__ == "__main__":
    main()
