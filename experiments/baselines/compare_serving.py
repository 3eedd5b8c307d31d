#!/usr/bin/env python3
"""Look-ups and top-k of a coded table by mgqe, faiss and PyTorch, taking turns in one process.

bench_serve draws the table, the first tenth of its rows with 256 centroids, the others with 64, and
writes it; all sides get the same codes, codebook and queries:

  mgqe       the Python package over libmgqe_serve: from the file's own codes, and prepared. Exact.
  IndexPQ    faiss, D x 8 bits, our codes a byte each: the same scores but for rounding
  FastScan   faiss, 2D x 4 bits, as many bytes; random codes. Approximate: another table, for its time
  IndexFlat  faiss, inner product with the decoded table
  PyTorch    product with the decoded table and topk; nn.Embedding for look-ups

Lists of mgqe, IndexPQ, IndexFlat and PyTorch must be the same but for rows whose scores differ by
rounding alone, else nothing is timed. Needs faiss-cpu and torch (pip).

  experiments/baselines/compare_serving.py --build build/release --rows 1e7
  experiments/baselines/compare_serving.py --rows 1e6 --subspaces 32 --users 1,64 --json d32.json
  experiments/baselines/compare_serving.py --show d32.json bench_serve.json   tables of what was measured
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCORE_BYTES = 1 << 28  # of a chunk of PyTorch's scores


def parse():
    def counts(text):
        return [int(float(word)) for word in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rows", type=counts, default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--subspaces", type=int, default=8)
    parser.add_argument("--users", type=counts, default=[1, 64, 1024], help="of one call")
    parser.add_argument("--batches", type=counts, default=[1, 256, 65536], help="rows of a look-up")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7, help="in which all ways take turns")
    parser.add_argument("--seconds", type=float, default=0.3, help="of one way in one round, about")
    parser.add_argument("--flat-users", type=int, default=64,
                        help="the most users that IndexPQ, IndexFlat and PyTorch are asked about")
    parser.add_argument("--beside", default="", help="what else the machine did, for the record")
    parser.add_argument("--json", type=pathlib.Path, help="write the records to this file")
    parser.add_argument("--show", type=pathlib.Path, nargs="+", metavar="FILE",
                        help="print tables of such files, or of bench_serve's, and measure nothing")
    return parser.parse_args()


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


class Table:
    """One drawn table, on all sides."""

    def __init__(self, args, rows, folder):
        subprocess.run([args.build / "bench_serve", "--rows", str(rows), "--dim", str(args.dim),
                        "--subspaces", str(args.subspaces), "--dump", folder], check=True)
        self.args, self.rows = args, rows
        self.queries = numpy.load(folder / "queries.npy")
        codes, codebook = numpy.load(folder / "codes.npy"), numpy.load(folder / "codebook.npy")
        self.straight = mgqe.open(folder / "model.safetensors")
        self.prepared = mgqe.open(folder / "model.safetensors", prepare=True)
        dim, subspaces = args.dim, args.subspaces
        self.pq = faiss.IndexPQ(dim, subspaces, 8, faiss.METRIC_INNER_PRODUCT)
        self.fill(self.pq, codes, codebook.reshape(256, subspaces, -1).transpose(1, 0, 2))
        random = numpy.random.default_rng(1)
        narrow = faiss.IndexPQ(dim, 2 * subspaces, 4, faiss.METRIC_INNER_PRODUCT)
        self.fill(narrow, random.integers(256, size=codes.shape, dtype=numpy.uint8),
                  random.standard_normal((2 * subspaces, 16, dim // (2 * subspaces))))
        self.fast_scan = faiss.IndexPQFastScan(narrow)
        self.flat = faiss.IndexFlatIP(dim)
        for first in range(0, rows, 1 << 20):
            last = min(rows, first + (1 << 20))
            self.flat.add(self.straight.lookup(numpy.arange(first, last)))
        decoded = faiss.rev_swig_ptr(self.flat.get_xb(), rows * dim).reshape(rows, dim)
        self.full = torch.from_numpy(decoded)

    def fill(self, index, codes, centroids):
        faiss.copy_array_to_vector(numpy.ascontiguousarray(centroids, numpy.float32).ravel(),
                                   index.pq.centroids)
        faiss.copy_array_to_vector(numpy.ascontiguousarray(codes).ravel(), index.codes)
        index.is_trained, index.ntotal = True, self.rows

    def torch_top_k(self, queries, k):
        queries = torch.from_numpy(queries)
        chunk = max(k, SCORE_BYTES // 4 // len(queries))
        parts = []
        for first in range(0, self.rows, chunk):
            found = torch.topk(queries @ self.full[first:first + chunk].T,
                               min(k, self.rows - first))
            parts.append((found.values, found.indices + first))
        values, rows = (torch.cat(each, dim=1) for each in zip(*parts))
        best = torch.topk(values, k)
        return best.values.numpy(), torch.gather(rows, 1, best.indices).numpy()

    def top_k_ways(self, users):
        """Names, calls of queries that give (scores, rows), and whether the lists have to agree."""
        k, threads = self.args.k, self.args.threads

        def ours(model):
            def call(queries):
                found = model.top_k(queries, k, threads=threads)
                return found.scores, found.rows
            return call

        ways = [("mgqe, prepared", ours(self.prepared), True),
                ("mgqe, straight from the file", ours(self.straight), True),
                ("faiss FastScan (approximate)", lambda q: self.fast_scan.search(q, k), False)]
        if users <= self.args.flat_users:
            ways += [("faiss IndexPQ", lambda q: self.pq.search(q, k), True),
                     ("faiss IndexFlat", lambda q: self.flat.search(q, k), True),
                     ("PyTorch product and topk", lambda q: self.torch_top_k(q, k), True)]
        return ways

    def look_up_ways(self):
        embedding = torch.nn.Embedding.from_pretrained(self.full)

        def by_torch(rows):
            with torch.no_grad():
                return embedding(torch.from_numpy(rows)).numpy()

        return [("mgqe", lambda rows: self.straight.lookup(rows, threads=self.args.threads), True),
                ("PyTorch nn.Embedding", by_torch, True)]

    def asked(self, turn, users):
        if users > len(self.queries):
            return numpy.ascontiguousarray(numpy.resize(self.queries, (users, self.args.dim)))
        first = turn * users % (len(self.queries) - users + 1)
        return self.queries[first:first + users]


def same_lists(table, ways, users):
    queries, first = table.asked(0, users), None
    for name, call, comparable in ways:
        scores, rows = call(queries)
        if not comparable:
            continue
        if first is None:
            first = scores
            continue
        # Equal rows follow from equal scores of each place but where two of them are that close.
        if not numpy.allclose(numpy.sort(scores), numpy.sort(first), rtol=1e-5, atol=1e-4):
            sys.exit(f"{name} gives other lists than {ways[0][0]}: not timed")


def take_turns(args, ways, of_turn):
    """Seconds of single calls of each way; the clock of the processor where one thread works."""
    clock = time.process_time if args.threads == 1 else time.perf_counter
    seconds = [[] for _ in ways]
    for turn in range(args.rounds):
        for way, (_, call, _) in enumerate(ways):
            if seconds[way] and seconds[way][0] > 20 * args.seconds:
                continue  # a slow one: once is enough
            given, end = of_turn(turn), time.perf_counter() + args.seconds
            while True:
                began = clock()
                call(given)
                seconds[way].append(clock() - began)
                if time.perf_counter() >= end:
                    break
    return seconds


def records_of(op, shape, unit, units, ways, seconds):
    records = []
    for (name, _, _), each in zip(ways, seconds):
        each = sorted(each)
        records.append({"op": op, "variant": name, "shape": shape, "unit": f"seconds/{unit}",
                        "measured": statistics.median(each) / units, "measured_min": each[0] / units,
                        "call_p99_ms": 1e3 * each[min(len(each) - 1, int(0.99 * len(each)))],
                        "samples": len(each)})
    return records


def measure(args, rows):
    with tempfile.TemporaryDirectory() as folder:
        table = Table(args, rows, pathlib.Path(folder))
        shape = {"rows": rows, "d": args.dim, "D": args.subspaces}
        records, random = [], numpy.random.default_rng(2)
        for batch in args.batches:
            ids = [random.integers(rows, size=batch) for _ in range(8)]
            ways = table.look_up_ways()
            if not numpy.array_equal(ways[0][1](ids[0]), ways[1][1](ids[0])):
                sys.exit("look-ups differ: not timed")
            seconds = take_turns(args, ways, lambda turn: ids[turn % 8])
            records += records_of("look_up", {**shape, "batch": batch}, "row", batch, ways, seconds)
        for users in args.users:
            ways = table.top_k_ways(users)
            same_lists(table, ways, users)
            seconds = take_turns(args, ways, lambda turn: table.asked(turn, users))
            records += records_of("top_k", {**shape, "k": args.k, "users": users}, "user", users,
                                  ways, seconds)
        return records


def short(seconds):
    for scale, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def markdown(records):
    """Records of one op and shape follow each other; each says how many times the first's it takes."""
    lines = ["| rows | D | what | by | a unit | times the first |",
             "| ---: | ---: | --- | --- | ---: | ---: |"]
    last, first = None, 1.0
    for record in records:
        shape = record["shape"]
        if record["op"] == "open":
            continue
        if (record["op"], shape) != last:
            last, first = (record["op"], shape), record["measured"]
        what = (f"look-up of {shape['batch']}" if record["op"] == "look_up" else
                f"top-{shape['k']}, {shape['users']} user{'s' * (shape['users'] > 1)}")
        lines.append(f"| {shape['rows']:,} | {shape['D']} | {what} | {record['variant']} | "
                     f"{short(record['measured'])} | {record['measured'] / first:.2f} |")
    return "\n".join(lines)


def show(path):
    read = json.loads(path.read_text())
    records = read["records"] if isinstance(read, dict) else read
    about = read if isinstance(read, dict) else {**records[0], "device": records[0].get(
        "device_description", records[0].get("device"))}
    beside = f"; beside it: {about['beside']}" if about.get("beside") else ""
    print(f"**{path.name}**: {about['device']}, {about['threads']} thread, commit {about['commit']}"
          f"{beside}.\n\n{markdown(records)}\n")


def main():
    args = parse()
    for path in args.show or []:
        show(path)
    if args.show:
        return
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    os.environ["MGQE_LIBRARY"] = str(args.build.resolve() / "libmgqe_serve.so")
    sys.path.insert(0, str(ROOT / "host" / "serve" / "python"))
    global numpy, faiss, torch, mgqe
    import numpy
    import faiss
    import torch
    import mgqe
    faiss.omp_set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    records = []
    for rows in args.rows:
        records += measure(args, rows)
    print(markdown(records))
    if args.json:
        commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                                capture_output=True, text=True).stdout.strip()
        about = {"command": " ".join(sys.argv[1:]), "commit": commit, "device": processor(),
                 "threads": args.threads, "clock": "cpu" if args.threads == 1 else "wall",
                 "faiss": faiss.__version__, "torch": torch.__version__, "beside": args.beside}
        part = args.json.with_name(args.json.name + ".part")
        part.write_text(json.dumps({**about, "records": records}, indent=1) + "\n")
        part.replace(args.json)


if __name__ == "__main__":
    main()
