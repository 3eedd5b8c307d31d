#!/usr/bin/env python3
"""What quantization costs: a training step of GMF with mgqe (K = 256/64) against the same with a full
table, in turn on the same machine.

  experiments/scripts/compare_embeddings.py --data ml-1m --out experiments/results/embeddings_cpu.json
  experiments/scripts/compare_embeddings.py --table experiments/results/embeddings_cpu.json    as Markdown
"""

import json
import pathlib
import statistics

from compare_grouping import run_bench, run_program, where_and_how

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
                **where_and_how(record),
            })
            print(f"batch {batch}, D = {subspaces}: {1e6 * records[-1]['measured']:.0f} us, full "
                  f"{1e6 * records[-1]['full']:.0f} us, {records[-1]['ratio']:.2f}x", flush=True)
    return records


def print_table(path):
    print("| step | batch | D | threads | mgqe (µs) | full (µs) | mgqe / full | by round |")
    print("| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for record in json.loads(pathlib.Path(path).read_text()):
        low, high = min(record["ratio_by_round"]), max(record["ratio_by_round"])
        print(f"| gmf | {record['batch']} | {record['subspaces']} | {record['threads']} | "
              f"{1e6 * record['measured']:.0f} | {1e6 * record['full']:.0f} | "
              f"{record['ratio']:.2f} | {low:.2f}–{high:.2f} |")


if __name__ == "__main__":
    run_program(__doc__, compare, print_table)
