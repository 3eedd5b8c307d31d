#!/usr/bin/env bash
# No stored run is lost and none changes a digit: stored_figures.txt has the digest of each run that
# was ever stored, and the store must hold a line of that digest. After `--collect` of new runs,
# `tests/experiments/stored_figures_test.sh --add` appends theirs.
set -eu
cd "$(dirname "$0")/../.."
python3 - "${1:-}" <<'PY'
import glob, hashlib, json, sys

LIST = "tests/experiments/stored_figures.txt"
NAMES_OF_THE_FILE = "name"  # told beside a run, no part of it


def digest(run):
    """Of every field, numbers to the last digit."""
    fields = {key: value for key, value in run.items() if key != NAMES_OF_THE_FILE}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def label(path, run):
    config = run["config"]
    return "-".join([path.split("/")[-1].removesuffix(".jsonl"), config["model"]["name"],
                     config["embedding"]["scheme"], f"seed{run['seed']}"])


stored = {}
for path in sorted(glob.glob("experiments/results/**/*.jsonl", recursive=True)):
    for number, line in enumerate(open(path), 1):
        run = json.loads(line)
        key = digest(run)
        if key in stored:
            sys.exit(f"{path}:{number}: the same run stands at {stored[key][0]}: remove one")
        stored[key] = (f"{path}:{number}", label(path, run))
recorded = dict(line.split(maxsplit=1) for line in open(LIST))
lost = [name.strip() for key, name in recorded.items() if key not in stored]
if lost:
    sys.exit(f"{LIST}: {len(lost)} of {len(recorded)} stored runs are lost or have other figures, the "
             f"first a run of {lost[0]}: restore its line from the history")
new = [f"{key} {name}\n" for key, (_, name) in stored.items() if key not in recorded]
if sys.argv[1] == "--add":
    with open(LIST, "a") as file:
        file.writelines(new)
    print(f"{len(new)} runs added")
elif new:
    sys.exit(f"{LIST}: {len(new)} stored runs are not listed: "
             f"tests/experiments/stored_figures_test.sh --add")
else:
    print(f"{len(stored)} runs, each as it was stored")
PY
