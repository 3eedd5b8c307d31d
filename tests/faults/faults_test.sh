#!/usr/bin/env bash
# Of every few operations of every command one fails, or the process is killed before it: faults.py.
# usage: faults_test.sh BUILD_FOLDER [EVERY]; 1 is every operation
set -u
build=$(realpath "${1:?build folder}")
[ -e "$build/faulty_system.so" ] || { echo "not built: a sanitizer has allocations of its own"; exit 77; }
exec python3 "$(dirname "$0")/faults.py" "$build/mgqe" "$build/faulty_system.so" --every "${2:-4}"
