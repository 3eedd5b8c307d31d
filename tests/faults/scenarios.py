"""What faults meet: commands of mgqe on small files, and how the folder each begins in is made."""
import dataclasses
import os
import random
import shutil
import signal
import struct
import subprocess
import time

TRAIN = ["train", "--data", "data.txt", "--dim", "8", "--subspaces", "2", "--centroids", "4,2", "--device",
         "cpu", "--batch", "64", "--checkpoint-every", "8", "--keep-checkpoints", "2", "--out", "run"]


@dataclasses.dataclass
class Scenario:
    name: str
    command: list
    again: list = None   # what a user does after a fault; the same command where it is None
    output: str = ""     # the file it writes
    run: str = ""        # the folder of the run it makes
    says: str = "\n"     # what lines on stderr have that are no complaint
    service: bool = False


SCENARIOS = [
    Scenario("train", [*TRAIN, "--epochs", "3"], again=[*TRAIN, "--epochs", "3", "--resume"], run="run"),
    Scenario("resume", [*TRAIN, "--epochs", "3", "--resume"], run="run"),
    Scenario("rerun", [*TRAIN, "--epochs", "3"], run="run", says=" holds "),
    Scenario("evaluate", ["evaluate", "--artifact", "model.safetensors", "--data", "data.txt"]),
    Scenario("inspect", ["inspect", "model.safetensors"]),
    Scenario("verify", ["verify", "model.safetensors"]),
    Scenario("describe", ["describe", "data.txt"]),
    Scenario("report", ["report", "run"]),
    Scenario("lookup", ["lookup", "--artifact", "model.safetensors", "--table", "item", "--rows", "0,1"]),
    Scenario("recommend", ["recommend", "--artifact", "model.safetensors", "--user", "3"]),
    Scenario("histories", ["histories", "--artifact", "model.safetensors", "--data", "data.txt", "--out", "out"],
             output="out"),
    Scenario("convert", ["convert", "--in", "table.npy", "--out", "out", "--subspaces", "2", "--centroids", "4,2"],
             output="out"),
    Scenario("append", ["append", "--artifact", "items.safetensors", "--in", "table.npy", "--out", "out"],
             output="out"),
    Scenario("compact", ["compact", "--artifact", "items.safetensors", "--counts", "counts.txt", "--out", "out"],
             output="out"),
    Scenario("prepare", ["prepare", "--in", "rows.csv", "--label", "clicked", "--dense", "price:log", "--out", "out"],
             output="out"),
    Scenario("derive-relevance", ["derive-relevance", "--data", "data.txt", "--pairs", "200", "--out", "out"],
             output="out"),
    Scenario("serve", ["serve", "--artifact", "model.safetensors", "--port", "0"], service=True,
             says="requests under way are answered"),
]


class Program:
    """mgqe, and the library that makes its system fail."""

    def __init__(self, mgqe, faulty_system):
        self.mgqe, self.faulty_system = mgqe, faulty_system

    def environment(self, folder, plan="", trace="", clock=""):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("MGQE_DATA_DIR", None)
        for name, value in (("PLAN", plan), ("TRACE", trace), ("CLOCK", clock)):
            if value:
                environment["FAULTY_" + name] = value
        if plan or trace or clock:
            environment.update(FAULTY_FOLDER=os.path.realpath(folder), LD_PRELOAD=self.faulty_system)
        return environment

    def start(self, folder, command, preexec_fn=None, **faults):
        return subprocess.Popen([self.mgqe, *command], cwd=folder, env=self.environment(folder, **faults), text=True,
                                preexec_fn=preexec_fn, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, folder, command, service=False, **faults):
        """Exit code, stdout, stderr."""
        process = self.start(folder, command, **faults)
        try:
            first = process.stdout.readline() if service else ""  # where it listens, or its end
            if service and first:
                process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
            return process.returncode, first + out, err
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return None, out, err + "\n(it hangs)"


def write_npy(path, rows, columns, seed):
    draw = random.Random(seed)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(struct.pack(f"<{rows * columns}f", *(draw.gauss(0, 1) for _ in range(rows * columns))))


def make_data(folder):
    draw = random.Random(3)
    (folder / "data.txt").write_text("".join(f"{user} {item}\n" for user in range(1, 41)
                                             for item in draw.sample(range(1, 31), 8)))


def good(program, folder, *command):
    code, out, err = program.run(folder, command)
    if code != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {code}: {err}{out}")


def make_starts(program, work):
    """The folder each scenario begins in, by name."""
    base, starts = work / "start", {}
    base.mkdir()
    make_data(base)
    (base / "rows.csv").write_text("clicked,user,price\n" + "".join(
        f"{int(i % 4 == 0)},u{i * i % 37},{i / 7:.2f}\n" for i in range(300)))
    (base / "counts.txt").write_text("".join(f"{row} {row * 7 % 50}\n" for row in range(50)))
    write_npy(base / "table.npy", 50, 8, 1)
    for scenario in SCENARIOS:
        starts[scenario.name] = base
    trained = work / "trained"
    shutil.copytree(base, trained)
    good(program, trained, *TRAIN, "--epochs", "2")
    starts["resume"] = work / "half"
    shutil.copytree(trained, starts["resume"])
    starts["rerun"] = work / "other"
    shutil.copytree(base, starts["rerun"])
    good(program, starts["rerun"], *TRAIN, "--epochs", "1", "--seed", "2")
    shutil.copy(trained / "run" / "model.safetensors", trained)
    shutil.rmtree(trained / "run" / "checkpoints")
    good(program, trained, "convert", "--in", "table.npy", "--out", "items.safetensors", "--subspaces", "2",
         "--centroids", "4,2")
    for name in ("evaluate", "inspect", "verify", "report", "lookup", "recommend", "histories", "append", "compact",
                 "serve"):
        starts[name] = trained
    return starts
