#!/usr/bin/env python3
"""The ops of bench_ops in PyTorch, on the same shapes.

Reads a JSON list of {"op", "shape"} (records of bench_ops will do) from a file or stdin and prints a
list of {"op", "shape", "name", "measured", "measured_min", "measured_max", "samples"}; ops it has no
way for are left out. Run by compare_ops.py.

  build/release/bench_ops --only '^matmul' --json - | experiments/baselines/ops_pytorch.py --threads 2
"""

import argparse
import json
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F

from ops_common import draw_ids, read_cases, tier_of

FLUSH_FLOATS = 1 << 25  # 128 MiB: beyond the caches


def normals(device, *shape):
    return torch.randn(*shape, device=device)


def by_subspace(rows, subspaces):
    """(B, d) -> (D, B, w)"""
    return rows.view(len(rows), subspaces, -1).transpose(0, 1)


# ---- the search: each way returns codes (B, D) and decoded rows ----------------------------------

def decoded(codebook, codes):
    """codebook (D, K, w), codes (D, B) -> (B, d)"""
    chosen = torch.gather(codebook, 1, codes[:, :, None].expand(-1, -1, codebook.shape[2]))
    return chosen.transpose(0, 1).reshape(codes.shape[1], -1)


def search_cdist(queries, codebook):
    codes = torch.cdist(by_subspace(queries, len(codebook)), codebook).argmin(-1)
    return codes, decoded(codebook, codes)


def search_baddbmm(queries, codebook):
    """argmin of 0.5 ||c||^2 - e c."""
    half_norms = 0.5 * (codebook ** 2).sum(-1)
    scores = torch.baddbmm(half_norms[:, None], by_subspace(queries, len(codebook)),
                           codebook.transpose(1, 2), alpha=-1.0)
    # min(-1)[1] is twice as fast as argmin(-1) in PyTorch 1.13.
    codes = scores.min(-1)[1]
    return codes, decoded(codebook, codes)


SEARCHES = {"cdist + argmin": search_cdist, "baddbmm + argmin": search_baddbmm}


def in_chunks(search, queries, codebook, chunk=4096):
    """The scores of a chunk stay in the caches; all at once would be gigabytes."""
    for begin in range(0, len(queries), chunk):
        search(queries[begin:begin + chunk], codebook)


def assign(shape, device, seed):
    subspaces = shape["D"]
    queries = normals(device, shape["rows"], shape["d"])
    codebook = normals(device, subspaces, shape["K"], shape["d"] // subspaces)
    chunk = 4096 if device == "cpu" else 65536
    for name, search in SEARCHES.items():
        yield name, lambda search=search: in_chunks(search, queries, codebook, chunk)


def assign_lookups(shape, device, seed, distinct):
    """By tier groups: a search over the head's ids and one over the tail's."""
    subspaces, limits = shape["D"], [int(k) for k in shape["K"].split("/")]
    table = normals(device, shape["n"], shape["d"])
    codebook = normals(device, subspaces, limits[0], shape["d"] // subspaces)
    ids = torch.from_numpy(draw_ids(shape, seed)).to(device)
    if distinct:
        ids = torch.unique(ids)
    chunk = 4096 if device == "cpu" else 65536

    def run(search):
        for tier, limit in enumerate(limits):
            members = ids[tier_of(ids, shape["n"]) == tier]
            in_chunks(search, table[members], codebook[:, :limit], chunk)

    for name, search in SEARCHES.items():
        yield name, lambda search=search: run(search)


# ---- tables --------------------------------------------------------------------------------------

def decode(shape, device, seed):
    """Codes as int32 rows of all centroids: PyTorch indexes with no narrower type."""
    subspaces, centroids = shape["D"], 1 << shape["bits"]
    codes = torch.randint(centroids, (shape["rows"], subspaces), device=device)
    codebook = normals(device, centroids * subspaces, shape["d"] // subspaces)
    first = torch.arange(subspaces, device=device)
    codes = codes * subspaces + first  # rows of the flat codebook
    narrow = codes.to(torch.int32)
    yield "index codes + centroids", lambda: F.embedding(narrow, codebook).view(len(codes), -1)


def gather(shape, device, seed):
    table = normals(device, shape["n"], shape["d"])
    ids = torch.from_numpy(draw_ids(shape, seed)).to(device)
    yield "F.embedding", lambda: F.embedding(ids, table)


def deduplicate(shape, device, seed):
    ids = torch.from_numpy(draw_ids(shape, seed)).to(device)
    yield "unique", lambda: torch.unique(ids, return_inverse=True, return_counts=True)


def sparse_update(shape, device, seed, make_optimizer):
    """What loss.backward() and the optimizer's step do with the gradient of the look-ups."""
    table = torch.nn.Parameter(torch.zeros(shape["n"], shape["d"], device=device))
    optimizer = make_optimizer([table])
    ids = torch.from_numpy(draw_ids(shape, seed)).to(device)
    values = normals(device, shape["B"], shape["d"])

    def step():
        table.grad = torch.sparse_coo_tensor(ids[None], values, table.shape)
        optimizer.step()

    return step


def sparse_adam(shape, device, seed):
    yield "SparseAdam", sparse_update(shape, device, seed, torch.optim.SparseAdam)


def rowwise_adagrad(shape, device, seed):
    """PyTorch has no row-wise Adagrad; the nearest keeps a sum of squares an element."""
    yield "Adagrad, sparse", sparse_update(shape, device, seed, torch.optim.Adagrad)


def sgd(shape, device, seed):
    yield "SGD, sparse", sparse_update(shape, device, seed,
                                       lambda tables: torch.optim.SGD(tables, lr=1e-3))


def codebook_gradient(shape, device, seed):
    """Of the distinct rows of a batch, each weighted by its look-ups."""
    subspaces, limits = shape["D"], [int(k) for k in shape["K"].split("/")]
    width = shape["d"] // subspaces
    table = normals(device, shape["n"], shape["d"])
    codebook = normals(device, limits[0] * subspaces, width).requires_grad_()  # rows (k, j)
    ids, counts = torch.unique(torch.from_numpy(draw_ids(shape, seed)).to(device),
                               return_counts=True)
    limit = torch.tensor(limits, device=device)[tier_of(ids, shape["n"])]
    codes = (torch.rand(len(ids), subspaces, device=device) * limit[:, None]).long()
    places = (codes * subspaces + torch.arange(subspaces, device=device)).view(-1)
    weights = counts.float()[:, None]

    def index_add():
        with torch.no_grad():
            rows = table[ids]
            difference = weights * (F.embedding(places, codebook).view_as(rows) - rows)
            torch.zeros_like(codebook).index_add_(0, places, difference.view(-1, width))

    def autograd():
        rows = table[ids]
        difference = F.embedding(places, codebook).view_as(rows) - rows
        torch.autograd.grad((0.5 * weights * difference ** 2).sum(), codebook)

    yield "index_add_", index_add
    yield "autograd", autograd


def softmax_backward(shape, device, seed):
    """The backward alone, from a graph that has kept the probabilities."""
    subspaces, centroids = shape["D"], shape["K"]
    queries = normals(device, shape["rows"], shape["d"]).requires_grad_()
    keys, values = (normals(device, subspaces, centroids, shape["d"] // subspaces).requires_grad_()
                    for _ in range(2))
    soft = (by_subspace(queries, subspaces) @ keys.transpose(1, 2)).softmax(-1)
    hard = F.one_hot(soft.argmax(-1), centroids).to(soft.dtype)
    out = (hard + soft - soft.detach()) @ values
    gradient = torch.randn_like(out)
    yield "autograd", lambda: torch.autograd.grad(out, [queries, keys, values], gradient,
                                                  retain_graph=True)


# ---- layers --------------------------------------------------------------------------------------

def gmf(shape, device, seed):
    users = normals(device, shape["users"], shape["d"])
    items = normals(device, shape["items"], shape["d"])
    linear = torch.nn.Linear(shape["d"], 1).to(device)
    user_ids = torch.randint(shape["users"], (shape["B"],), device=device)
    item_ids = torch.randint(shape["items"], (shape["B"],), device=device)
    gradient = normals(device, shape["B"])

    def step():
        p = F.embedding(user_ids, users).requires_grad_()
        q = F.embedding(item_ids, items).requires_grad_()
        linear((p * q)).squeeze(-1).backward(gradient)

    yield "autograd", step


def padded_attention(q, k, v, causal, rate):
    """q, k, v (B, H, L, d / H)"""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    weights = F.dropout(scores.masked_fill(causal, -math.inf).softmax(-1), rate)
    return weights @ v


def attention_of(shape, device):
    """Padded to the longest, as PyTorch's own layers need it."""
    size = (shape["sequences"], shape["heads"], shape["longest"], shape["d"] // shape["heads"])
    inputs = [normals(device, *size).requires_grad_() for _ in range(3)]
    rate = float(shape["dropout"])
    if hasattr(F, "scaled_dot_product_attention"):
        return inputs, "scaled_dot_product_attention", lambda: F.scaled_dot_product_attention(
            *inputs, is_causal=True, dropout_p=rate)
    causal = torch.ones(size[2], size[2], dtype=torch.bool, device=device).triu(1)
    return inputs, "softmax(q k) v, padded", lambda: padded_attention(*inputs, causal, rate)


def attention(shape, device, seed):
    _, name, forward = attention_of(shape, device)

    def run():
        with torch.no_grad():
            forward()

    yield name, run


def attention_backward(shape, device, seed):
    inputs, name, forward = attention_of(shape, device)
    out = forward()
    gradient = torch.randn_like(out)
    yield name, lambda: torch.autograd.grad(out, inputs, gradient, retain_graph=True)


def layer_norm_of(shape, device):
    x = normals(device, shape["T"], shape["d"]).requires_grad_()
    layer = torch.nn.LayerNorm(shape["d"]).to(device)
    return x, layer


def layer_norm(shape, device, seed):
    x, layer = layer_norm_of(shape, device)

    def run():
        with torch.no_grad():
            layer(x)

    yield "F.layer_norm", run


def layer_norm_backward(shape, device, seed):
    x, layer = layer_norm_of(shape, device)
    out = layer(x)
    gradient = torch.randn_like(out)
    inputs = [x, layer.weight, layer.bias]
    yield "F.layer_norm", lambda: torch.autograd.grad(out, inputs, gradient, retain_graph=True)


def matmul(shape, device, seed):
    a, b = normals(device, shape["m"], shape["k"]), normals(device, shape["k"], shape["n"])
    yield "matmul", lambda: a @ b


# ---- rows with many features ---------------------------------------------------------------------

def gather_features(shape, device, seed):
    """One table of all fields, whose ids lie behind one another."""
    table = normals(device, shape["n"], shape["d"])
    drawn = draw_ids({**shape, "B": shape["B"] * shape["fields"]}, seed)
    ids = torch.from_numpy(drawn).to(device).view(shape["B"], shape["fields"])
    yield "F.embedding", lambda: F.embedding(ids, table).view(len(ids), -1)


def cross_of(shape, device):
    x0, x = (normals(device, shape["B"], shape["n"]).requires_grad_() for _ in range(2))
    linear = torch.nn.Linear(shape["n"], shape["n"]).to(device)
    return x0, x, linear


def cross_layer(shape, device, seed):
    x0, x, linear = cross_of(shape, device)

    def run():
        with torch.no_grad():
            torch.addcmul(x, x0, linear(x))

    yield "addcmul of a Linear", run


def cross_layer_backward(shape, device, seed):
    x0, x, linear = cross_of(shape, device)
    out = torch.addcmul(x, x0, linear(x))
    gradient = torch.randn_like(out)
    inputs = [x0, x, linear.weight, linear.bias]
    yield "autograd", lambda: torch.autograd.grad(out, inputs, gradient, retain_graph=True)


def pairs_of(shape, device):
    """x, and both ways to its products: as DLRM's authors index them, and as one gather."""
    vectors = shape["vectors"]
    x = normals(device, shape["B"], vectors, shape["d"]).requires_grad_()
    i, j = torch.tril_indices(vectors, vectors, -1, device=device)
    places = i * vectors + j

    def indexed():
        return torch.bmm(x, x.transpose(1, 2))[:, i, j]

    def gathered():
        return torch.bmm(x, x.transpose(1, 2)).flatten(1).index_select(1, places)

    return x, {"bmm, indexed": indexed, "bmm, index_select": gathered}


def dot_pairs(shape, device, seed):
    _, ways = pairs_of(shape, device)

    def run(way):
        with torch.no_grad():
            way()

    for name, way in ways.items():
        yield name, lambda way=way: run(way)


def dot_pairs_backward(shape, device, seed):
    x, ways = pairs_of(shape, device)
    for name, way in ways.items():
        out = way()
        gradient = torch.randn_like(out)
        yield name, lambda out=out, gradient=gradient: torch.autograd.grad(
            out, x, gradient, retain_graph=True)


def rank_all(shape, device, seed):
    """Counts of better and of equal scores; users in blocks whose scores take at most 256 MB."""
    users = normals(device, shape["users"], shape["d"])
    items = normals(device, shape["items"], shape["d"])
    positives = torch.randint(shape["items"], (shape["users"],), device=device)
    block = max(1, (1 << 26) // shape["items"])

    def run():
        for begin in range(0, len(users), block):
            scores = users[begin:begin + block] @ items.T
            own = scores.gather(1, positives[begin:begin + block, None])
            (scores > own).sum(1)
            (scores == own).sum(1)

    yield "matmul + compare", run


WAYS = {
    "assign": assign,
    "assign distinct ids": lambda *args: assign_lookups(*args, distinct=True),
    "assign each look-up": lambda *args: assign_lookups(*args, distinct=False),
    "decode": decode,
    "gather": gather,
    "deduplicate": deduplicate,
    "sparse_adam": sparse_adam,
    "rowwise_adagrad": rowwise_adagrad,
    "sgd": sgd,
    "codebook_gradient": codebook_gradient,
    "softmax_backward": softmax_backward,
    "gmf": gmf,
    "attention": attention,
    "attention_backward": attention_backward,
    "layer_norm": layer_norm,
    "layer_norm_backward": layer_norm_backward,
    "matmul": matmul,
    "gather_features": gather_features,
    "cross_layer": cross_layer,
    "cross_layer_backward": cross_layer_backward,
    "dot_pairs": dot_pairs,
    "dot_pairs_backward": dot_pairs_backward,
    "rank_all": rank_all,
}


class Timer:
    def __init__(self, device, samples, seconds):
        self.device, self.samples, self.seconds = device, samples, seconds
        self.flush = torch.ones(FLUSH_FLOATS, device=device)

    def synchronize(self):
        if self.device != "cpu":
            torch.cuda.synchronize()

    def once(self, run, calls):
        self.synchronize()
        began = time.perf_counter()
        for _ in range(calls):
            run()
        self.synchronize()
        return (time.perf_counter() - began) / calls

    def sample(self, run, cold):
        """As bench_ops takes them: cold ones are single calls, warm ones last a millisecond."""
        self.once(run, 1)
        calls = 1 if cold else max(1, round(1e-3 / self.once(run, 1)))
        seconds, spent = [], 0.0
        while len(seconds) < self.samples and (len(seconds) < 3 or spent < self.seconds):
            if cold:
                self.flush.sum()
            seconds.append(self.once(run, calls))
            spent += seconds[-1] * calls
        return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="?", default="-", help="JSON file; - for stdin")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="of samples of one op at most")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    timer = Timer(args.device, args.samples, args.seconds)
    records = []
    for case in read_cases(args.cases):
        if case["op"] not in WAYS:
            continue
        for name, run in WAYS[case["op"]](case["shape"], args.device, args.seed):
            seconds = timer.sample(run, case.get("bound") == "copy")
            records.append({"op": case["op"], "shape": case["shape"],
                            "name": f"torch {torch.__version__} {name}",
                            "measured": statistics.median(seconds), "measured_min": min(seconds),
                            "measured_max": max(seconds), "samples": len(seconds)})
    json.dump(records, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
