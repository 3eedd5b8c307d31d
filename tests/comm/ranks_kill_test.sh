#!/usr/bin/env bash
# kill_test.sh with two ranks, their rows sharded.
set -u
command -v mpirun >/dev/null || { echo "no mpirun here"; exit 77; }
grep -q "MPI_CXX_FOUND:INTERNAL=TRUE\|MPI_CXX_LIB_NAMES:STRING=.\+" "$1/CMakeCache.txt" || { echo "built without MPI"; exit 77; }
MGQE_RUN_OPTIONS="--shard rows" exec bash "$(dirname "$0")/../train/kill_test.sh" "$1" 5 "$RANDOM" 2
