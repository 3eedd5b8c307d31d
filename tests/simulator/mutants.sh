#!/usr/bin/env bash
# Breaks cuda/ in one place at a time and says which breaks the simulated device's tests do not see.
# usage: tests/simulator/mutants.sh --help
set -eu
exec python3 "$(dirname "$0")/mutants.py" "$@"
