#!/usr/bin/env bash
# Writes the tables of README.md and of the pages in experiments/results/ anew from the committed JSON,
# each between its pair of <!-- NAME --> and <!-- /NAME --> lines. With --check it only says whether
# they are up to date.
# usage: experiments/scripts/update_tables.sh [--check] [BUILD_FOLDER]
set -eu
cd "$(dirname "$0")/../.."
check=0
[ "${1:-}" = --check ] && { check=1; shift; }
schemes=${1:-build/release}/schemes
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fill NAME: replaces what stands between the marks NAME, on the one page that has them, by standard
# input
fill() {
  cat >"$work/table"
  local page
  page=$(grep -lxF "<!-- $1 -->" README.md experiments/README.md experiments/results/*.md || true)
  [ "$(wc -w <<<"$page")" -eq 1 ] ||
    { echo "update_tables: the mark <!-- $1 --> stands on ${page:-no page}, not on one" >&2; exit 1; }
  awk -v table="$work/table" -v open="<!-- $1 -->" -v close_mark="<!-- /$1 -->" '
    $0 == close_mark {inside = 0}
    !inside {print}
    $0 == open {inside = 1; print ""; while ((getline line < table) > 0) print line; print ""}
  ' "$page" >"$work/fresh"
  if cmp -s "$page" "$work/fresh"; then return; fi
  if [ $check = 1 ]; then
    diff -u "$page" "$work/fresh" >&2 || true
    echo "$page is out of date: run experiments/scripts/update_tables.sh" >&2
    exit 1
  fi
  cp "$work/fresh" "$page"
}

results=experiments/results
# section NAME: of the report, without its heading
section() { awk -v name="## $1" '/^## /{inside = $0 == name; next} inside' $results/report.md | sed '1{/^$/d}'; }
# README shows the report's first screen, all before its first section; quality.md two of its sections.
if [ -e $results/report.md ]; then
  sed -n '3,/^## /{/^## /!p}' $results/report.md |
    sed -E "s#!\\[(.*)\\]\\((figures/[^)]*)\\)#[![\\1]($results/\\2)]($results/report.md)#" | sed '$d' | fill first-screen
  section "Full tables against what was asked of them" | sed '$d' | fill asked
  section "What MGQE keeps of the full table" | sed '$d' | fill kept
fi
# README shows the full table and the default MGQE of two backbones, quality.md all rows.
"$schemes" --table --only '^(gmf|sasrec)/(full-d64|mgqe-D32)$' | fill results
"$schemes" --table | fill schemes
python3 experiments/scripts/compare_grouping.py --table $results/grouping_cpu.json |
  fill grouping
python3 experiments/baselines/speed_table.py experiments/results/training_speed_*.json |
  fill training-speed
python3 experiments/scripts/compare_embeddings.py --table $results/embeddings_cpu.json |
  fill embeddings
if [ -e $results/evaluation_cpu.json ]; then
  python3 experiments/scripts/compare_evaluation.py --table $results/evaluation_cpu.json |
    fill evaluation
fi
if [ -e $results/steps_against_dpq_cpu.json ]; then
  python3 experiments/scripts/compare_dpq.py --table $results/steps_against_dpq_cpu.json |
    fill steps-against-dpq
fi
if [ -e $results/ranks_cpu.json ]; then
  python3 experiments/scripts/compare_ranks.py --table $results/ranks_cpu.json |
    fill ranks
fi
if [ -e $results/rank_runs_cpu.jsonl ]; then
  python3 experiments/scripts/compare_rank_runs.py --table $results/rank_runs_cpu.jsonl |
    fill rank-runs
fi
shopt -s nullglob  # before the first measurement there is no such file
python3 experiments/baselines/compare_ops.py --table $results/ops_*.json |
  fill ops
