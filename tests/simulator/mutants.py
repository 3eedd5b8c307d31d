#!/usr/bin/env python3
"""Breaks cuda/ in one place at a time, as rules say, and runs the tests of the simulated device: each
mutant has to be seen, or has its reason in EQUIVALENT.

  tests/simulator/mutants.sh                        all of them, a build and a run of the tests each
  tests/simulator/mutants.sh --list                 their names
  tests/simulator/mutants.sh --only 'barrier.*quantize' --seeds 1 2 3
  tests/simulator/mutants.sh --minutes 20 --json mutants.json     goes on where that file ends
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mutated_tree import ROOT, MutatedTree, add_options, try_mutants  # noqa: E402

# What, in which files of cuda/, and the break of one occurrence.
RULES = [
    ("barrier", "*_kernel.cuh", r"__sync(?:threads|warp)\(\);", ""),
    ("barrier", "primitives.cuh", r"__syncthreads\(\);", ""),
    ("atomic", "*_kernel.cuh", r"atomicAdd\(&(.*), ([^,;]*)\);", r"\1 += \2;"),
    ("scratch", "*.cu", r"(workspace\(\)\.take<[^>]*>\(stream\(\), )([^;]*)\);", r"\1(\2) / 2);"),
    ("scratch moved", "cuda_backend.cuh",
     r"return lanes_\[0\]\.workspace\.version\(\) \+ lanes_\[1\]\.workspace\.version\(\);",
     "return 0;"),
    ("wait", "cuda_backend.cu", r"reached_->hold_back\(waiting\);", ""),
    ("wait", "cuda_backend.cu", r"end\.wait\(\);", ""),
    ("wait", "nccl_communicator.cu", r"(?:backend_|exchanges_)\s*(?:\.|->)wait_for\([^;]*\);", ""),
    ("record", "cuda_backend.cu", r"reached_->record\(leading\);", ""),
    ("shared memory", "*.cu", r"MGQE_CUDA\(cudaFuncSetAttribute\([^;]*;", ";"),
    ("bound", "*_kernel.cuh", r"if \((\w+) >= (\w+(?:\.\w+(?:\(\))?)?)\) return;",
     r"if (\1 > \2) return;"),
    ("stride", "*_kernel.cuh", r"\+= kWarpSize\)", "+= kWarpSize - 1)"),
    ("transposed", "linalg.cu", r"CUBLAS_OP_T : CUBLAS_OP_N", "CUBLAS_OP_N : CUBLAS_OP_T"),
    ("zeroed", "*.cu", r"\bzero\([^;]*\);", ""),
]

# Programs whose tests are run, and those that a mutant meets which these do not see: bodies of kernels
# alone, then the rest.
PROGRAMS = ["engine_test", "comm_test"]
BODIES = ["kernels_test"]
SLOWER_PROGRAMS = ["base_test", "packed_test", "models_test", "train_test"]
TESTS = {"comm_test": "Nccl.*", "kernels_test": "*"}  # of others those on the device

# Mutants that change nothing, and why; they are not tried.
NOTHING_TO_DO = ("a block of which nothing is left goes on: its loops are empty, loads are bounded by the "
                 "sequence's end, and it writes nothing that is read")
EQUIVALENT = {
    "bound attention_backward_kernel.cuh:36": NOTHING_TO_DO,
    "bound attention_backward_kernel.cuh:109": NOTHING_TO_DO,
    "bound attention_kernel.cuh:186": NOTHING_TO_DO,
    "bound quantize_backward_kernel.cuh:31": NOTHING_TO_DO,
}


def mutants():
    """(name, path, begin, end, text) of each, in the order of RULES."""
    found = []
    for what, files, pattern, replacement in RULES:
        for path in sorted((ROOT / "cuda").glob(files)):
            source = path.read_text(encoding="utf-8")
            for match in re.finditer(pattern, source):
                line = source.count("\n", 0, match.start()) + 1
                found.append((f"{what} {path.name}:{line}", path.relative_to(ROOT), match.start(),
                              match.end(), match.expand(replacement)))
    return found


class Tree(MutatedTree):
    def __init__(self, folder, jobs):
        super().__init__(folder, jobs, "simulated", ["-DMGQE_CUDA=simulated", "-DMGQE_TESTS=ON"], PROGRAMS)

    def seen(self, programs, seeds):
        """The first test that fails, on any seed; "" where none does."""
        if not self.compile(programs):
            return "does not compile"
        for seed in seeds:
            for sms in (1, 5):
                environment = {**os.environ, "CUDASIM_SEED": str(seed), "CUDASIM_SMS": str(sms),
                               "MGQE_TEST_SCALE": "0.1"}
                for program in programs:
                    tests = TESTS.get(program, "*/cuda")
                    try:
                        done = subprocess.run([self.build / program, f"--gtest_filter={tests}", "--gtest_fail_fast"],
                                              env=environment, capture_output=True, text=True,
                                              errors="replace", timeout=1200)
                    except subprocess.TimeoutExpired:
                        return f"seed {seed}: {program} does not end"
                    if done.returncode != 0:
                        text = done.stdout + done.stderr
                        fault = re.search(r"FAULT: .*", text) or re.search(r"\[  FAILED  \].*", text)
                        return f"seed {seed}: {fault.group(0)[:140] if fault else done.returncode}"
        return ""


def main():
    parser = argparse.ArgumentParser(prog="tests/simulator/mutants.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    add_options(parser, "mutants")
    args = parser.parse_args()
    chosen = [mutant for mutant in mutants() if re.search(args.only, mutant[0])]
    return try_mutants(
        args, chosen, EQUIVALENT, lambda: Tree(args.folder, args.jobs),
        lambda tree, _: next(filter(None, (tree.seen(programs, args.seeds)
                                           for programs in (PROGRAMS, BODIES, SLOWER_PROGRAMS))), ""))


if __name__ == "__main__":
    sys.exit(main())
