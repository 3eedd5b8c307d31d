#!/usr/bin/env python3
"""Single ops against PyTorch and faiss on the same machine, in one go.

Runs build/release/bench_ops, ops_pytorch.py and ops_faiss.py in turn, op by op and round by round, so
that all see the same load and clock, and joins them by op and shape. A record's baseline is the
fastest of them all, those that bench_ops measures itself included.

  experiments/baselines/compare_ops.py --torch /usr/bin/python3 --faiss venv/bin/python \\
      --threads 1 2 --out experiments/results/ops_cpu.json
  experiments/baselines/compare_ops.py --only '^assign rows' --faiss venv/bin/python
  experiments/baselines/compare_ops.py --table experiments/results/ops_cpu.json     as Markdown
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

from compare_training import write_json

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def run(command, threads, stdin=None):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"{shlex.join(command)} ended with exit code {done.returncode}: {reason}")
    return done.stdout


def bench_command(args, only):
    return [args.bench, "--device", args.device, "--only", only, *args.bench_options]


def ops_to_run(args):
    """The cases that --only leaves, by op: its name, and a pattern that matches them alone. A label
    is the name, then KEY=VALUE words."""
    labels = {}
    for label in run(bench_command(args, args.only) + ["--list"], 1).splitlines():
        name = " ".join(word for word in label.split() if "=" not in word)
        labels.setdefault(name, []).append(label.replace(".", "[.]"))
    return {name: f"^({'|'.join(cases)})$" for name, cases in labels.items()}


def baseline_commands(args, threads):
    samples = ["--threads", str(threads), "--samples", str(args.baseline_samples)]
    torch_device = [] if args.device == "cpu" else ["--device", args.device]
    commands = [[python, str(HERE / "ops_pytorch.py"), *samples, *torch_device]
                for python in args.torch]
    if args.device == "cpu":
        commands += [[python, str(HERE / "ops_faiss.py"), *samples] for python in args.faiss]
    return commands


def key_of(record):
    return record["op"], json.dumps(record["shape"], sort_keys=True)


def one_round(args, only, threads):
    """bench_ops's records of the cases that match, and for each the baselines' times by name."""
    command = bench_command(args, only) + ["--samples", str(args.samples), "--json", "-"]
    ours = json.loads(run(command, threads))
    times = {key_of(record): {other["name"]: other["measured"] for other in record["baselines"]}
             for record in ours}
    cases = json.dumps([{key: record[key] for key in ("op", "shape", "bound")} for record in ours])
    for command in baseline_commands(args, threads):
        for record in json.loads(run(command, threads, cases)):
            times[key_of(record)][record["name"]] = record["measured"]
    return ours, times


def limit_of(record, ceilings):
    """As bench_ops has it: of a search on a CPU the flops are those that slots allow."""
    search = f"search_flops_per_second_width_{record['searched_width']}"
    flops = ceilings.get(search, ceilings["fma_flops_per_second"])
    return max(record["bytes"] / ceilings["copy_bytes_per_second"], record["flops"] / flops)


def join(args, rounds, threads):
    """One record a case: medians over the rounds, the highest ceilings of any."""
    records = []
    for case in zip(*(ours for ours, _ in rounds)):
        times = [by_case[key_of(case[0])] for _, by_case in rounds]
        measured_rounds = [record["measured"] for record in case]
        measured = statistics.median(measured_rounds)
        ceilings = {key: max(record["ceilings"][key] for record in case)
                    for key in case[0]["ceilings"]}
        limit = limit_of(case[0], ceilings)
        baselines = []
        for name in times[0]:
            by_round = [time[name] for time in times]
            ratios = [slow / fast for slow, fast in zip(by_round, measured_rounds)]
            median = statistics.median(by_round)
            baselines.append({"name": name, "measured": median, "ratio": median / measured,
                              "ratio_by_round": ratios})
        baselines.sort(key=lambda baseline: baseline["measured"])
        fastest = baselines[0] if baselines else {"name": None, "measured": None, "ratio": None}
        records.append({**case[0],
                        "measured": measured,
                        "measured_min": min(record["measured_min"] for record in case),
                        "measured_max": max(record["measured_max"] for record in case),
                        "samples": sum(record["samples"] for record in case),
                        "measured_by_round": measured_rounds,
                        "limit": limit,
                        "share": limit / measured,
                        "share_of_fma": (case[0]["flops"] / ceilings["fma_flops_per_second"]
                                         / measured),
                        "baseline_name": fastest["name"],
                        "baseline": fastest["measured"],
                        "ratio": fastest["ratio"],
                        "baselines": baselines,
                        "ceilings": ceilings,
                        "threads": threads,
                        "command": shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])})
    return records


def short_time(seconds):
    for unit, scale, digits in (("µs", 1e6, 1), ("ms", 1e3, 2)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.{digits}f} {unit}"
    return f"{seconds:.2f} s"


def cells_of(record):
    shape = " ".join(f"{key}={value}" for key, value in record["shape"].items())
    against = ", ".join(f"{other['ratio']:.1f}× {other['name']}" for other in record["baselines"])
    measured = record["measured"]
    return (record["op"], shape, record["threads"], short_time(measured),
            f"{1e-9 * record['bytes'] / measured:.1f}", f"{1e-9 * record['flops'] / measured:.1f}",
            record["bound"], f"{100 * record['share']:.0f}%", against)


def print_table(records):
    if not records:
        return print("Not measured yet.")
    header = ("op", "shape", "threads", "time", "GB/s", "GFLOP/s", "bound", "of limit", "against")
    print("| " + " | ".join(header) + " |")
    print("| :-- | :-- | --: | --: | --: | --: | :-- | --: | :-- |")
    for record in records:
        print("| " + " | ".join(map(str, cells_of(record))) + " |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", default=str(ROOT / "build/release/bench_ops"))
    parser.add_argument("--torch", action="append", default=[], metavar="PYTHON",
                        help="interpreter with PyTorch; may be given several times")
    parser.add_argument("--faiss", action="append", default=[], metavar="PYTHON",
                        help="interpreter with faiss; may be given several times")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]")
    parser.add_argument("--only", default="", metavar="REGEX", help="as bench_ops has it")
    parser.add_argument("--threads", nargs="+", type=int, default=[os.cpu_count()])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=15, help="of bench_ops, a round")
    parser.add_argument("--baseline-samples", type=int, default=7, help="of the others, a round")
    parser.add_argument("--bench-options", type=shlex.split, default=[], metavar="OPTIONS",
                        help="more of bench_ops: --bench-options='--batch 4096'")
    parser.add_argument("--out", help="JSON file for the records")
    parser.add_argument("--table", nargs="*", metavar="FILE",
                        help="print the table of such files, and end")
    args = parser.parse_args()
    if min(args.rounds, args.samples, args.baseline_samples, *args.threads) < 1:
        parser.error("rounds, samples and threads are 1 or more")
    return args


def main():
    args = parse_arguments()
    if args.table is not None:
        return print_table([record for path in args.table
                            for record in json.loads(pathlib.Path(path).read_text())])
    records = []
    for threads in args.threads:
        for op, only in ops_to_run(args).items():
            rounds = []
            for number in range(args.rounds):
                print(f"{op}, {threads} threads, round {number + 1}", file=sys.stderr)
                rounds.append(one_round(args, only, threads))
            records += join(args, rounds, threads)
            if args.out:
                write_json(args.out, records)  # what is done survives a run cut short
    print_table(records)


if __name__ == "__main__":
    main()
