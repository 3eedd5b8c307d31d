#!/usr/bin/env bash
# tests/gpu.sh of a package: with the libraries it brings, and cuBLAS and NCCL where PyTorch's wheels
# or a toolkit have them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
command -v python3 >/dev/null || { echo "gpu.sh: needs python3" >&2; exit 2; }
wheels=$(python3 -c 'import glob, site
folders = site.getsitepackages() + [site.getusersitepackages()]
print(":".join(path for folder in folders
               for path in sorted(glob.glob(folder + "/nvidia/*/lib"))))' 2>/dev/null || true)
export LD_LIBRARY_PATH="$root/lib:$wheels:/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}"
export MGQE_SOURCE_DIR="$root"
exec python3 "$root/tests/gpu/first_hour.py" "$@"
