#!/usr/bin/env python3
"""Whole runs on MovieLens-1M by 1, 2 and 4 ranks: each backbone with a full and a quantized table,
rows sharded over ranks or whole on each. Quality must not depend on the number of ranks.

  experiments/scripts/compare_rank_runs.py --out experiments/results/rank_runs_cpu.jsonl
  experiments/scripts/compare_rank_runs.py --table experiments/results/rank_runs_cpu.jsonl

--table prints Markdown. Runs that the file holds already are left as they are. Needs mpirun."""

import argparse
import json
import pathlib
import subprocess

from compare_ranks import ENVIRONMENT

EPOCHS = {"gmf": 5, "neumf": 2, "sasrec": 5}
SCHEMES = {"full": [], "mgqe": ["--subspaces", "32", "--centroids", "256,64", "--tiers", "0.1"]}
PLACEMENTS = [(1, "rows"), (2, "rows"), (2, "none"), (4, "rows"), (4, "none")]
BOUND = 0.01  # of sampled HR@10


def name_of(model, scheme, ranks, shard):
    return f"{model}-{scheme}-{shard}-{ranks}"


def read(path):
    """The result of each run by name, a line each."""
    path = pathlib.Path(path)
    lines = path.read_text().splitlines() if path.exists() else []
    return {record["name"]: record for record in map(json.loads, lines)}


def write(path, runs):
    path = pathlib.Path(path)
    aside = path.with_suffix(".tmp")
    aside.write_text("".join(json.dumps(run, separators=(",", ":"), ensure_ascii=False) + "\n"
                             for _, run in sorted(runs.items())))
    aside.rename(path)


def train(args, model, scheme, ranks, shard):
    name = name_of(model, scheme, ranks, shard)
    if name in read(args.out):
        return
    launch = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
    command = [*launch, args.program, "train", "--data", "ml-1m", "--device", args.device, "--model",
               model, "--embedding", scheme, *SCHEMES[scheme], "--epochs", str(EPOCHS[model]),
               "--shard", shard, "--out", f"runs/ranks/{name}"]
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    record = json.loads(pathlib.Path(f"runs/ranks/{name}/result.json").read_text())
    write(args.out, read(args.out) | {name: {"name": name, **record, "command": " ".join(command)}})
    print(f"{name}: sampled HR@10 {hit_rate(record):.4f}", flush=True)


def hit_rate(record):
    return record["test"]["sampled"]["hr@10"]


def print_table(path):
    runs = read(path)
    columns = [f"{ranks} ranks, {'rows sharded' if shard == 'rows' else 'tables whole'}"
               for ranks, shard in PLACEMENTS[1:]]
    print("| run | epochs | 1 rank | " + " | ".join(columns) + " | largest difference |")
    print("| :-- | --: | --: |" + " --: |" * (len(columns) + 1))
    for model in EPOCHS:
        for scheme in SCHEMES:
            found = [runs.get(name_of(model, scheme, *placement)) for placement in PLACEMENTS]
            rates = [None if run is None else hit_rate(run) for run in found]
            apart = [abs(rate - rates[0]) for rate in rates[1:] if None not in (rate, rates[0])]
            cells = ["not run" if rate is None else f"{rate:.4f}" for rate in rates]
            largest = f"{max(apart):.4f}" if apart else "–"
            if apart and max(apart) > BOUND:
                largest = f"**{largest}**"
            print(f"| {model} {scheme} | {EPOCHS[model]} | " + " | ".join(cells) + f" | {largest} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", metavar="FILE", help="print the table of its runs and end")
    parser.add_argument("--out", metavar="FILE", help="where the results go, a line each")
    parser.add_argument("--program", default="build/release/mgqe")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.table:
        return print_table(args.table)
    if not args.out:
        parser.error("--out FILE or --table FILE")
    for ranks, shard in PLACEMENTS:
        for scheme in SCHEMES:
            for model in EPOCHS:
                train(args, model, scheme, ranks, shard)


if __name__ == "__main__":
    main()
