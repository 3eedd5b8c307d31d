#!/usr/bin/env python3
"""Golden trajectories: GMF trained for 50 steps by an independent PyTorch implementation.

Writes gmf_full.json, gmf_mgqe.json and gmf_full_adam.json beside this script. golden_test.cpp
replays the same batches from the same initial values and compares losses, parameters and codes.

The model, in autograd's words (shapes: B pairs, n rows, d dimensions, D subspaces of width w = d/D,
K centroids):
  logit = sum_c weights_c p_c q_c + bias; task loss = mean over the batch of BCE with logits;
  full:  p, q are rows of the tables;
  mgqe:  code_j = argmin_{k < K_i} ||e_j - c_jk||^2, lowest index on ties, i the tier of the id;
         p, q = the chosen centroids, gradient straight through to the query row e;
         each table adds mean over look-ups and dimensions of (c - sg(e))^2 for its codebook.
  Tables under torch.optim.SparseAdam (or Adam), everything else under torch.optim.Adam.

The run is in float64. The program under test is in float32, where a query that lies almost midway
between two centroids could go to either; the first seed is taken at which no query of the run
comes near such a boundary, so that codes must match exactly.

Needs numpy and PyTorch >= 1.13:  python3 tests/golden/make_golden.py
"""

import itertools
import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F

CASES = [  # file, embedding scheme, optimizer of the tables
    ("gmf_full", "full", "sparse_adam"),
    ("gmf_mgqe", "mgqe", "sparse_adam"),
    ("gmf_full_adam", "full", "adam"),
]

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
STEPS = 50
SHORT_STEPS = {25: 20, 50: 20}  # pairs of the last batch of an epoch, which may be shorter
UNSEEN = 3  # the rarest ids are in no batch: their rows stay, and are encoded all the same
INIT_STDDEV = 0.1

# Least distance of any query from the plane midway between its best and its second-best centroid.
# Float32 and float64 trajectories part by about 1e-6 (printed below), so this is 30 times that.
MIN_MARGIN = 3e-5


class FullTable(torch.nn.Module):
    def __init__(self, name, initial, sparse):
        super().__init__()
        self.name = name
        self.table = torch.nn.Parameter(initial[f"{name}.table"].clone())
        self.sparse = sparse

    def forward(self, ids):
        return F.embedding(ids, self.table, sparse=self.sparse), 0.0

    def values(self):
        return {f"{self.name}.table": self.table}


class MgqeTable(torch.nn.Module):
    def __init__(self, name, initial, sparse):
        super().__init__()
        self.name = name
        self.table = torch.nn.Parameter(initial[f"{name}.queries"].clone())
        self.codebook = torch.nn.Parameter(initial[f"{name}.codebook"].clone())  # (K, d)
        self.sparse = sparse
        self.head = math.ceil(CONFIG["tiers"][0] * len(self.table))
        self.margin = math.inf

    def split(self, rows):
        """(m, d) -> (m, D, w)"""
        return rows.reshape(len(rows), CONFIG["subspaces"], -1)

    @torch.no_grad()
    def encode(self, ids):
        """codes (m, D); also keeps the least margin met so far."""
        queries, centroids = self.split(self.table[ids]), self.split(self.codebook)
        distances = ((queries[:, None] - centroids[None]) ** 2).sum(-1)  # (m, K, D)
        first, rest = CONFIG["centroids"]
        limits = torch.where(ids < self.head, first, rest)
        allowed = torch.arange(first)[None, :] < limits[:, None]  # (m, K)
        distances[~allowed] = math.inf
        codes = distances.argmin(1)

        best, second = distances.topk(2, dim=1, largest=False)[1].unbind(1)  # (m, D) each
        assert torch.equal(distances.gather(1, best[:, None]), distances.gather(1, codes[:, None]))
        gap = distances.gather(1, second[:, None]) - distances.gather(1, best[:, None])
        subspace = torch.arange(CONFIG["subspaces"])
        apart = (centroids[best, subspace] - centroids[second, subspace]).norm(dim=-1)
        self.margin = min(self.margin, float((gap[:, 0] / (2 * apart)).min()))
        return codes

    def forward(self, ids):
        codes = self.encode(ids)
        query = F.embedding(ids, self.table, sparse=self.sparse)
        chosen = self.split(self.codebook)[codes, torch.arange(CONFIG["subspaces"])]
        chosen = chosen.reshape(query.shape)
        straight_through = query + (chosen - query).detach()
        loss = CONFIG["codebook_weight"] * ((chosen - query.detach()) ** 2).mean()
        return straight_through, loss

    def values(self):
        return {f"{self.name}.queries": self.table, f"{self.name}.codebook": self.codebook}


def make_problem(seed, scheme):
    """Initial values, each a float32, and the batches."""
    random = numpy.random.default_rng(seed)

    def normal(*shape):
        return random.normal(0.0, INIT_STDDEV, shape).astype(numpy.float32)

    initial = {}
    kind = "table" if scheme == "full" else "queries"
    for name, rows in (("user", CONFIG["users"]), ("item", CONFIG["items"])):
        initial[f"{name}.{kind}"] = normal(rows, CONFIG["dim"])
        if scheme == "mgqe":
            initial[f"{name}.codebook"] = normal(CONFIG["centroids"][0], CONFIG["dim"])
    bound = math.sqrt(3.0 / CONFIG["dim"])
    weights = random.uniform(-bound, bound, CONFIG["dim"] + 1)  # the bias last
    initial["gmf.weights"] = weights.astype(numpy.float32)

    # Popular ids come again and again within a batch; labels follow a planted taste.
    taste = numpy.sign(random.normal(size=(CONFIG["users"], 3)) @
                       random.normal(size=(3, CONFIG["items"])))
    batches = []
    for step in range(1, STEPS + 1):
        pairs = SHORT_STEPS.get(step, CONFIG["batch"])
        users, items = (zipf(random, CONFIG[side] - UNSEEN, pairs) for side in ("users", "items"))
        labels = (taste[users, items] > 0).astype(int)
        batches.append({"users": users.tolist(), "items": items.tolist(),
                        "labels": labels.tolist()})
    return initial, batches


def zipf(random, n, size):
    probability = 1.0 / numpy.arange(2, n + 2)
    return random.choice(n, size, p=probability / probability.sum())


def train(initial, batches, scheme, optimizer, dtype):
    """Losses by step, final values by name, final codes by table, least margin."""
    initial = {name: torch.from_numpy(value).to(dtype) for name, value in initial.items()}
    table_class = FullTable if scheme == "full" else MgqeTable
    users, items = (table_class(name, initial, optimizer == "sparse_adam")
                    for name in ("user", "item"))
    weights = torch.nn.Parameter(initial["gmf.weights"].clone())
    options = {"lr": CONFIG["lr"], "betas": (CONFIG["beta1"], CONFIG["beta2"]),
               "eps": CONFIG["epsilon"]}
    table_optimizer = torch.optim.SparseAdam if optimizer == "sparse_adam" else torch.optim.Adam
    dense = [weights] + [table.codebook for table in (users, items) if scheme == "mgqe"]
    optimizers = [table_optimizer([users.table, items.table], **options),
                  torch.optim.Adam(dense, **options)]

    losses = []
    for batch in batches:
        p, user_loss = users(torch.tensor(batch["users"]))
        q, item_loss = items(torch.tensor(batch["items"]))
        logits = (weights[:-1] * p * q).sum(-1) + weights[-1]
        labels = torch.tensor(batch["labels"], dtype=dtype)
        task_loss = F.binary_cross_entropy_with_logits(logits, labels)
        for each in optimizers:
            each.zero_grad()
        (task_loss + user_loss + item_loss).backward()
        for each in optimizers:
            each.step()
        losses.append(float(task_loss.detach()))

    final = {**users.values(), **items.values(), "gmf.weights": weights}
    final = {name: value.detach() for name, value in final.items()}
    codes, margin = {}, math.inf
    if scheme == "mgqe":
        codes = {table.name: table.encode(torch.arange(len(table.table)))
                 for table in (users, items)}
        margin = min(users.margin, items.margin)
    return losses, final, codes, margin


def rounded(values):
    """Floats to 9 significant digits, which tell any two float32 apart."""
    return [float(f"{value:.9g}") for value in numpy.asarray(values, numpy.float64).ravel()]


def moved_codes(initial, final_codes):
    """Share of all codes that differ from those of the initial values."""
    first = {name: torch.from_numpy(value).double() for name, value in initial.items()}
    moved = total = 0
    for name, codes in final_codes.items():
        table = MgqeTable(name, first, True)
        moved += int((table.encode(torch.arange(len(codes))) != codes).sum())
        total += codes.numel()
    return moved / total


def make_case(file, scheme, optimizer):
    for seed in itertools.count(1):
        initial, batches = make_problem(seed, scheme)
        losses, final, codes, margin = train(initial, batches, scheme, optimizer, torch.float64)
        if margin > MIN_MARGIN:
            break
    _, single, single_codes, _ = train(initial, batches, scheme, optimizer, torch.float32)
    deviation = max(float((single[name].double() - final[name]).abs().max()) for name in final)
    assert all(torch.equal(single_codes[name], codes[name]) for name in codes)
    print(f"{file}: seed {seed}, torch {torch.__version__}, loss {losses[0]:.4f} -> "
          f"{losses[-1]:.4f}, float32 parts from float64 by {deviation:.1e}")
    if codes:
        print(f"  least margin {margin:.1e}, {moved_codes(initial, codes):.0%} of the codes moved")

    golden = {
        "config": {**CONFIG, "model": "gmf", "scheme": scheme, "optimizer": optimizer,
                   "seed": seed},
        "initial": {name: rounded(value) for name, value in initial.items()},
        "batches": batches,
        "losses": rounded(losses),
        "final": {name: rounded(value) for name, value in final.items()},
        "codes": {name: value.ravel().tolist() for name, value in codes.items()},
    }
    path = pathlib.Path(__file__).with_name(f"{file}.json")
    partial = path.with_suffix(".json.tmp")
    partial.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    partial.replace(path)


def main():
    torch.set_num_threads(1)
    for case in CASES:
        make_case(*case)


if __name__ == "__main__":
    main()
