"""A run is told to end, or killed, at random moments, is resumed until it is finished, and must then be
the run that nobody disturbed; again and again, until there were so many signals. In between its folder
holds whole files alone, and a run that could say so has said in one line what it has kept.
usage: kills.py MGQE [--kills N] [--seed N]"""
import argparse
import collections
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from same_run import contents  # noqa: E402
from scenarios import TRAIN, Program, make_data  # noqa: E402

# More often the one that nobody can prepare for.
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
COMMAND = [*TRAIN, "--epochs", "800", "--evaluate-every", "8", "--resume"]


def begin(program, folder):
    """A run that is past its first line. In the background a shell has it ignore SIGINT, and what a
    run finds ignored it leaves so."""
    process = program.start(folder, COMMAND, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    process.stdout.readline()
    return process


def wrong_end(what, code, err):
    """After a signal that hit."""
    lines = err.splitlines()
    if what == signal.SIGKILL:
        return f"it said {err!r}" if lines else ""
    if code == 0 and not lines:
        return ""  # it had come to its end
    if code == -what and not lines:
        return ""  # before it minded signals, or after
    kept = len(lines) == 1 and f"interrupted by {signal.Signals(what).name}: step" in lines[0]
    expected = {signal.SIGTERM: (0,), signal.SIGINT: (130, -signal.SIGINT)}[what]
    return "" if kept and code in expected else f"exit code {code}, it said {err!r}"


def wrong_files(run, reference):
    if (run / "model.safetensors").exists():
        if (run / "model.safetensors").read_bytes() != reference["model.safetensors"]:
            return "model.safetensors is not whole"
    elif (run / "result.json").exists():
        return "result.json is there before its model"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mgqe")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"random seed {options.seed}", flush=True)
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        return disturb(Program(os.path.realpath(options.mgqe), ""), work, options.kills, random.Random(options.seed))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def disturb(program, work, kills, draw):
    (work / "start").mkdir()
    make_data(work / "start")
    shutil.copytree(work / "start", work / "whole")
    process, began = begin(program, work / "whole"), time.monotonic()
    process.communicate()
    seconds = time.monotonic() - began
    reference = contents(work / "whole" / "run")
    met, failed, runs, folder = collections.Counter(), 0, 0, None

    def require(wrong):
        nonlocal failed
        if wrong:
            failed += 1
            print(f"FAILED: signal {met.total()}: {wrong}", flush=True)

    while met.total() < kills or folder:
        if not folder:
            runs += 1
            folder = work / f"run-{runs}"
            shutil.copytree(work / "start", folder)
        what = draw.choice(SIGNALS)
        process = begin(program, folder)
        time.sleep(draw.uniform(0, seconds) if met.total() < kills else 0)
        if met.total() < kills and process.poll() is None:
            process.send_signal(what)
            met[signal.Signals(what).name] += 1
            err = process.communicate(timeout=60)[1]
            require(wrong_end(what, process.returncode, err))
            require(wrong_files(folder / "run", reference))
            continue
        err = process.communicate(timeout=60)[1]
        require(f"it ended with {process.returncode}: {err}" if process.returncode != 0 or err else "")
        left = [path.name for path in folder.rglob("*") if path.name.endswith(".tmp") or path.name == ".lock"]
        require(f"left behind: {left}" if left else "")
        require("" if contents(folder / "run") == reference else "not the run that nobody disturbed")
        shutil.rmtree(folder)
        folder = None
    print(f"{met.total()} signals ({', '.join(f'{count} {name}' for name, count in sorted(met.items()))}) in "
          f"{runs} runs of {seconds:.1f} s, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
