#!/usr/bin/env bash
# The report is what this build makes of the stored runs: report.md, anew, is the one that is there.
# Argument: the build folder. `figure2 --report-only` and experiments/scripts/update_tables.sh mend it.
set -eu
figure2=$(realpath "${1:?build folder}")/figure2
[ -x "$figure2" ] || { echo "skipped: figure2 is not built"; exit 77; }
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
results=experiments/results
cp $results/steps_against_dpq_cpu.json "$folder"
"$figure2" --report-only --store $results/runs --report "$folder" >"$folder/out" 2>&1 || { cat "$folder/out"; exit 1; }
if ! diff -q "$folder/report.md" $results/report.md >/dev/null; then
  echo "$results/report.md is not what the stored runs give: figure2 --report-only writes it anew"
  diff "$folder/report.md" $results/report.md | cut -c1-200 | head -n 20
  exit 1
fi
