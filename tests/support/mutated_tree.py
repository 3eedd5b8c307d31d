"""A copy of the source in which one place at a time is broken, and whose build is kept from mutant to
mutant."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class MutatedTree:
    def __init__(self, folder, jobs, preset, options, programs):
        """preset: names the build's folder, so that ccache has the objects of the preset's own."""
        self.source, self.jobs = folder / "source", jobs
        self.build = self.source / "build" / preset
        files = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
                                "--exclude-standard"], capture_output=True, check=True).stdout
        for name in filter(None, files.decode().split("\0")):
            theirs, ours = ROOT / name, self.source / name
            if not theirs.exists() or (ours.exists() and ours.read_bytes() == theirs.read_bytes()):
                continue
            ours.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(theirs, ours)
            os.utime(ours)
        self.call(["cmake", "-S", self.source, "-B", self.build, *options])
        if not self.compile(programs):
            sys.exit(f"{self.build} does not build without a mutant")

    @staticmethod
    def call(command):
        return subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def compile(self, programs):
        return self.call(["cmake", "--build", self.build, "-j", self.jobs, "--target", *programs])

    @contextlib.contextmanager
    def broken(self, path, begin, end, text):
        """The file with `text` in place of [begin, end); as it was afterwards."""
        file = self.source / path
        source = file.read_text(encoding="utf-8")
        file.write_text(source[:begin] + text + source[end:], encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(source, encoding="utf-8")


def add_options(parser, folder):
    """What every run of mutants takes."""
    parser.add_argument("--only", default="", help="mutants whose name matches")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--jobs", default="2", help="of the compiler [2]")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / folder)
    parser.add_argument("--json", type=pathlib.Path, help="results; those that it has stand")
    parser.add_argument("--list", action="store_true")


def try_mutants(args, chosen, equivalent, make_tree, how_seen):
    """chosen: (name, path, begin, end, text) each. how_seen(tree, path): what saw the mutant that stands in
    the tree; "" where nothing did. The exit code: 1 where one is missed."""
    if args.list:
        print("\n".join(mutant[0] for mutant in chosen))
        return 0
    records = json.loads(args.json.read_text(encoding="utf-8")) if args.json and args.json.exists() else {}
    tree = make_tree()
    last = time.monotonic() + 60 * args.minutes
    for name, path, begin, end, text in chosen:
        if name in records or name in equivalent or time.monotonic() > last:
            continue
        with tree.broken(path, begin, end, text):
            how = how_seen(tree, path)
        records[name] = how
        print(f"{'seen' if how else 'NOT SEEN'}  {name}  {how}", flush=True)
        if args.json:
            part = args.json.with_name(args.json.name + ".part")
            part.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
            os.replace(part, args.json)
    here = {name: how for name, how in records.items() if how != "does not compile"}
    missed = [name for name, how in here.items() if not how]
    explained = [name for name, *_ in chosen if name in equivalent]
    print(f"{len(here) - len(missed)} of {len(here)} seen, {len(missed)} missed; {len(explained)} more "
          "change nothing")
    return 1 if missed else 0
