"""Checks every kernel of ours as it was compiled: in the objects' PTX (which is not compressed) and
in what ptxas said of them (OBJECT.ptxas, by host/cmake/keep_ptxas.sh). CUB's own kernels are not ours
to mend.

  of each kernel     it names the largest block it is launched with (.maxntid), and stands in one
                     object
  of its arithmetic  no add or mul of f32 that ptxas may contract to an fma: bits would differ from
                     the CPU's
  on sm_80, sm_90    no stack frame, no spill; the registers of a block fit the multiprocessor's 64 K;
                     static shared memory is at most 48 KiB

An architecture that was not built for is assembled here from the PTX of an older one, once.

usage: check_kernels.py BUILD_FOLDER
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ARCHITECTURES = ("sm_80", "sm_90")
REGISTERS = 65536  # of a multiprocessor, and the most a block may have
SHARED_BYTES = 49152
OURS = "_ZN4mgqe"

failures = []


def fail(*words):
    failures.append(" ".join(str(word) for word in words))


def ptx_of(path):
    """The PTX modules in an object, by their target."""
    modules = {}
    for text in re.findall(rb"\.version [\x09\x0a\x0d\x20-\x7e]+", path.read_bytes()):
        text = text.decode()
        target = re.search(r"^\.target (sm_\d+)", text, re.M)
        if target:
            modules[target[1]] = text
    return modules


def functions_of(ptx):
    """Name, whether it is a kernel, and text of each function of a module."""
    heads = list(re.finditer(r"^(?:\.\w+ )*\.(entry|func)\s+(?:\([^)]*\)\s*)?([\w$]+)", ptx, re.M))
    for head, following in zip(heads, heads[1:] + [None]):
        yield head[2], head[1] == "entry", ptx[head.start():following.start() if following else None]


def check_ptx(path, ptx):
    """Threads of the largest block of each kernel of the object."""
    threads = {}
    for name, is_kernel, text in functions_of(ptx):
        if not name.startswith(OURS):
            continue
        loose = re.search(r"^\s*(?:@!?%\w+ )?(?:add|sub|mul)(?:\.ftz|\.sat)*\.f32 .*", text, re.M)
        if loose:
            fail(path.name, name + ":", "not rounded by itself:", loose[0].strip())
        if not is_kernel:
            continue
        threads[name] = 1
        block = re.search(r"^\.maxntid (\d+)(?:, (\d+))?(?:, (\d+))?", text, re.M)
        if not block:
            fail(path.name, name + ":", "no launch bounds")
            continue
        for side in block.groups():
            threads[name] *= int(side or 1)
    return threads


def kernels_of(log):
    """What ptxas -v says: (target, kernel) -> registers, stack, spilled and shared bytes."""
    found, key = {}, None
    for line in log.splitlines():
        if entry := re.search(r"Compiling entry function '(\S+)' for '(sm_\d+)", line):
            key = entry[2], entry[1]
            found[key] = {"registers": 0, "stack": 0, "spilled": 0, "shared": 0}
        elif "Function properties for" in line:  # of a function that it calls, too
            own = key is not None and line.split()[-1] == key[1]
        elif numbers := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes", line):
            if own:
                found[key].update(stack=int(numbers[1]), spilled=int(numbers[2]) + int(numbers[3]))
        elif used := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            found[key].update(registers=int(used[1]), shared=int(shared[1]) if shared else 0)
    return found


def assemble(ptxas, folder, path, architecture, ptx):
    """ptxas -v of a module, from the last run where it was the same."""
    kept = folder / f"{path.name}.{architecture}.{hashlib.sha256(ptx.encode()).hexdigest()[:16]}"
    if not kept.exists():
        source = kept.with_suffix(".ptx")
        source.write_text(ptx)
        run = subprocess.run([ptxas, "-v", f"-arch={architecture}", "-o", os.devnull, str(source)],
                             capture_output=True, text=True)
        source.unlink()
        if run.returncode != 0:
            raise SystemExit(f"{path.name} for {architecture}: {run.stderr}")
        for old in folder.glob(f"{path.name}.{architecture}.*"):
            old.unlink()
        kept.write_text(run.stderr)
    return kept.read_text()


def check_object(path, ptxas, folder):
    """(target, kernel) of each kernel of ours in the object."""
    log = path.with_name(path.name + ".ptxas")
    if not log.exists():
        raise SystemExit(f"{path}: nothing is known of its kernels: compile it again")
    kernels = {key: use for key, use in kernels_of(log.read_text()).items() if key[1].startswith(OURS)}
    modules = ptx_of(path)
    if kernels and not modules:
        raise SystemExit(f"{path}: no PTX is in it, or it is compressed")
    threads = {}
    for ptx in modules.values():
        threads.update(check_ptx(path, ptx))
    for architecture in ARCHITECTURES if kernels else ():
        if any(target == architecture for target, _ in kernels):
            continue
        older = [target for target in modules if int(target[3:]) <= int(architecture[3:])]
        if not older:
            fail(path.name, "has no PTX that", architecture, "could run")
            continue
        ptx = modules[max(older, key=lambda target: int(target[3:]))]
        for key, use in kernels_of(assemble(ptxas, folder, path, architecture, ptx)).items():
            if key[1].startswith(OURS):
                kernels[key] = use
    for (target, name), use in kernels.items():
        where = f"{path.name} {name} on {target}:"
        if name not in threads:
            fail(where, "is not in the PTX")
            continue
        block = -(-use["registers"] // 8) * 8 * threads[name]
        if block > REGISTERS:
            fail(where, use["registers"], "registers in blocks of", threads[name])
        for what in ("stack", "spilled"):
            if use[what] > 0 and target in ARCHITECTURES:
                fail(where, use[what], "bytes", what)
        if use["shared"] > SHARED_BYTES:
            fail(where, use["shared"], "bytes of shared memory")
    return kernels


def main(build):
    objects = sorted(pathlib.Path(build).glob("**/mgqe_cuda.dir/cuda/*.cu.o"))
    if not objects:
        print("built without CUDA")
        sys.exit(77)
    compiler = re.search(r"^CMAKE_CUDA_COMPILER:\w+=(.+)$",
                         (pathlib.Path(build) / "CMakeCache.txt").read_text(), re.M)
    ptxas = shutil.which("ptxas", path=os.path.dirname(compiler[1])) or shutil.which("ptxas")
    folder = pathlib.Path(build) / "ptxas"
    folder.mkdir(exist_ok=True)
    stands = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, kernels in zip(objects, pool.map(lambda path: check_object(path, ptxas, folder),
                                                   objects)):
            for key in kernels:
                if key in stands:
                    fail(key[1], "stands in", path.name, "and in", stands[key])
                stands[key] = path.name
    for failure in failures:
        print(failure)
    targets = sorted({target for target, _ in stands})
    kernels = {name for _, name in stands}
    print(f"{len(kernels)} kernels checked on {', '.join(targets)}")
    sys.exit(bool(failures) or not stands)


main(sys.argv[1])
