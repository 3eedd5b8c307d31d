#!/usr/bin/env bash
# The wheel as a user gets it: built, installed into a fresh venv, and the tests run against that one.
# usage: python_wheel_test.sh BUILD_FOLDER
set -eu
build=$(cd "${1:?build folder}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
[ -z "$(cached MGQE_SANITIZE)" ] || { echo "built with sanitizers, which a wheel is not"; exit 77; }
python=${MGQE_PYTHON:-python3}
"$python" -c "import numpy, pytest, pip, venv, scikit_build_core" 2>/dev/null ||
  { echo "$python lacks numpy, pytest, pip, venv or scikit-build-core"; exit 77; }
work=$(mktemp -d)
part=$(dirname "$build")/wheel_test # the same place each time, so that ccache knows it again
trap 'rm -rf "$work" "$part"' EXIT
rm -rf "$part"

fail() { echo "FAILED: $1"; tail -30 "$work/log"; exit 1; }
"$python" -m pip wheel --no-deps --no-build-isolation --wheel-dir "$work/wheels" \
  -C build-dir="$part" -C cmake.define.MGQE_WERROR="$(cached MGQE_WERROR)" "$source/host/serve/python" \
  >"$work/log" 2>&1 || fail "the wheel"
wheel=$(echo "$work"/wheels/mgqe-*.whl)
case $wheel in *-py3-none-*.whl) ;; *) echo "FAILED: $wheel is not for every Python"; exit 1 ;; esac

# What the tests need comes from the outer Python; the package does not.
{ "$python" -m venv "$work/venv" && "$work/venv/bin/python" -m pip install --no-index --no-deps "$wheel"; } \
  >"$work/log" 2>&1 || fail "its installation"
"$python" -c "import numpy, os; print(os.path.dirname(os.path.dirname(numpy.__file__)))" \
  >"$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/outer.pth"
installed=$(cd / && env -u MGQE_LIBRARY "$work/venv/bin/python" -c "import mgqe; print(mgqe._abi.lib._name)") ||
  { echo "FAILED: import mgqe"; exit 1; }
case $installed in "$work"/venv/*) ;; *) echo "FAILED: it loads $installed"; exit 1 ;; esac
ldd "$installed" | grep -E "lib(fmt|hwy|z)\.so" | grep -v "=> $work/venv/" && { echo "FAILED: the wheel is not whole"; exit 1; }

cd "$source/tests/serve/python"
env -u MGQE_LIBRARY MGQE_INSTALLED=1 PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/python" -m pytest -q \
  -p no:cacheprovider --ignore test_torch.py .
echo "$(basename "$wheel"), $(stat -c %s "$wheel") bytes: built, installed and tested"
