#!/usr/bin/env python3
"""One Markdown table of files that compare_training.py wrote.

  experiments/baselines/speed_table.py experiments/results/training_speed_*.json
"""

import json
import sys


def rows_of(path):
    with open(path) as file:
        for record in json.load(file):
            low, high = min(record["ratio_by_round"]), max(record["ratio_by_round"])
            how = "".join(f", {record[key]}" for key in ("baseline_search", "baseline_attention")
                          if key in record)
            step = record["op"].removeprefix("train step, ")
            if "hidden" in record["shape"]:
                step += f", layers {','.join(map(str, record['shape']['hidden']))}"
            yield (step, record["threads"],
                   f"{1e6 * record['measured']:.0f}", record["baseline_name"] + how,
                   f"{1e6 * record['baseline']:.0f}", f"{record['ratio']:.1f}×",
                   f"{low:.1f}–{high:.1f}")


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: speed_table.py FILE.json...")
    header = ("step", "threads", "mgqe (µs)", "baseline", "baseline (µs)", "ratio", "by round")
    print("| " + " | ".join(header) + " |")
    print("| :-- | --: | --: | :-- | --: | --: | --: |")
    for path in sys.argv[1:]:
        for row in rows_of(path):
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
