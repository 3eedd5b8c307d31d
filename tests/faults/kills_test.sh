#!/usr/bin/env bash
# A hundred signals at random moments of small runs: kills.py.
# usage: kills_test.sh BUILD_FOLDER [KILLS] [RANDOM_SEED]
set -u
build=$(realpath "${1:?build folder}")
exec python3 "$(dirname "$0")/kills.py" "$build/mgqe" --kills "${2:-50}" --seed "${3:-$RANDOM}"
