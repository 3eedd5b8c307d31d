"""A folder with all that tests/gpu.sh needs, for a machine with a GPU and no compiler."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

LIMIT_MIB = 60
PROGRAMS = ["mgqe", "bench_ops", "bench_train", "figure2", "base_test", "packed_test", "engine_test",
            "models_test", "train_test", "comm_test", "ranks_test"]
# The C library belongs to the machine, and so does what comes with its driver and toolkit: carried.sh
# finds cuBLAS and NCCL there.
OF_THE_MACHINE = re.compile(r"^(ld-linux|libc|libm|libdl|librt|libpthread|libcuda|libcublas|"
                            r"libcublasLt|libnccl|libnvidia-ml)[.-]")


def call(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        text = (done.stdout + done.stderr).strip().splitlines()
        errors = [line for line in text if "error" in line.lower()] or text or ["no message"]
        sys.exit(f"gpu.sh: {command[0]}: {errors[0]}")
    return done.stdout


def libraries_of(program):
    """Paths of the shared libraries it brings along."""
    found = re.findall(r"^\s*(\S+) => (\S+) \(", call(["ldd", program]), re.M)
    return [path for name, path in found if not OF_THE_MACHINE.match(name)]


def make(root, folder, architectures):
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"gpu.sh: {folder} is not empty: name a new folder")
    build = root / "build" / "package"
    print(f"building {build} ...", flush=True)
    call(["cmake", "-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON",
          "-DMGQE_TESTS=ON", f"-DCMAKE_CUDA_ARCHITECTURES={architectures}",
          "-DCMAKE_CUDA_FLAGS=--compress-mode=size"])
    programs = [name for name in PROGRAMS if name != "ranks_test" or shutil.which("mpirun")]
    call(["cmake", "--build", build, "-j", os.cpu_count(), "--target", *programs])
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "bin").mkdir(parents=True)
    (aside / "lib").mkdir()
    for name in programs:
        shutil.copy2(build / name, aside / "bin" / name)
        for library in libraries_of(build / name):
            target = aside / "lib" / pathlib.Path(library).name
            if not target.exists():
                shutil.copy2(library, target)
    for file in [*(aside / "bin").iterdir(), *(aside / "lib").iterdir()]:
        call(["strip", "--strip-unneeded", file])
    shutil.copytree(root / "tests" / "gpu", aside / "tests" / "gpu",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("golden", "compatibility"):
        shutil.copytree(root / "tests" / name, aside / "tests" / name)
    shutil.copytree(root / "experiments" / "baselines", aside / "experiments" / "baselines",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(root / "tests" / "gpu" / "carried.sh", aside / "tests" / "gpu.sh")
    size = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file()) / 2**20
    if size > LIMIT_MIB:
        shutil.rmtree(aside)
        sys.exit(f"gpu.sh: the folder would take {size:.0f} MiB, over {LIMIT_MIB}: name fewer "
                 "--architectures")
    if folder.exists():
        folder.rmdir()
    aside.rename(folder)
    print(f"{folder}: {size:.1f} MiB, for architectures {architectures}")
    return 0
