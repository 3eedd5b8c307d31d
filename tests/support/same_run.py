"""Whether two folders hold the same run: every file to the bit, but for times and the command.
usage: same_run.py FOLDER FOLDER"""
import json
import pathlib
import sys

TIMES = ("seconds", "samples_per_second", "command")


def without_times(text):
    return json.dumps({key: value for key, value in json.loads(text).items() if key not in TIMES})


def contents(folder):
    folder = pathlib.Path(folder)
    last = sorted((folder / "checkpoints").glob("step-" + "[0-9]" * 12))[-1]
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return {
        "result.json": without_times((folder / "result.json").read_text()),
        "metrics.jsonl": [without_times(line) for line in lines],
        "model.safetensors": (folder / "model.safetensors").read_bytes(),
        "the last checkpoint's step": last.name,
        "its arrays": [path.read_bytes() for path in sorted(last.glob("rank-*.safetensors"))],
        "its best model": (last / "best.safetensors").read_bytes(),
    }


if __name__ == "__main__":
    first, second = (contents(folder) for folder in sys.argv[1:])
    different = [name for name in first if first[name] != second[name]]
    for name in different:
        print(f"{sys.argv[1]} and {sys.argv[2]} differ in {name}")
    sys.exit(bool(different))
