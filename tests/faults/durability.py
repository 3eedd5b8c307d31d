"""What a power failure would leave: whether every file and folder that a trace of faulty_system shows
renamed was on disk (fsync) before, and its new name was put there after."""
import os


def not_durable(trace, folder):
    """What is wrong, a line each."""
    wrong, dirty, unnamed = [], set(), {}  # dirty: paths not on disk; unnamed: names by their folder

    def absolute(path):
        return os.path.normpath(os.path.join(os.path.realpath(folder), path))

    for line in open(trace):
        kind, *paths = line.rstrip("\n").split(" ")
        paths = [absolute(path) for path in paths]
        if kind == "write":
            dirty.add(paths[0])
        elif kind == "fsync":
            dirty.discard(paths[0])
            unnamed.pop(paths[0], None)
        elif kind == "unlink":
            dirty.discard(paths[0])
        elif kind == "rename":
            source, target = paths
            if target.endswith(".tmp"):  # on its way to be removed
                continue
            inside = {path for path in dirty if path == source or path.startswith(source + "/")}
            wrong += [f"{target} gets its name before {path} is on disk" for path in sorted(inside)]
            wrong += [f"{target} gets its name before those in it are on disk" for name in unnamed
                      if name == source]
            dirty -= inside
            unnamed.setdefault(os.path.dirname(target), []).append(target)
    return wrong + [f"the name of {name} may be lost" for names in unnamed.values() for name in names]
