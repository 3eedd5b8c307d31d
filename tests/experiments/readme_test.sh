#!/usr/bin/env bash
# The tables of README.md and of the pages of results are the committed results.
set -eu
cd "$(dirname "$0")/../.."
experiments/scripts/update_tables.sh --check "$1"
