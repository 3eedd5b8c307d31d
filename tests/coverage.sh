#!/usr/bin/env bash
# Which lines of host/ and models/ the tests run: a table by room, and the files least covered.
# Builds the preset `coverage` in build/coverage (CPU alone, -O1) and runs its tests; gcov counts.
# usage: coverage.sh [--help] [--files N] [--no-run] [ROOM...]
#   --files N   how many of the least covered files are shown, 15
#   --no-run    count what ran the last time
#   ROOM        build and run the programs of these rooms of tests/ alone: io, train, data/ctr, ...
set -eu
cd "$(dirname "$0")/.."
build=build/coverage
files=15
run=yes
rooms=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,8s/^# \?//p' "$0"; exit 0 ;;
    --files) files=${2:?coverage.sh: --files takes a number}; shift ;;
    --no-run) run=no ;;
    -*) echo "coverage.sh: no option $1; see --help" >&2; exit 2 ;;
    *) [ -d "tests/$1" ] || { echo "coverage.sh: no room tests/$1" >&2; exit 2; }; rooms+=("$1") ;;
  esac
  shift
done

if [ $run = yes ]; then
  targets=()
  for room in "${rooms[@]}"; do targets+=(--target "${room//\//_}_test"); done
  mkdir -p build
  { cmake --preset coverage && cmake --build --preset coverage -j "$(nproc)" "${targets[@]}"; } >build/coverage.log 2>&1 ||
    { grep -E "error" -A 3 build/coverage.log | head -40 >&2; exit 1; }
  find $build -name '*.gcda' -delete
  if [ ${#rooms[@]} -gt 0 ]; then
    for room in "${rooms[@]}"; do $build/"${room//\//_}_test" --gtest_brief=1; done
  else
    # Not those that kill processes, which write no counts, nor those that look at the source alone.
    ctest --preset coverage -j "$(nproc)" \
      -E '^(cuda_kernels|kill|ranks_kill|kills|faults|install|presets|architecture|format|readme|readme_commands|fetch_data)_test$'
  fi
fi
exec python3 tests/support/coverage_table.py $build --files "$files"
