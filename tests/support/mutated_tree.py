"""A copy of the source in which one place at a time is broken, and whose build is kept from mutant to
mutant."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

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


def read_records(path):
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}


def write_records(path, records):
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)
