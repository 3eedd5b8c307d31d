#!/usr/bin/env bash
# README's tables are the committed results, and the commands it names exist.
set -eu
cd "$(dirname "$0")/../.."
experiments/scripts/update_tables.sh --check "$1"
for script in $(grep -oE '(experiments|tests)/[a-z_]+\.sh' README.md | sort -u); do
  [ -x "$script" ] || { echo "README names $script, which cannot be run"; exit 1; }
done
