#!/usr/bin/env python3
"""What an evaluation takes beside an epoch of training: every user's held-out item ranked against 100
items and against all, mgqe at D = 32, K = 256/64.

  experiments/scripts/compare_evaluation.py --out experiments/results/evaluation_cpu.json
  experiments/scripts/compare_evaluation.py --table experiments/results/evaluation_cpu.json   as Markdown

A run of one epoch and one of three, each evaluated after every epoch, are set against each other, so
that what happens once (candidates are drawn, test is evaluated, the artifact is written) falls out."""

import json
import pathlib
import statistics
import subprocess
import tempfile

from compare_grouping import run_program

SYNTHETIC = ["--synthetic-users", "20000", "--synthetic-items", "40000", "--synthetic-actions", "40"]
CASES = [("ml-1m", "gmf", []), ("ml-1m", "neumf", []), ("ml-1m", "sasrec", []),
         ("video", "gmf", []), ("video", "sasrec", []),
         ("synthetic", "gmf", SYNTHETIC), ("synthetic", "sasrec", SYNTHETIC)]
SHORT, LONG = 1, 3  # epochs


def seconds_of(args, options, epochs):
    with tempfile.TemporaryDirectory() as folder:
        command = [args.program, "train", *options, "--epochs", str(epochs), "--device", "cpu"]
        subprocess.run([*command, "--out", f"{folder}/run"], check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(f"{folder}/run/result.json").read_text()), command


def compare(args):
    records = []
    for data, model, more in CASES:
        options = ["--data", data, *more, "--model", model, "--embedding", "mgqe", "--subspaces",
                   "32", "--evaluate-every", "1"]
        train, evaluate = [], []
        for _ in range(args.rounds):
            short, _ = seconds_of(args, options, SHORT)
            long, command = seconds_of(args, options, LONG)
            for list_of, what in ((train, "train"), (evaluate, "evaluate")):
                list_of.append((long["seconds"][what] - short["seconds"][what]) / (LONG - SHORT))
        records.append({
            "data": data, "model": model, "users": long["test"]["full"]["users"],
            "items": long["data"]["items"], "train": statistics.median(train),
            "evaluate": statistics.median(evaluate),
            "share_by_round": [a / b for a, b in zip(evaluate, train)], "unit": "s an epoch",
            "seed": long["config"]["run"]["seed"], "device": long["device_description"],
            "commit": long["commit"], "command": " ".join(command)})
        print(row_of(records[-1]), flush=True)
    return records


def row_of(record):
    shares = record["share_by_round"]
    return (f"| {record['data']} | {record['model']} | {record['users']:,} | {record['items']:,} | "
            f"{record['train']:.2f} | {record['evaluate']:.2f} | "
            f"{100 * statistics.median(shares):.2g}% | "
            f"{100 * min(shares):.2g}–{100 * max(shares):.2g}% |")


def print_table(path):
    print("| data | model | users | items | training, an epoch (s) | evaluation (s) | share | "
          "by round |")
    print("| :-- | :-- | --: | --: | --: | --: | --: | --: |")
    for record in json.loads(pathlib.Path(path).read_text()):
        print(row_of(record))


if __name__ == "__main__":
    run_program(__doc__, compare, print_table, {"--program": "build/release/mgqe"})
