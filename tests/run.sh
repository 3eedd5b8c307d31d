#!/usr/bin/env bash
# Builds everything and runs every test; on a machine with nvcc that includes compiling the CUDA code.
# usage: tests/run.sh [--preset NAME] [CMAKE_ARGUMENT...]    (default release; builds in build/NAME)
#        e.g. tests/run.sh --preset ci, or tests/run.sh -DCMAKE_CUDA_ARCHITECTURES=90
set -eu
cd "$(dirname "$0")/.."
preset=release
if [ "${1:-}" = --preset ]; then
  preset=${2:?tests: --preset takes a name that cmake --list-presets knows}
  shift 2
fi

experiments/scripts/install_packages.sh --tests

log=build/$preset.log
echo "== building (log: $log)"
mkdir -p build
if ! { cmake --preset "$preset" -DMGQE_TESTS=ON "$@" &&
  cmake --build --preset "$preset" -j "$(nproc)"; } >"$log" 2>&1; then
  grep -E "error|Error|Missing packages" -A 3 "$log" | head -40 >&2
  echo "tests: the build failed; the whole log is $log" >&2
  exit 1
fi

# Tests that need real data find it in $MGQE_DATA_DIR or data/ and else are skipped; tests that need a
# GPU are skipped where there is none. ctest counts both.
exec ctest --preset "$preset" -j "$(nproc)"
