#!/usr/bin/env bash
# Builds everything and runs every test; on a machine with nvcc that includes compiling the CUDA code.
# usage: tests/run.sh [CMAKE_ARGUMENT...]      e.g. tests/run.sh -DCMAKE_CUDA_ARCHITECTURES=90
set -eu
cd "$(dirname "$0")/.."

experiments/scripts/install_packages.sh

echo "== building (log: build/tests.log)"
mkdir -p build
if ! { cmake --preset release -DMGQE_TESTS=ON -DMGQE_CUDA=ON "$@" &&
  cmake --build build/release -j "$(nproc)"; } >build/tests.log 2>&1; then
  grep -E "error|Error|Missing packages" -A 3 build/tests.log | head -40 >&2
  echo "tests: the build failed; the whole log is build/tests.log" >&2
  exit 1
fi

# Tests that need real data find it in $MGQE_DATA_DIR or data/ and else are skipped; tests that need a
# GPU are skipped where there is none. ctest counts both.
exec ctest --test-dir build/release --output-on-failure -j "$(nproc)"
