#!/usr/bin/env python3
"""A training step of mgqe (K = 256/64) against one of dpq_vq (K = 256) of the same D, on every task of
figure 2: `bench_train --against` has both in one process and takes turns between them.

  experiments/scripts/compare_dpq.py --out experiments/results/steps_against_dpq_cpu.json
  experiments/scripts/compare_dpq.py --table experiments/results/steps_against_dpq_cpu.json    as Markdown
"""

import json
import pathlib

from compare_grouping import run_bench, run_program, where_and_how

CASES = [  # data, model, further options, steps in all, warm-up
    ("ml-1m", "gmf", ["--subspaces", "32"], 4000, 400),
    ("ml-1m", "neumf", ["--subspaces", "32"], 2000, 200),
    ("ml-1m", "sasrec", ["--subspaces", "32"], 40, 4),
    ("steam", "gmf", ["--task", "relevance", "--dim", "32", "--subspaces", "16"], 4000, 400),
]
ROUNDS = 10  # of each; the report judges by so many


def compare(args):
    records = []
    for data, model, options, steps, warmup in CASES:
        args.data = data
        record = run_bench(args, ["--model", model, "--embedding", "mgqe", "--against", "dpq_vq",
                                  "--rounds", str(ROUNDS), "--steps", str(steps), "--warmup",
                                  str(warmup), *options])
        records.append({**record, **where_and_how(record)})
        print(f"{data} {model}: {record['ratio']:.3f}", flush=True)
    return records


def print_table(path):
    print("| data | model | D | threads | mgqe (µs) | dpq_vq (µs) | mgqe / dpq_vq | by round |")
    print("| :-- | :-- | --: | --: | --: | --: | --: | --: |")
    for record in json.loads(pathlib.Path(path).read_text()):
        low, high = min(record["ratio_by_round"]), max(record["ratio_by_round"])
        print(f"| {record['data']} | {record['model']} | {record['subspaces'][0]} | "
              f"{record['threads']} | {1e6 * record['seconds_per_step']:.0f} | "
              f"{1e6 * record['seconds_per_step_against']:.0f} | {record['ratio']:.2f} | "
              f"{low:.2f}–{high:.2f} |")


if __name__ == "__main__":
    run_program(__doc__, compare, print_table)
