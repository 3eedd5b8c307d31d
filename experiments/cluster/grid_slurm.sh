#!/usr/bin/env bash
# A grid over the GPUs of a Slurm cluster: an array job of N tasks, a GPU and one process each, that
# share a store. Every task is given the whole grid and takes what no other has taken, so a task that
# is cut off loses one run, and the same command submits what is left.
# usage: experiments/cluster/grid_slurm.sh [--tasks N] [--time LIMIT] [--partition P] [--cpu] -- \
#            PROGRAM [OPTIONS]
#   --tasks N       array tasks, that is GPUs [8]
#   --time LIMIT    of each, as sbatch takes it [04:00:00]
#   --partition P   [the cluster's default]
#   --cpu           tasks of 8 cores without a GPU
#   PROGRAM         figure2, figure3 or ablation, with its options; --store must be on a file system
#                   that all nodes share
# example: experiments/cluster/grid_slurm.sh --tasks 16 -- figure2 --seeds 1..10 --store /scratch/me/runs
# then:    build/release/figure2 --report-only --store /scratch/me/runs
set -eu
cd "$(dirname "$0")/../.."

fail() { echo "grid_slurm: $1" >&2; exit 2; }
tasks=8 limit=04:00:00 partition=() cpu=0
while [ $# -gt 0 ]; do
  case $1 in
    --tasks | --time | --partition)
      [ $# -ge 2 ] || fail "$1 takes a value"
      case $1 in
        --tasks) tasks=$2 ;;
        --time) limit=$2 ;;
        --partition) partition=(--partition "$2") ;;
      esac
      shift 2 ;;
    --cpu) cpu=1; shift ;;
    --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --) shift; break ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
case ${1:-} in figure2 | figure3 | ablation) ;; *) fail "name figure2, figure3 or ablation after --" ;; esac
[[ $tasks =~ ^[1-9][0-9]*$ ]] || fail "--tasks $tasks: must be 1 or more"
[ -x "build/release/$1" ] || fail "build/release/$1 is missing: cmake --preset release && cmake --build --preset release"
command -v sbatch >/dev/null || fail "sbatch is not here: submit from a node of the cluster, or use experiments/cluster/grid_ssh.sh"

resources=(--gres=gpu:1 --cpus-per-task=4) device=cuda
if [ $cpu = 1 ]; then resources=(--cpus-per-task=8) device=cpu; fi
program=$1
shift
line="build/release/$program $(printf '%q ' "$@")--device $device --no-report"
mkdir -p runs
sbatch --job-name="mgqe-$program" --array="1-$tasks" --time="$limit" --output="runs/grid-%A-%a.log" \
  "${resources[@]}" ${partition[@]+"${partition[@]}"} --wrap "$line"
