#!/usr/bin/env bash
# The Python package against the library of the build folder, by pytest. What needs PyTorch or onnxruntime
# is skipped where they are not installed. For all of it:
#   python3 -m venv V && V/bin/pip install numpy pytest ml_dtypes torch onnx onnxruntime onnxscript
# and MGQE_PYTHON=V/bin/python.
# usage: python_test.sh BUILD_FOLDER
set -eu
build=$(cd "${1:?build folder}" && pwd)
cd "$(dirname "$0")/python"
grep -q '^MGQE_SANITIZE:[A-Z]*=.' "$build/CMakeCache.txt" && { echo "built with sanitizers, which Python is not"; exit 77; }
for python in ${MGQE_PYTHON:-python3 /usr/bin/python3}; do
  "$python" -c "import numpy, pytest" 2>/dev/null && break
  echo "$python has no numpy or no pytest"
done
"$python" -c "import numpy, pytest" 2>/dev/null || exit 77
export MGQE_LIBRARY=$build/libmgqe_serve.so PYTHONDONTWRITEBYTECODE=1
"$python" -m pytest -q -p no:cacheprovider .
