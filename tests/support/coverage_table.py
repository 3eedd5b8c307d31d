"""A table of the lines of host/ and models/ that ran, by room, from what gcov says of a build folder.
usage: coverage_table.py BUILD_FOLDER [--files N]"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
FLOORS = ("host", "models")


def counts_of(notes):
    """How often each line ran, by file, as one object file knows it. Without counts it ran never."""
    # Counts of an older build are left out, with an exit code that says so.
    said = subprocess.run(["gcov", "--json-format", "--stdout", notes.name], cwd=notes.parent,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    counts = []
    for text in said.splitlines():  # one object a line
        report = json.loads(text)
        for file in report["files"]:
            path = pathlib.Path(os.path.normpath(pathlib.Path(report["current_working_directory"], file["file"])))
            if path.is_relative_to(SOURCE) and path.relative_to(SOURCE).parts[0] in FLOORS:
                of_file = collections.Counter()  # a line stands there once for each instance of its template
                for line in file["lines"]:
                    of_file[line["line_number"]] += line["count"]
                counts.append((str(path.relative_to(SOURCE)), of_file))
    return counts


def room_of(name):
    return "/".join(pathlib.Path(name).parts[:2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=15)
    options = parser.parse_args()
    notes = sorted(options.build.resolve().rglob("*.gcno"))
    if not notes:
        sys.exit(f"{options.build}: nothing was built with --coverage there")
    lines = collections.defaultdict(collections.Counter)  # of each file: how often each of its lines ran
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for counts in pool.map(counts_of, notes):
            for name, of_file in counts:
                for line, count in of_file.items():
                    lines[name][line] += count
    files = {name: (len(counts), sum(count > 0 for count in counts.values())) for name, counts in lines.items()}
    rooms = collections.defaultdict(lambda: [0, 0])
    for name, (all_lines, ran) in files.items():
        for room in (room_of(name), "all"):
            rooms[room][0] += all_lines
            rooms[room][1] += ran

    def show(title, rows):
        width = max(len(title), *(len(name) for name, _, _ in rows))
        print(f"{title:<{width}}  {'lines':>6}  {'ran':>6}  {'percent':>7}")
        for name, all_lines, ran in rows:
            print(f"{name:<{width}}  {all_lines:>6}  {ran:>6}  {100 * ran / all_lines:>6.1f}%")

    show("room", [(room, *rooms[room]) for room in sorted(rooms, key=lambda room: (room == "all", room))])
    worst = sorted(files.items(), key=lambda item: item[1][1] - item[1][0])[:options.files]
    worst = [(name, all_lines, ran) for name, (all_lines, ran) in worst if ran < all_lines]
    if worst:
        print()
        show("file, by lines that did not run", worst)


if __name__ == "__main__":
    main()
