#!/usr/bin/env python3
"""Search by tier groups (--grouping tier: the distinct ids of a batch, sorted, are searched once)
against search by look-up (--grouping lookup), whole training steps, in turn on the same machine.

  experiments/scripts/compare_grouping.py --data ml-1m --out experiments/results/grouping_cpu.json
  experiments/scripts/compare_grouping.py --table experiments/results/grouping_cpu.json     as Markdown
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = [  # model, batch, steps, warm-up
    ("gmf", 256, 4000, 400),
    ("gmf", 4096, 400, 40),
    ("neumf", 256, 2000, 200),
    ("sasrec", 128, 30, 5),
]


def run_bench(args, options):
    """What bench_train reports."""
    command = [args.bench, "--data", args.data, *options, "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)[0]


def where_and_how(record):
    """What every record of a comparison keeps of bench_train's."""
    program = pathlib.Path(sys.argv[0]).name
    return {"threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())),
            **{key: record[key] for key in ("data", "device", "device_description", "commit", "seed")},
            "command": shlex.join([f"experiments/scripts/{program}", *sys.argv[1:]])}


def measure(args, model, batch, steps, warmup, grouping):
    return run_bench(args, ["--model", model, "--embedding", "mgqe", "--batch", str(batch),
                            "--grouping", grouping, "--steps", str(steps), "--warmup", str(warmup)])


def compare(args):
    records = []
    for model, batch, steps, warmup in CASES:
        tier, lookup = [], []
        for _ in range(args.rounds):
            record = measure(args, model, batch, steps, warmup, "tier")
            tier.append(record["seconds_per_step"])
            lookup.append(measure(args, model, batch, steps, warmup, "lookup")["seconds_per_step"])
        ratios = [b / a for a, b in zip(tier, lookup)]
        records.append({
            "op": f"train step, {model} mgqe", "batch": batch, "unit": "s",
            "shape": record["shape"],
            "tier": statistics.median(tier), "lookup": statistics.median(lookup),
            "ratio": statistics.median(lookup) / statistics.median(tier), "ratio_by_round": ratios,
            **where_and_how(record),
        })
        print(f"{model} batch {batch}: tier {1e6 * records[-1]['tier']:.0f} us, "
              f"lookup {1e6 * records[-1]['lookup']:.0f} us, {records[-1]['ratio']:.2f}x", flush=True)
    return records


def print_table(path):
    print("| step | batch | threads | by tier (µs) | by look-up (µs) | ratio | by round |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    for record in json.loads(pathlib.Path(path).read_text()):
        low, high = min(record["ratio_by_round"]), max(record["ratio_by_round"])
        print(f"| {record['op'].removeprefix('train step, ')} | {record['batch']} | "
              f"{record['threads']} | {1e6 * record['tier']:.0f} | {1e6 * record['lookup']:.0f} | "
              f"{record['ratio']:.2f}× | {low:.2f}–{high:.2f} |")


BENCH_OPTIONS = {"--data": "ml-1m", "--bench": "build/release/bench_train"}


def run_program(description, compare, print_table, options=BENCH_OPTIONS):
    """The command line of a comparison: measures and writes JSON, or prints such a file's table.
    options: what it takes beside that, with defaults."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in options.items():
        parser.add_argument(name, default=default, help=f"[{default}]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path, help="where the JSON goes")
    parser.add_argument("--table", help="print this file as a Markdown table instead")
    args = parser.parse_args()
    if args.table:
        print_table(args.table)
    elif args.out is None:
        parser.error("--out is missing: name the JSON file to write")
    else:
        records = compare(args)
        aside = pathlib.Path(str(args.out) + ".tmp")
        aside.write_text(json.dumps(records, indent=2) + "\n")
        aside.rename(args.out)


if __name__ == "__main__":
    run_program(__doc__, compare, print_table)
