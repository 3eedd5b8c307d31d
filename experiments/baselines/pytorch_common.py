"""What the PyTorch baselines share: embedding tables, data, the timed loop, the command line."""

import argparse
import gzip
import json
import math
import os
import platform
import time

import numpy
import torch
import torch.nn.functional as F

ML_1M_SHAPE = {"users": 6040, "items": 3416, "actions": 987_531}  # training actions


class FullTable(torch.nn.Module):
    def __init__(self, rows, args):
        super().__init__()
        self.table = torch.nn.Parameter(0.01 * torch.randn(rows, args.dim))
        self.sparse = args.optimizer == "sparse_adam"

    def forward(self, ids):
        return F.embedding(ids, self.table, sparse=self.sparse), 0.0

    forward_distinct = forward


class MgqeTable(torch.nn.Module):
    """DPQ-VQ with a shared codebook; tier i searches its first K_i centroids only.

    Shapes: B look-ups, D subspaces of width w, K centroids.
    """

    def __init__(self, rows, args):
        super().__init__()
        self.table = torch.nn.Parameter(0.01 * torch.randn(rows, args.dim))
        self.sparse = args.optimizer == "sparse_adam"
        self.subspaces, self.width = args.subspaces, args.dim // args.subspaces
        self.codebook = torch.nn.Parameter(
            0.01 * torch.randn(self.subspaces, args.centroids[0], self.width))
        ends = [math.ceil(fraction * rows) for fraction in args.tiers] + [rows]
        self.tiers = list(zip(args.centroids, [0] + ends[:-1], ends))  # K_i, first id, end
        self.assign = self.assign_masked if args.search == "mask" else self.assign_by_tier
        if args.search == "mask":
            barrier = torch.zeros(rows, args.centroids[0])  # infinite where k >= K_i
            for limit, begin, end in self.tiers:
                barrier[begin:end, limit:] = math.inf
            self.register_buffer("barrier", barrier)

    def scores(self, queries, limit):
        """0.5 ||c||^2 - e c, in order of the distances: (D, B, w) -> (D, B, limit)"""
        codebook = self.codebook[:, :limit]
        half_norms = 0.5 * (codebook ** 2).sum(-1)
        return torch.baddbmm(half_norms[:, None], queries, codebook.transpose(1, 2), alpha=-1.0)

    def assign_by_tier(self, ids, queries):
        """queries (D, B, w) -> codes (D, B), a search for each tier."""
        codes = torch.empty(queries.shape[:2], dtype=torch.long, device=ids.device)
        for limit, begin, end in self.tiers:
            members = ((ids >= begin) & (ids < end)).nonzero(as_tuple=True)[0]
            if len(members) > 0:
                # Twice as fast as argmin(-1) in PyTorch 1.13.
                codes[:, members] = self.scores(queries[:, members], limit).min(-1)[1]
        return codes

    def assign_masked(self, ids, queries):
        """The same in one search over all K centroids, those beyond a tier's own masked."""
        scores = self.scores(queries, self.codebook.shape[1])
        scores += self.barrier[ids]
        return scores.min(-1)[1]

    def quantize(self, ids):
        """Rows of the ids (B, d): queries, and the centroids chosen for them."""
        queries = F.embedding(ids, self.table, sparse=self.sparse)
        with torch.no_grad():
            by_subspace = queries.view(len(ids), self.subspaces, self.width).transpose(0, 1)
            codes = self.assign(ids, by_subspace)
        # gather's backward is 2 to 4 times as fast as those of codebook[...] and F.embedding.
        chosen = self.codebook.gather(1, codes[:, :, None].expand(-1, -1, self.width))
        return queries, chosen.transpose(0, 1).reshape(queries.shape)

    def forward(self, ids):
        queries, chosen = self.quantize(ids)
        codebook_loss = F.mse_loss(chosen, queries.detach())
        return queries + (chosen - queries).detach(), codebook_loss

    def forward_distinct(self, ids):
        """The same, each distinct id quantized once: faster where ids come many times over."""
        distinct, inverse, counts = ids.unique(return_inverse=True, return_counts=True)
        queries, chosen = self.quantize(distinct)
        errors = ((chosen - queries.detach()) ** 2).mean(1)
        rows = queries + (chosen - queries).detach()
        return F.embedding(inverse, rows), (errors * counts).sum() / len(ids)


def read_sasrec_text(path):
    """`user item` lines -> training pairs as popularity ranks, last two actions a user held out."""
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    with opened as file:
        users, items = numpy.loadtxt(file, dtype=numpy.int64).T
    order = numpy.argsort(users, kind="stable")
    users, items = users[order], items[order]
    keep = numpy.zeros(len(users), dtype=bool)
    keep[:-2] = users[:-2] == users[2:]
    all_users, all_items = numpy.unique(users), numpy.unique(items)
    return (by_popularity(users[keep], all_users), by_popularity(items[keep], all_items),
            len(all_users), len(all_items))


def by_popularity(keys, all_keys):
    index = numpy.searchsorted(all_keys, keys)
    counts = numpy.bincount(index, minlength=len(all_keys))
    rank = numpy.empty(len(all_keys), dtype=numpy.int64)
    rank[numpy.argsort(-counts, kind="stable")] = numpy.arange(len(all_keys))
    return rank[index]


def make_pairs(random):
    """Random training pairs of ML-1M's shape, popularity falling with rank."""
    def draw(n):
        probability = 1.0 / (numpy.arange(n) + 0.05 * n)
        return random.choice(n, ML_1M_SHAPE["actions"], p=probability / probability.sum())
    return (draw(ML_1M_SHAPE["users"]), draw(ML_1M_SHAPE["items"]),
            ML_1M_SHAPE["users"], ML_1M_SHAPE["items"])


def read_pairs(args, random):
    """Training pairs (users, items, number of users, number of items)."""
    return read_sasrec_text(args.data) if args.data else make_pairs(random)


def replace_seen(users, items, redraw, pairs, random):
    """Gives users[i], for i in redraw, an items[i] that the user has no training action on."""
    n_items = pairs[3]
    seen = numpy.unique(pairs[0] * n_items + pairs[1])
    while len(redraw) > 0:
        items[redraw] = random.integers(n_items, size=len(redraw))
        keys = users[redraw] * n_items + items[redraw]
        position = numpy.minimum(numpy.searchsorted(seen, keys), len(seen) - 1)
        redraw = redraw[seen[position] == keys]


def make_pair_batches(pairs, count, args, random):
    """`count` batches of (users, items, labels): positives and 4 unseen items beside each."""
    users, items, _, _ = pairs
    samples = count * args.batch
    positive = random.random(samples) < 1.0 / (1 + args.negatives)
    source = random.integers(len(users), size=samples)
    batch_users, batch_items = users[source], items[source]
    replace_seen(batch_users, batch_items, numpy.flatnonzero(~positive), pairs, random)
    columns = (batch_users, batch_items, positive.astype(numpy.float32))
    return list(zip(*(torch.from_numpy(column).split(args.batch) for column in columns)))


def make_optimizers(model, args):
    if args.optimizer == "adam":
        return [torch.optim.Adam(model.parameters(), lr=args.lr, betas=args.betas)]
    if args.optimizer == "adam_fused":
        return [torch.optim.Adam(model.parameters(), lr=args.lr, betas=args.betas, fused=True)]
    tables = [each.table for each in model.modules() if isinstance(each, (FullTable, MgqeTable))]
    dense = [each for each in model.parameters() if all(each is not table for table in tables)]
    return [torch.optim.SparseAdam(tables, lr=args.lr, betas=args.betas),
            torch.optim.Adam(dense, lr=args.lr, betas=args.betas)]


def synchronize(args):
    if args.device == "cuda":
        torch.cuda.synchronize()


def train(model, optimizers, batches, args):
    """Seconds for all batches, and the last loss."""
    synchronize(args)
    began = time.perf_counter()
    for batch in batches:
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = model(*batch)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    synchronize(args)
    return time.perf_counter() - began, float(loss.detach())


def measure(model, batches, args):
    """The figures of args.steps steps after args.warmup others; batches are on the device before
    the clock starts."""
    model = model.to(args.device)
    optimizers = make_optimizers(model, args)
    batches = [tuple(part.to(args.device) for part in batch) for batch in batches]
    if args.compile:
        model = torch.compile(model, mode="reduce-overhead")
    if args.warmup > 0:
        train(model, optimizers, batches[:args.warmup], args)
    seconds, loss = train(model, optimizers, batches[args.warmup:], args)
    return {"seconds_per_step": seconds / args.steps,
            "samples_per_second": args.batch * args.steps / seconds,
            "steps": args.steps, "loss": loss}


def report(name, args, shape, figures):
    """The one line of JSON that compare_training.py reads."""
    if args.embedding == "mgqe":
        shape = {**shape, "subspaces": args.subspaces, "centroids": args.centroids,
                 "tiers": args.tiers}
    search = {"search": args.search} if args.embedding == "mgqe" else {}
    print(json.dumps({
        "op": f"{name} {args.embedding}",
        "optimizer": args.optimizer,
        **search,
        "shape": shape,
        **figures,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "device": args.device,
        "compiled": args.compile,
        "cpu": cpu_model(),
        **({"gpu": torch.cuda.get_device_name()} if args.device == "cuda" else {}),
    }))


def run_pair_model(name, model_class, description):
    """All of a baseline that trains on labelled pairs; model_class(users, items, args)."""
    parser = make_parser(description, batch=256, steps=300, warmup=30)
    parser.add_argument("--negatives", type=int, default=4)
    args = parse(parser, betas=(0.9, 0.999))
    random = start(args)
    pairs = read_pairs(args, random)
    batches = make_pair_batches(pairs, args.warmup + args.steps, args, random)
    figures = measure(model_class(pairs[2], pairs[3], args), batches, args)
    samples = len(pairs[0]) * (1 + args.negatives)
    report(name, args,
           {"users": pairs[2], "items": pairs[3], "batch": args.batch, "dim": args.dim},
           {**figures, "steps_per_epoch": math.ceil(samples / args.batch)})


class FeatureVectors(torch.nn.Module):
    """The vectors of C fields: fields of few rows full, all others in one table,
    whose ids lie behind one another. Returns them and the tables' loss."""

    def __init__(self, fields, args):
        super().__init__()
        small = [rows <= args.full_rows or args.embedding == "full" for rows in fields]
        self.parts = torch.nn.ModuleList()
        self.columns = []  # of each part
        for kind, table in ((True, FullTable), (False, MgqeTable)):
            columns = [c for c, is_small in enumerate(small) if is_small == kind]
            if columns:
                offsets = numpy.cumsum([0] + [fields[c] for c in columns[:-1]])
                self.register_buffer(f"offsets_{len(self.columns)}", torch.tensor(offsets))
                self.parts.append(table(sum(fields[c] for c in columns), args))
                self.columns.append(columns)
        # Places of the parts' vectors, one part behind the other, by field.
        order = [c for columns in self.columns for c in columns]
        self.register_buffer("order", torch.tensor(numpy.argsort(order)))

    def forward(self, ids):
        """ids (B, C) -> vectors (B, C, d)"""
        vectors, loss = [], 0.0
        for number, (table, columns) in enumerate(zip(self.parts, self.columns)):
            chosen = ids if len(columns) == ids.shape[1] else ids[:, columns]
            flat = (chosen + getattr(self, f"offsets_{number}")).reshape(-1)
            rows, table_loss = table.forward_distinct(flat)
            vectors.append(rows.view(len(ids), len(columns), -1))
            loss = loss + table_loss
        if len(vectors) == 1:
            return vectors[0], loss
        return torch.cat(vectors, 1)[:, self.order], loss


def layers_of(inputs, widths):
    """ReLU layers, and how many numbers they leave."""
    layers = []
    for width in widths:
        layers += [torch.nn.Linear(inputs, width), torch.nn.ReLU()]
        inputs = width
    return torch.nn.Sequential(*layers), inputs


def run_click_model(name, model_class, description, add_arguments):
    """All of a baseline that trains on rows of many features; model_class(fields, args)."""
    parser = make_parser(description, batch=4096, steps=50, warmup=5)
    parser.add_argument("--fields", type=comma_list(int), required=True, help="rows of each field")
    parser.add_argument("--dense", type=int, default=0, help="numbers beside the fields")
    parser.add_argument("--full-rows", type=int, default=100,
                        help="mgqe: fields of as many rows or fewer are full")
    parser.add_argument("--hidden", type=comma_list(int), default=[400, 400, 400])
    parser.add_argument("--examples", type=int, required=True, help="of an epoch")
    add_arguments(parser)
    args = parse(parser, betas=(0.9, 0.999))
    random = start(args)
    batches = []
    for _ in range(args.warmup + args.steps):
        # Popularity falls with the id, as in make_pairs.
        ids = numpy.stack([(rows * (0.05 * (1.05 / 0.05) ** random.random(args.batch) - 0.05))
                           .astype(numpy.int64).clip(0, rows - 1) for rows in args.fields], 1)
        dense = random.normal(size=(args.batch, args.dense)).astype(numpy.float32)
        labels = (random.random(args.batch) < 1 / 3).astype(numpy.float32)
        batches.append(tuple(map(torch.from_numpy, (ids, dense, labels))))
    figures = measure(model_class(args.fields, args), batches, args)
    report(name, args,
           {"fields": args.fields, "dense": args.dense, "batch": args.batch, "dim": args.dim,
            "hidden": args.hidden},
           {**figures, "steps_per_epoch": math.ceil(args.examples / args.batch)})


def start(args):
    """Seeds everything; numpy's generator."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return numpy.random.default_rng(args.seed)


def cpu_model():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def comma_list(kind):
    return lambda text: [kind(part) for part in text.split(",") if part]



def make_parser(description, batch, steps, warmup):
    """Options that all baselines take."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--embedding", choices=["full", "mgqe"], default="full")
    parser.add_argument("--optimizer", choices=["adam", "adam_fused", "sparse_adam"],
                        default="adam", help="adam_fused needs PyTorch >= 2.4 on the CPU")
    parser.add_argument("--search", choices=["tiers", "mask"], default="tiers",
                        help="mgqe: a search for each tier, or one with a mask (slower)")
    parser.add_argument("--data", help="SASRec text, `user item` lines, .gz or not; "
                        "default: random pairs of ML-1M's shape")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--subspaces", type=int, default=32)
    parser.add_argument("--centroids", type=comma_list(int), default=[256, 64])
    parser.add_argument("--tiers", type=comma_list(float), default=[0.1])
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=steps, help="timed steps")
    parser.add_argument("--warmup", type=int, default=warmup, help="steps before them")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true",
                        help='torch.compile(mode="reduce-overhead"), of PyTorch >= 2')
    return parser


def parse(parser, betas):
    args = parser.parse_args()
    if len(args.tiers) + 1 != len(args.centroids):
        parser.error("--tiers needs one cut fewer than --centroids has values")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this PyTorch finds no GPU")
    if args.compile and not hasattr(torch, "compile"):
        parser.error(f"--compile needs PyTorch >= 2, this is {torch.__version__}")
    args.betas = betas
    return args
