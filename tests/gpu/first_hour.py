#!/usr/bin/env python3
"""The first hour on a GPU: stages in the order of what they tell, each resumable and bounded in time.

Writes a JSON file a stage and one page of Markdown, which goes into experiments/results/README.md as
it is. Begun again, it goes on with what is missing: a step that ran to its end on the same device and
commit is not repeated, one that was cut short is.

  tests/gpu.sh                                   everything, with the programs of build/release
  tests/gpu.sh --minutes 9                       what fits, most telling first
  tests/gpu.sh --stage bench --stage profile     some stages alone
  tests/gpu.sh --list                            stages, steps, and what each is expected to take
  tests/gpu.sh --package carry                   a folder to take to a machine without a compiler:
  carry/tests/gpu.sh --minutes 9                 its programs, their libraries, scripts and tests
"""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
import stages as plan  # noqa: E402

SLACK = 4.0  # a step may take so many times what is expected


class Tools:
    """Where things are, and how much is asked of them."""

    def __init__(self, args):
        self.build = pathlib.Path(args.build).resolve()
        self.device = "cuda"
        self.python = sys.executable
        self.torch = find_torch(args.torch)
        self.data = "ml-1m" if has_movielens() else "synthetic"
        self.grid_minutes = args.grid_minutes
        self.epochs = {"gmf": 20, "neumf": 5, "sasrec": 10}
        self.quick = args.quick
        self.sizes, self.bench_train, self.tests = [], [], ""
        self.sanitized, self.attention = plan.SANITIZED, plan.ATTENTION
        self.compared = list(plan.SCHEMES)
        if args.quick:  # the way through, not the figures
            self.data = "synthetic"
            self.epochs = dict.fromkeys(self.epochs, 1)
            self.sizes = ["--synthetic-users", "60", "--synthetic-items", "50",
                          "--synthetic-actions", "8", "--dim", "16", "--subspaces", "8",
                          "--centroids", "16", "--max-length", "8", "--batch", "32"]
            self.sanitized = self.attention = "Device/LayerNorm.*/cuda"
            self.compared = ["full", "mgqe"]  # same_runs_test.sh has them all
            self.bench_train = ["--steps", "5", "--warmup", "2"]
            self.tests = ":-*Four*:*Large*:*Learns*"

    def program(self, name):
        return str(self.build / name)

    @staticmethod
    def script(name):
        return str(HERE / name)

    @staticmethod
    def baseline(name):
        return str(ROOT / "experiments" / "baselines" / name)


def find_torch(given):
    """A Python whose PyTorch sees a GPU; None where there is none."""
    for python in [given] if given else ["python3", "python"]:
        ask = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"
        try:
            if subprocess.run([python, "-c", ask], capture_output=True).returncode == 0:
                return shutil.which(python)
        except OSError:
            continue
    return None


def has_movielens():
    folder = os.environ.get("MGQE_DATA_DIR", str(ROOT / "data"))
    return any(pathlib.Path(folder).glob("**/ml-1m*"))


# ---- where it runs -------------------------------------------------------------------------------

def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0] if done.returncode == 0 else ""


def identity(tools):
    """What results belong to: another device or commit begins anew."""
    device = first_line(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    commit = first_line([tools.program("mgqe"), "--version"])
    return {"device": device or "no nvidia-smi here", "commit": commit or "unknown"}


# ---- a step --------------------------------------------------------------------------------------

def filled(words, folder):
    return [word.replace("{out}", str(folder)) for word in words]


def run_step(step, folder, limit):
    """Outcome, words for the page and figures of one step; it is killed after `limit` seconds."""
    command = filled(step.command, folder)
    log = folder / (step.name.replace(" ", "-").replace(",", "").replace(":", "") + ".log")
    record = {"step": step.name, "command": shlex.join(command), "expected_seconds": step.seconds,
              "log": log.name}
    if step.needs and shutil.which(step.needs) is None:
        return {**record, "outcome": "absent", "words": f"no {step.needs} here"}
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as output:
        try:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                       env={**os.environ, **step.environment},
                                       start_new_session=True)
        except OSError as error:
            return {**record, "outcome": "failed", "words": f"{command[0]}: {error.strerror}"}
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:  # whatever it began goes with it
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    record["seconds"] = round(time.monotonic() - began, 2)
    text = log.read_text(encoding="utf-8", errors="replace")
    if code is None:
        return {**record, "outcome": "cut", "words": f"stopped after {limit:.0f} s"}
    record["exit_code"] = code
    try:
        words, figures = step.read(text, lambda name: name.replace("{out}", str(folder)))
    except (OSError, ValueError, KeyError, LookupError) as error:
        words, figures = f"its result cannot be read: {error}", {}
        code = code or 1
    if code not in step.ok and not figures:
        words = (text.strip().splitlines() or ["no message"])[-1][:200]
    outcome = "passed" if code in step.ok else "failed"
    return {**record, "outcome": outcome, "words": words, "figures": figures}


# ---- stages --------------------------------------------------------------------------------------

def write_aside(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def read_stage(path, where):
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if known.get("where") != where:
        return {}
    return {record["step"]: record for record in known["steps"]}


FINAL = ("passed", "failed", "absent")


def run_stage(stage, out, where, deadline):
    """The records of its steps, in order; written after each."""
    folder = out / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    path = out / f"{stage.name}.json"
    known = read_stage(path, where)
    records = []
    for step in stage.steps:
        record = known.get(step.name)
        if record is None or record["outcome"] not in FINAL:
            left = deadline - time.monotonic()
            if left < step.seconds:
                record = {"step": step.name, "expected_seconds": step.seconds, "outcome": "no time",
                          "words": f"needs {step.seconds:.0f} s"}
            else:
                print(f"{stage.name}: {step.name} ...", flush=True)
                record = run_step(step, folder, min(left, SLACK * step.seconds + 10))
            print(f'{stage.name}: {step.name}: {record["outcome"]}, {record["words"]}', flush=True)
        records.append(record)
        text = json.dumps({"where": where, "stage": stage.name, "steps": records}, indent=1)
        write_aside(path, text + "\n")
    return records


def page(where, results, began):
    lines = [f'### {where["device"]}, {where["commit"]}, {began:%Y-%m-%d}', ""]
    for stage, records in results:
        done = sum(record["outcome"] == "passed" for record in records)
        lines += [f"**{stage.name}** ({done} of {len(records)}). {stage.question}", "",
                  "| step | outcome | seconds | what it says |", "| --- | --- | ---: | --- |"]
        for record in records:
            seconds = f'{record["seconds"]:.1f}' if "seconds" in record else ""
            words = record["words"].replace("|", "\\|")
            lines.append(f'| {record["step"]} | {record["outcome"]} | {seconds} | {words} |')
        lines.append("")
    return "\n".join(lines)


def list_stages(all_stages):
    total = 0.0
    for stage in all_stages:
        seconds = sum(step.seconds for step in stage.steps)
        total += seconds
        print(f"{stage.name:10} {seconds / 60:5.1f} min  {stage.question}")
        for step in stage.steps:
            print(f"           {step.seconds:5.0f} s    {step.name}")
    print(f"{'all':10} {total / 60:5.1f} min  (estimates: none of it was timed on a GPU)")


# ---- the command ---------------------------------------------------------------------------------

def arguments():
    parser = argparse.ArgumentParser(prog="tests/gpu.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="for all of it [60]")
    parser.add_argument("--stage", action="append", help="only this one; may be repeated")
    parser.add_argument("--out", default="build/gpu", help="folder of results [build/gpu]")
    parser.add_argument("--build", help="folder of the programs [bin of a package, else "
                                        "build/release]")
    parser.add_argument("--torch", help="a Python with PyTorch to compare with [python3]")
    parser.add_argument("--grid-minutes", type=float, default=5.0, help="of the stage grid [5]")
    parser.add_argument("--quick", action="store_true",
                        help="tiny sizes: to try the way, not the device")
    parser.add_argument("--fresh", action="store_true", help="repeat what is done already")
    parser.add_argument("--list", action="store_true", help="say what there is; run nothing")
    parser.add_argument("--package", metavar="FOLDER",
                        help="build a folder that can be carried to another machine; run nothing")
    parser.add_argument("--architectures", default="90", help="of the package [90]")
    args = parser.parse_args()
    if args.minutes <= 0:
        parser.error(f"--minutes {args.minutes:g}: must be greater than 0")
    if args.build is None:
        args.build = ROOT / "bin" if (ROOT / "bin" / "mgqe").exists() else ROOT / "build" / "release"
    return parser, args


def main():
    parser, args = arguments()
    if args.package:
        import package
        return package.make(ROOT, pathlib.Path(args.package), args.architectures)
    began = datetime.datetime.now()
    deadline = time.monotonic() + 60 * args.minutes
    tools = Tools(args)
    all_stages = plan.stages(tools)
    names = [stage.name for stage in all_stages]
    for name in args.stage or []:
        if name not in names:
            parser.error(f"--stage {name} is unknown: choose {', '.join(names)}")
    chosen = [stage for stage in all_stages if not args.stage or stage.name in args.stage]
    if args.list:
        return list_stages(chosen)
    if not pathlib.Path(tools.program("mgqe")).exists():
        parser.error(f"{tools.build} has no mgqe: build first (cmake --preset release && cmake "
                     "--build --preset release), or name the folder by --build")
    out = pathlib.Path(args.out).resolve()
    if args.fresh:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    where = identity(tools)
    results = []
    for stage in chosen:
        results.append((stage, run_stage(stage, out, where, deadline)))
        write_aside(out / "page.md", page(where, results, began))
    print(f"page: {out / 'page.md'}")
    outcomes = [record["outcome"] for _, records in results for record in records]
    return 1 if "failed" in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
