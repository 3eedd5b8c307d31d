#!/usr/bin/env python3
"""What quantization costs: a training step of GMF with mgqe (K = 256/64) against the same with a full
table, in turn on the same machine.

  experiments/compare_embeddings.py --data ml-1m --out experiments/results/embeddings_cpu.json
  experiments/compare_embeddings.py --table experiments/results/embeddings_cpu.json    as Markdown
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import sys

from compare_grouping import run_bench

BATCHES = [(256, 4000, 400), (4096, 400, 40)]  # batch, steps, warm-up
SUBSPACES = [8, 16, 32]


def compare(args):
    records = []
    for batch, steps, warmup in BATCHES:
        shape = ["--batch", str(batch), "--steps", str(steps), "--warmup", str(warmup)]
        seconds = {None: [], **{subspaces: [] for subspaces in SUBSPACES}}
        for _ in range(args.rounds):
            for subspaces, times in seconds.items():
                scheme = (["--embedding", "full"] if subspaces is None else
                          ["--embedding", "mgqe", "--subspaces", str(subspaces)])
                record = run_bench(args, ["--model", "gmf", *scheme, *shape])
                times.append(record["seconds_per_step"])
        full = seconds.pop(None)
        for subspaces, times in seconds.items():
            records.append({
                "op": "train step, gmf mgqe", "batch": batch, "subspaces": subspaces,
                "measured": statistics.median(times), "full": statistics.median(full),
                "ratio": statistics.median(times) / statistics.median(full),
                "ratio_by_round": [a / b for a, b in zip(times, full)], "unit": "s",
                "data": record["data"],
                "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())),
                "device": record["device"], "device_description": record["device_description"],
                "commit": record["commit"], "seed": record["seed"],
                "command": shlex.join(["experiments/compare_embeddings.py", *sys.argv[1:]]),
            })
            print(f"batch {batch}, D = {subspaces}: {1e6 * records[-1]['measured']:.0f} us, full "
                  f"{1e6 * records[-1]['full']:.0f} us, {records[-1]['ratio']:.2f}x", flush=True)
    aside = pathlib.Path(str(args.out) + ".tmp")
    aside.write_text(json.dumps(records, indent=2) + "\n")
    aside.rename(args.out)


def print_table(path):
    print("| step | batch | D | threads | mgqe (µs) | full (µs) | mgqe / full | by round |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for record in json.loads(pathlib.Path(path).read_text()):
        low, high = min(record["ratio_by_round"]), max(record["ratio_by_round"])
        print(f"| gmf | {record['batch']} | {record['subspaces']} | {record['threads']} | "
              f"{1e6 * record['measured']:.0f} | {1e6 * record['full']:.0f} | "
              f"{record['ratio']:.2f} | {low:.2f}–{high:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--bench", default="build/release/bench_train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path, help="where the JSON goes")
    parser.add_argument("--table", help="print this file as a Markdown table instead")
    args = parser.parse_args()
    if args.table:
        print_table(args.table)
    elif args.out is None:
        parser.error("--out is missing: name the JSON file to write")
    else:
        compare(args)


if __name__ == "__main__":
    main()
