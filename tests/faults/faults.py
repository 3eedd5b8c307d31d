"""Every file operation and every large allocation of a command fails in turn, or the process is killed
before it. What must hold whatever fails:
  - the command ends by itself, well where the fault does no harm, else with exit code 2 and one line on
    stderr, which names the file and the system's reason
  - a file under its final name is the old one or the new one, whole; no other is left
  - the command again, without faults, ends as if nothing had been
usage: faults.py MGQE FAULTY_SYSTEM [--every N] [--only SCENARIO] [--jobs N] [--kills N] [--seed N]"""
import argparse
import collections
import concurrent.futures
import errno
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from same_run import contents, without_times  # noqa: E402
from durability import not_durable  # noqa: E402
from scenarios import SCENARIOS, Program, make_starts  # noqa: E402

# What each kind of operation fails with, in turn: errno, `short`, or the signal that kills it.
REASONS = {
    "open": ["EACCES", "EMFILE", "EIO", "EINTR"], "read": ["EIO", "EINTR", "short"],
    "write": ["ENOSPC", "EINTR", "EIO", "short", "EDQUOT"], "fsync": ["EIO", "ENOSPC", "EINTR"],
    "close": ["EIO", "ENOSPC"], "rename": ["EIO", "ENOSPC", "EACCES"], "mkdir": ["ENOSPC", "EACCES"],
    "unlink": ["EACCES", "EIO"], "list": ["EIO"], "stat": ["EIO", "EACCES"], "lock": ["ENOLCK"],
    "map": ["ENOMEM", "ENODEV"], "truncate": ["EIO"], "memory": ["ENOMEM"],
}
HARMLESS = {"EINTR", "short"}
CHANGES = {"open", "write", "fsync", "rename", "mkdir", "unlink", "truncate"}  # of what lies on disk
LINE = re.compile(r"^(mgqe: |\d\d:\d\d:\d\d [WE] )")
# A run goes on without a checkpoint that could not be written or read, and warns.
WARNING = re.compile(" W (the run is whole but for its last|the last checkpoint failed|.*trying an older checkpoint)")
LOST = "the run is whole but for its last checkpoint"


class Fault:
    def __init__(self, scenario, kind, n, what, onwards=False):
        self.scenario, self.kind, self.n, self.what, self.onwards = scenario, kind, n, what, onwards

    def plan(self):
        what = self.what
        if what.startswith("SIG"):
            what = f"signal {getattr(signal, what):d}"
        elif what != "short":
            what = str(getattr(errno, what))
        return f"{self.kind}:{self.n}{'+' if self.onwards else ''}:{what}"

    def __str__(self):
        return f"{self.scenario.name}, {self.kind} {self.n}{' and on' if self.onwards else ''}, {self.what}"


def complaints(scenario, err):
    return [line for line in err.splitlines() if scenario.says not in line]


def leftovers(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.name.endswith(".tmp") or path.name.startswith(("mgqe-rows", ".lock")))


def run_files(folder):
    """result.json and the model of a run, each None where it is not there."""
    result, model = folder / "result.json", folder / "model.safetensors"
    return (without_times(result.read_text()) if result.exists() else None,
            model.read_bytes() if model.exists() else None)


class Judge:
    def __init__(self, program, work, starts):
        self.program, self.work, self.starts = program, work, starts
        self.references, self.counts = {}, {}
        for scenario in SCENARIOS:
            self.make_reference(scenario)

    def fresh(self, scenario, name):
        folder = self.work / name
        shutil.copytree(self.starts[scenario.name], folder)
        return folder

    def run(self, scenario, folder, **faults):
        return self.program.run(folder, scenario.command, service=scenario.service, **faults)

    def make_reference(self, scenario):
        """The scenario without faults, and its operations."""
        folder = self.fresh(scenario, "reference-" + scenario.name)
        trace = str(self.work / f"trace-{scenario.name}")
        code, out, err = self.run(scenario, folder, trace=trace)
        if code != 0 or complaints(scenario, err):
            raise SystemExit(f"{scenario.name} without a fault: exit code {code}: {err}")
        for problem in not_durable(trace, folder):
            raise SystemExit(f"{scenario.name}: {problem}")
        self.counts[scenario.name] = collections.Counter(line.split(" ")[0] for line in open(trace))
        self.references[scenario.name] = self.state(scenario, folder, out)

    def state(self, scenario, folder, out):
        if scenario.run:
            return contents(folder / scenario.run)
        return (folder / scenario.output).read_bytes() if scenario.output else None if scenario.service else out

    def old(self, scenario):
        folder = self.starts[scenario.name] / (scenario.run or scenario.output)
        return run_files(folder) if scenario.run else None

    def judge(self, fault, name):
        """What is wrong with how it ended, or None where the fault never came."""
        scenario = fault.scenario
        folder, trace = self.fresh(scenario, name), self.work / (name + ".trace")
        try:
            code, out, err = self.run(scenario, folder, plan=fault.plan(), trace=str(trace))
            struck = [line.rstrip("\n").split(" ", 1)[1] for line in open(trace) if line.startswith("FAULT ")]
            if not struck:
                return None
            wrong = []
            killed = fault.what.startswith("SIG")
            if not killed:
                wrong += self.wrong_end(fault, code, out, err, struck, folder)
            wrong += self.wrong_files(fault, folder, killed)
            wrong += self.wrong_again(scenario, folder)
            return [f"{problem}\n    exit code {code}, stderr: {err.strip()}" for problem in wrong]
        except (OSError, IndexError, KeyError, ValueError) as error:
            return [f"what it leaves cannot be read: {error!r}"]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            trace.unlink(missing_ok=True)

    def wrong_end(self, fault, code, out, err, struck, folder):
        scenario = fault.scenario
        lines = complaints(scenario, err)
        warnings = [line for line in lines if WARNING.search(line)]
        if not all(self.names(fault, struck, [line]) for line in warnings):
            return ["its warning does not name file and reason"]
        lines = [line for line in lines if line not in warnings]
        if code == 0:
            if lines:
                return ["it ends well, and complains"]
            reference = self.references[scenario.name]
            if LOST in err:
                good = run_files(folder / "run") == (reference["result.json"], reference["model.safetensors"])
            else:
                good = self.state(scenario, folder, out) == reference
            return [] if good else ["it ends well, and is not what it should be"]
        if fault.what in HARMLESS:
            return [f"{fault.what} does no harm"]
        if code != 2:
            return [f"exit code {code}"]
        if len(lines) != 1 or not LINE.match(lines[0]):
            return ["stderr is not one line"]
        return [] if self.names(fault, struck, lines) else ["it does not name file and reason"]

    @staticmethod
    def names(fault, struck, lines):
        """Whether the line has the reason, and a part of the path that is more than a folder of all."""
        if fault.kind == "memory":
            return len(lines) == 1 and ("memory" in lines[0] or os.strerror(errno.ENOMEM) in lines[0])
        parts = {re.sub(r"(\.[0-9-]+)?(\.old)?\.tmp$|-rows-\w+$", "", part)
                 for path in struck for one in path.split(" ") for part in pathlib.Path(one).parts[-3:]}
        parts |= {"folder .", fault.scenario.output}  # of the folder that all lies in
        return (len(lines) == 1 and os.strerror(getattr(errno, fault.what)) in lines[0] and
                any(part and part in lines[0] for part in parts))

    def wrong_files(self, fault, folder, killed):
        scenario, wrong = fault.scenario, []
        reference = self.references[scenario.name]
        if scenario.output and (folder / scenario.output).exists():
            if self.state(scenario, folder, "") != reference:
                wrong.append(f"{scenario.output} is half written")
        if scenario.run:
            result, model = run_files(folder / scenario.run)
            old_result, old_model = self.old(scenario)
            if result not in (None, old_result, reference["result.json"]):
                wrong.append("result.json is neither old nor new")
            if model not in (None, old_model, reference["model.safetensors"]):
                wrong.append("model.safetensors is neither old nor new")
            if model is None and old_model is not None:
                wrong.append("the old model.safetensors is lost")
            if result == reference["result.json"] and model != reference["model.safetensors"]:
                wrong.append("result.json is there before its model")
        # What cannot be listed or removed stays until the next run.
        sweeps = fault.kind not in ("unlink", "list", "stat", "open", "memory") and not fault.onwards
        if not killed and sweeps and leftovers(folder):
            wrong.append(f"it leaves {leftovers(folder)}")
        return wrong

    def wrong_again(self, scenario, folder):
        code, out, err = self.program.run(folder, scenario.again or scenario.command, service=scenario.service)
        if code != 0 or complaints(scenario, err):
            return [f"again, without a fault: exit code {code}, {err.strip()}"]
        wrong = []
        if self.state(scenario, folder, out) != self.references[scenario.name]:
            wrong.append("again, without a fault, it is not what it should be")
        if scenario.run and leftovers(folder):
            wrong.append(f"again, without a fault, it leaves {leftovers(folder)}")
        return wrong


def planned(counts, every):
    faults = []
    for scenario in SCENARIOS:
        for kind, reasons in REASONS.items():
            for n in range(1, counts[scenario.name][kind] + 1):
                faults.append(Fault(scenario, kind, n, reasons[(n - 1) % len(reasons)]))
            if kind in ("write", "fsync", "memory") and counts[scenario.name][kind]:
                half = counts[scenario.name][kind] // 2 + 1
                faults.append(Fault(scenario, kind, half, reasons[0], onwards=True))
        if scenario.run or scenario.output:
            for kind in sorted(CHANGES):
                for n in range(1, counts[scenario.name][kind] + 1):
                    faults.append(Fault(scenario, kind, n, "SIGKILL"))
    return faults[::every]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mgqe")
    parser.add_argument("faulty_system")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        program = Program(os.path.realpath(options.mgqe), os.path.realpath(options.faulty_system))
        judge = Judge(program, work, make_starts(program, work))
        faults = [fault for fault in planned(judge.counts, options.every)
                  if options.only in ("", fault.scenario.name)]
        met, failed = collections.Counter(), 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            verdicts = pool.map(lambda item: judge.judge(item[1], f"fault-{item[0]}"), enumerate(faults))
            for fault, wrong in zip(faults, verdicts):
                if wrong is None:
                    continue
                met["kills" if fault.what.startswith("SIG") else "faults"] += 1
                for problem in wrong:
                    print(f"FAILED: {fault}: {problem}", flush=True)
                failed += bool(wrong)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{met['faults']} faults and {met['kills']} kills in {len(SCENARIOS)} commands, {failed} failed")
    return failed > 0 or not met["faults"]


if __name__ == "__main__":
    sys.exit(main())
