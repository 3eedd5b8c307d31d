#!/usr/bin/env bash
# The first hour on a GPU, in one command: what ran, what it said, how long it took.
# usage: tests/gpu.sh --help
set -eu
command -v python3 >/dev/null || { echo "gpu.sh: needs python3" >&2; exit 2; }
exec python3 "$(dirname "$0")/gpu/first_hour.py" "$@"
