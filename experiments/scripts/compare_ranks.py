#!/usr/bin/env python3
"""Training steps on 1, 2, 4 ... ranks of one machine: strong scaling (the same batch for all ranks
together), weak scaling (a batch a rank), rows sharded or whole, and what is exchanged.

  experiments/scripts/compare_ranks.py --ranks 1 2 4 --out experiments/results/ranks_cpu.json
  experiments/scripts/compare_ranks.py --table experiments/results/ranks_cpu.json      as Markdown

Needs mpirun. More ranks than cores say what is exchanged, and nothing of speed: the records hold the
number of cores."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

CASES = [  # label, options of `scaling`
    ("full, sharded", ["--embedding", "full", "--shard", "rows"]),
    ("mgqe D=16, sharded", ["--embedding", "mgqe", "--subspaces", "16", "--shard", "rows"]),
    ("mgqe D=16, whole", ["--embedding", "mgqe", "--subspaces", "16", "--shard", "none"]),
]

# One thread a rank, and more ranks than cores if asked.
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
                   OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1",
                   OMPI_MCA_mpi_yield_when_idle="1")


def measure(args, ranks, batch, options):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "scaling.json"
        command = [str(args.program), "--rows", str(args.rows), "--users", str(args.users),
                   "--batch", str(batch), "--optimizer", "rowwise_adagrad", "--steps",
                   str(args.steps), "--device", args.device, *options]
        launch = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
        subprocess.run([*launch, *command, "--json", str(out)], check=True, env=ENVIRONMENT,
                       stdout=subprocess.DEVNULL)
        record = json.loads(out.read_text())
    record["command"] = " ".join([*launch, *command])
    return record


def compare(args):
    records = []
    for label, options in CASES:
        for kind in ("strong", "weak"):
            for ranks in args.ranks:
                batch = args.batch if kind == "strong" else args.batch * ranks // args.ranks[-1]
                rounds = [measure(args, ranks, batch, options) for _ in range(args.rounds)]
                record = rounds[0]
                times = [one["seconds_per_step"] for one in rounds]
                record.update(case=label, kind=kind, cores=os.cpu_count(),
                              seconds_per_step=statistics.median(times), seconds_by_round=times,
                              exchange_share=statistics.median(one["exchange_share"] for one in rounds))
                record["samples_per_second"] = batch / record["seconds_per_step"]
                records.append(record)
                print(f"{label}, {kind}, {ranks} ranks: {record['samples_per_second']:.0f} samples/s",
                      flush=True)
    return records


def print_table(path):
    records = json.loads(pathlib.Path(path).read_text())
    print("| rows | scaling | ranks | batch | samples/s | against one | in exchanges | forward (KiB) | "
          "backward (KiB) | codebook (KiB) | all (KiB) |")
    print("| :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    one = {(r["case"], r["kind"]): r for r in records if r["ranks"] == 1}
    for r in records:
        kib = {kind: figures["bytes_per_step"] / 1024 for kind, figures in r["exchange"].items()}
        base = one[r["case"], r["kind"]]["samples_per_second"]
        print(f"| {r['case']} | {r['kind']} | {r['ranks']} | {r['batch']} | "
              f"{r['samples_per_second']:.0f} | {r['samples_per_second'] / base:.2f}× | "
              f"{100 * r['exchange_share']:.0f}% | {kib['forward']:.1f} | {kib['backward']:.1f} | "
              f"{kib['codebook']:.1f} | {sum(kib.values()):.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", help="print the table of this file and end")
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--program", default="build/release/scaling")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rows", type=int, default=1_000_000, help="items")
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16384)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.table:
        return print_table(args.table)
    if not args.out:
        parser.error("--out FILE or --table FILE")
    records = compare(args)
    temporary = pathlib.Path(args.out + ".tmp")
    temporary.write_text(json.dumps(records, indent=1) + "\n")
    temporary.rename(args.out)


if __name__ == "__main__":
    main()
