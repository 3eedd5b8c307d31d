#!/usr/bin/env python3
"""Breaks host/ and models/ in one place at a time and runs the unit tests of the room: each mutant has to
be seen, or has its reason in EQUIVALENT. Places are drawn evenly over the rooms, by a seed.

  tests/mutation.py --count 60                 a build and a run of the room's tests each
  tests/mutation.py --list                     which those would be
  tests/mutation.py --only 'host/packed' --count 10 --seed 2
  tests/mutation.py --minutes 30 --json mutation.json     goes on where that file ends
"""

import argparse
import itertools
import pathlib
import random
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "support"))
from mutated_tree import ROOT, MutatedTree, add_options, try_mutants  # noqa: E402

# What is broken: a pattern, and what takes its place.
RULES = [
    ("bound", r" < ", " <= "),
    ("bound", r" <= ", " < "),
    ("bound", r" > (?=[a-z0-9_])", " >= "),
    ("bound", r" >= ", " > "),
    ("equal", r" == ", " != "),
    ("equal", r" != ", " == "),
    ("logic", r" && ", " || "),
    ("logic", r" \|\| ", " && "),
    ("sign", r"(?<=[\w)\]]) \+ (?=\w)", " - "),
    ("sign", r"(?<=[\w)\]]) - (?=\w)", " + "),
    ("sum", r" \+= ", " -= "),
    ("extreme", r"std::min\b", "std::max"),
    ("extreme", r"std::max\b(?!_)", "std::min"),
    ("answer", r"return true;", "return false;"),
    ("answer", r"return false;", "return true;"),
    ("one", r"(?<=[ (])1(?=[;,) ])", "2"),
    ("half", r"\b0\.5f?\b", "0.625f"),
    ("call", r"(?m)^ +backend_\.(?:zero|add|accumulate|add_bias|sum_rows)\([^;]*;$", ""),
]

# The programs that test a room, the likeliest first. What only scripts test (serving over HTTP, the
# console) and what only ranks meet is left out.
PROGRAMS = {
    "host/base": ["base_test"],
    "host/packed": ["packed_test", "io_test"],
    "host/config": ["config_test"],
    "host/cpu": ["engine_test", "cpu_test", "models_test"],
    "host/engine": ["engine_test", "models_test"],
    "host/data/ctr": ["data_ctr_test"],
    "host/data": ["data_test"],
    "host/io": ["io_test"],
    "host/train": ["train_test"],
    "host/serve": ["serve_test"],
    "host/convert": ["convert_test"],
    "host/jobs": ["jobs_test"],
    "models/embeddings": ["models_test", "train_test"],
    "models/features": ["models_test", "train_test"],
    "models/packing": ["models_test", "train_test"],
    "models/scorers": ["train_test", "serve_test"],
    "models": ["models_test", "train_test"],
}
LEFT_OUT = re.compile(r"host/comm/|host/io/console/|host/serve/c/|inl\.hpp$")

# Mutants that change nothing, and why; they are not tried.
EQUIVALENT = {}


def room_of(path):
    return max((room for room in PROGRAMS if path.startswith(room + "/")), key=len, default=None)


def code_only(source):
    """The source with comments and texts blanked, of the same length."""
    return re.sub(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"|#include[^\n]*', lambda m: " " * len(m.group(0)), source)


def mutants_of_rooms():
    """By room, (name, path, begin, end, text) of every place."""
    rooms = {room: [] for room in PROGRAMS}
    for path in sorted(itertools.chain((ROOT / "host").rglob("*.cpp"), (ROOT / "models").rglob("*.cpp"))):
        name = path.relative_to(ROOT).as_posix()
        room = room_of(name)
        if room is None or LEFT_OUT.search(name):
            continue
        source = path.read_text(encoding="utf-8")
        code = code_only(source)
        for what, pattern, replacement in RULES:
            for match in re.finditer(pattern, code):
                line = source.count("\n", 0, match.start()) + 1
                column = match.start() - source.rfind("\n", 0, match.start())
                rooms[room].append((f"{what} {name}:{line}:{column}", name, match.start(), match.end(),
                                    replacement))
    return rooms


def draw(count, seed, only):
    rooms = {room: [m for m in found if re.search(only, m[0])] for room, found in mutants_of_rooms().items()}
    generator = random.Random(seed)
    for found in rooms.values():
        generator.shuffle(found)
    turns = itertools.zip_longest(*(found for found in rooms.values() if found))
    return list(itertools.islice((m for turn in turns for m in turn if m), count))


def seen(tree, room):
    """The first test that fails; "" where none does."""
    for program in PROGRAMS[room]:
        if not tree.compile([program]):
            return "does not compile"
        try:
            done = subprocess.run([tree.build / program, "--gtest_fail_fast", "--gtest_brief=1"],
                                  capture_output=True, text=True, errors="replace", timeout=900)
        except subprocess.TimeoutExpired:
            return f"{program} does not end"
        if done.returncode != 0:
            failed = re.search(r"\[  FAILED  \].*", done.stdout)
            return f"{program}: {failed.group(0)[:120] if failed else f'exit code {done.returncode}'}"
    return ""


def main():
    parser = argparse.ArgumentParser(prog="tests/mutation.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    add_options(parser, "mutation")
    args = parser.parse_args()
    chosen = draw(args.count, args.seed, args.only)
    programs = sorted({PROGRAMS[room_of(path)][0] for _, path, *_ in chosen})
    return try_mutants(
        args, chosen, EQUIVALENT,
        lambda: MutatedTree(args.folder, args.jobs, "ci", [
            "-DCMAKE_BUILD_TYPE=Release", "-DMGQE_CUDA=OFF", "-DMGQE_TESTS=ON", "-DMGQE_WERROR=ON"], programs),
        lambda tree, path: seen(tree, room_of(path)))


if __name__ == "__main__":
    sys.exit(main())
