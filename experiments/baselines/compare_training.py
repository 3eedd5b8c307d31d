#!/usr/bin/env python3
"""Training speed against PyTorch on the same machine, in one go.

Runs build/release/bench_train and <model>_pytorch.py in turn (ours, PyTorch, ours, PyTorch, ...),
so that both see the same load and clock, and compares medians over the rounds. Ours draws its
batches within the step; PyTorch's are drawn before its clock starts.

  experiments/baselines/compare_training.py --data ml-1m --threads 1 2 --out compare.json
  ... --model gmf neumf sasrec                                  backbones; default gmf
  ... --model dcn dlrm --data frappe --dim 16 --subspaces 8     click models
  ... --python /usr/bin/python3 --python torch2/bin/python      several PyTorch versions
  ... --device cuda --compile eager compiled                    on a GPU
"""

import argparse
import itertools
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ["gmf", "neumf", "sasrec", "dcn", "dlrm"]
CLICK_MODELS = ["dcn", "dlrm"]
# Where no flag says otherwise. A step of SASRec is hundreds of times as long.
PAIR_DEFAULTS = {"batch": 256, "steps": 5000, "warmup": 500, "baseline_steps": 300,
                 "baseline_warmup": 30}
SASREC_DEFAULTS = {"batch": 128, "steps": 100, "warmup": 10, "baseline_steps": 20,
                   "baseline_warmup": 3}
CLICK_DEFAULTS = {"batch": 4096, "steps": 200, "warmup": 20, "baseline_steps": 50,
                  "baseline_warmup": 5}


def run_json(command, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"{shlex.join(command)} ended with exit code {done.returncode}: {reason}")
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError as error:
        sys.exit(f"{shlex.join(command)} printed no JSON: {error}")


def setting(args, model, name):
    """A flag's value, or the model's default."""
    given = getattr(args, name)
    return defaults_of(model)[name] if given is None else given


def defaults_of(model):
    if model in CLICK_MODELS:
        return CLICK_DEFAULTS
    return SASREC_DEFAULTS if model == "sasrec" else PAIR_DEFAULTS


def model_options(args, model, embedding):
    options = ["--embedding", embedding, "--dim", str(args.dim), "--batch",
               str(setting(args, model, "batch"))]
    if embedding == "mgqe":
        options += ["--subspaces", str(args.subspaces), "--centroids", args.centroids,
                    "--tiers", args.tiers]
    if model == "sasrec":
        options += ["--max-length", str(args.max_length), "--blocks", str(args.blocks),
                    "--heads", str(args.heads), "--dropout", str(args.dropout)]
    if model in CLICK_MODELS:
        options += ["--hidden", args.hidden]
    if model == "dcn":
        options += ["--cross-layers", str(args.cross_layers)]
    return options


def run_ours(args, model, embedding, threads):
    command = [args.bench, "--data", args.data, "--model", model,
               *model_options(args, model, embedding), "--steps",
               str(setting(args, model, "steps")), "--warmup",
               str(setting(args, model, "warmup")), "--device", args.device, "--json", "-"]
    if model in CLICK_MODELS:
        # Tables by Adam, dense, as the baseline's: the default's rows are touched alone.
        command += ["--task", "ctr", "--optimizer", args.click_optimizer]
    op = f"{model} {embedding}"
    found = [record for record in run_json(command, threads) if record["op"] == op]
    if not found:
        sys.exit(f"{shlex.join(command)} reports no op named {op}")
    return found[0]


def run_baseline(args, model, embedding, threads, python, optimizer, compiled, ours):
    script = pathlib.Path(__file__).with_name(f"{model}_pytorch.py")
    command = [python, str(script), *model_options(args, model, embedding), "--optimizer",
               optimizer, "--search", args.search, "--threads", str(threads), "--steps",
               str(setting(args, model, "baseline_steps")), "--warmup",
               str(setting(args, model, "baseline_warmup")), "--device", args.device,
               *(["--compile"] if compiled else [])]
    if model in CLICK_MODELS:  # random rows of the same features
        features = ours["shape"]["features"]
        command += ["--fields", ",".join(map(str, features["fields"])),
                    "--dense", str(features["dense"]), "--full-rows", str(features["full_rows"]),
                    "--examples", str(features["examples"])]
        return run_json(command, threads)
    text = sasrec_text(args.data)
    return run_json(command + (["--data", text] if text else []), threads)


def sasrec_text(data):
    """The file of a data set's name or path; None where it has none, and the baseline then takes
    random pairs of ML-1M's shape."""
    if pathlib.Path(data).is_file():
        return data
    folder = pathlib.Path(os.environ.get("MGQE_DATA_DIR") or "data")
    for name in ("ml-1m.txt.gz", "ml-1m.txt"):
        if data == "ml-1m" and (folder / data / name).is_file():
            return str(folder / data / name)
    return None


def commit():
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(describe, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def epoch_figures(ours, theirs, measured, baseline):
    """Seconds an epoch, where both take as many samples a step; else nothing."""
    if ours["shape"]["batch"] != theirs["shape"]["batch"]:
        return {}
    steps = theirs["steps_per_epoch"]
    our_steps = ours.get("steps_per_epoch", steps)
    measured, baseline = our_steps * measured, steps * baseline
    return {"epoch": {"measured_steps": our_steps, "baseline_steps": steps, "measured": measured,
                      "baseline": baseline, "ratio": baseline / measured, "unit": "seconds/epoch"}}


def compare(args, model, embedding, threads, python, optimizer, compiled):
    """One record: `rounds` runs of each, in turn."""
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(run_ours(args, model, embedding, threads))
        theirs.append(run_baseline(args, model, embedding, threads, python, optimizer, compiled,
                                   ours[-1]))
    measured_rounds = [record["seconds_per_step"] for record in ours]
    baseline_rounds = [record["seconds_per_step"] for record in theirs]
    measured, baseline = map(statistics.median, (measured_rounds, baseline_rounds))
    how = {"baseline_search": args.search} if embedding == "mgqe" else {}
    if "attention" in theirs[0]:
        how["baseline_attention"] = theirs[0]["attention"]
    return {
        "op": f"train step, {ours[0]['op']}",
        "baseline_name": f"torch {theirs[0]['torch']} {optimizer}" + (", compiled" * compiled),
        "measured_optimizer": ours[0]["shape"].get("optimizer"),
        **how,
        "shape": theirs[0]["shape"],
        "measured": measured,
        "baseline": baseline,
        "ratio": baseline / measured,
        "ratio_by_round": [slow / fast for fast, slow in zip(measured_rounds, baseline_rounds)],
        "unit": "seconds/step",
        **epoch_figures(ours[0], theirs[0], measured, baseline),
        "rounds": {"measured": measured_rounds, "baseline": baseline_rounds},
        "device": ours[0]["device"],
        "cpu": theirs[0]["cpu"],
        "device_description": ours[0].get("device_description"),
        "threads": threads,
        "versions": {"torch": theirs[0]["torch"], "python": theirs[0]["python"]},
        "commit": ours[0].get("commit") or commit(),
        "command": shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def print_table(records):
    rows = [("op", "threads", "baseline", "us/step", "baseline us/step", "ratio", "by round",
             "epoch")]
    for record in records:
        low, high = min(record["ratio_by_round"]), max(record["ratio_by_round"])
        rows.append((record["op"], str(record["threads"]), record["baseline_name"],
                     f"{1e6 * record['measured']:.1f}", f"{1e6 * record['baseline']:.1f}",
                     f"{record['ratio']:.1f}x", f"{low:.1f}-{high:.1f}",
                     f"{record['epoch']['ratio']:.1f}x" if "epoch" in record else "-"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    left = {0, 2}
    for row in rows:
        cells = (cell.ljust(width) if i in left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths)))
        print("  ".join(cells).rstrip())


def write_json(path, records):
    partial = pathlib.Path(f"{path}.tmp")
    partial.write_text(json.dumps(records, indent=2) + "\n")
    partial.replace(path)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", default=str(ROOT / "build/release/bench_train"))
    parser.add_argument("--python", action="append",
                        help="interpreter with PyTorch; may be given several times")
    parser.add_argument("--data", default="ml-1m", help="ml-1m, synthetic or a SASRec text file; "
                        "dcn, dlrm: frappe, flights or a cache")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["gmf"])
    parser.add_argument("--embedding", nargs="+", choices=["full", "mgqe"],
                        default=["full", "mgqe"])
    parser.add_argument("--optimizer", nargs="+", choices=["adam", "adam_fused", "sparse_adam"],
                        default=["adam", "sparse_adam"], help="of the baseline")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", nargs="+", choices=["eager", "compiled"], default=["eager"],
                        help="how the baseline runs; compiled needs PyTorch >= 2")
    parser.add_argument("--search", choices=["tiers", "mask"], default="tiers",
                        help="the baseline's search for mgqe codes; mask is slower")
    parser.add_argument("--threads", nargs="+", type=int, default=[os.cpu_count()])
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--subspaces", type=int, default=32)
    parser.add_argument("--centroids", default="256,64")
    parser.add_argument("--tiers", default="0.1")
    parser.add_argument("--max-length", type=int, default=200, help="sasrec: tokens a sequence")
    parser.add_argument("--blocks", type=int, default=2, help="sasrec")
    parser.add_argument("--heads", type=int, default=1, help="sasrec")
    parser.add_argument("--dropout", type=float, default=0.2, help="sasrec")
    parser.add_argument("--hidden", default="400,400,400", help="dcn, dlrm: widths of layers")
    parser.add_argument("--cross-layers", type=int, default=3, help="dcn")
    parser.add_argument("--click-optimizer", choices=["adam", "sparse_adam"], default="adam",
                        help="dcn, dlrm: of ours")
    for name, pairs in PAIR_DEFAULTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int,
                            help=f"default {pairs}; sasrec {SASREC_DEFAULTS[name]}; "
                            f"dcn, dlrm {CLICK_DEFAULTS[name]}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="JSON file for the records")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be 1 or more")
    args.python = args.python or [sys.executable]
    return args


def main():
    args = parse_arguments()
    records = []
    for model, threads, embedding, python, optimizer, how in itertools.product(
            args.model, args.threads, args.embedding, args.python, args.optimizer, args.compile):
        records.append(
            compare(args, model, embedding, threads, python, optimizer, how == "compiled"))
        name, ratio = records[-1]["baseline_name"], records[-1]["ratio"]
        print(f"{records[-1]['op']}, {threads} threads, {name}: {ratio:.1f}x", file=sys.stderr)
    if args.out:
        write_json(args.out, records)
    print_table(records)


if __name__ == "__main__":
    main()
