#!/usr/bin/env bash
# One model trained by many GPUs of a Slurm cluster: a job of N nodes, a process a GPU, that goes on by
# itself after it was taken off its nodes.
# usage: experiments/cluster/train_slurm.sh [--nodes N] [--gpus M] [--time LIMIT] [--partition P] [--cpu] \
#            -- [mgqe train OPTIONS]
#   --nodes N       [2]
#   --gpus M        of each node [8]
#   --time LIMIT    as sbatch takes it [04:00:00]
#   --partition P   [the cluster's default]
#   --cpu           M processes of 8 cores a node, without GPUs
#   OPTIONS         of `mgqe train`; --out must be on a file system that all nodes share. --batch is
#                   that of all ranks together.
# example: experiments/cluster/train_slurm.sh --nodes 4 -- --data interactions.csv --model gmf \
#              --embedding mgqe --optimizer rowwise_adagrad --batch 65536 --out /scratch/me/run
#
# Needs an MPI that srun can start (srun --mpi=list shows pmix or pmi2; else MGQE_SRUN_MPI names it).
# 120 seconds before the end Slurm sends SIGUSR1: every rank writes its part of a checkpoint, the job ends
# with code 0, and --requeue starts it again with --resume.
set -eu
cd "$(dirname "$0")/../.."

fail() { echo "train_slurm: $1" >&2; exit 2; }
nodes=2 gpus=8 limit=04:00:00 partition=() cpu=0
while [ $# -gt 0 ]; do
  case $1 in
    --nodes | --gpus | --time | --partition)
      [ $# -ge 2 ] || fail "$1 takes a value"
      case $1 in
        --nodes) nodes=$2 ;;
        --gpus) gpus=$2 ;;
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
[[ $nodes =~ ^[1-9][0-9]*$ ]] || fail "--nodes $nodes: must be 1 or more"
[[ $gpus =~ ^[1-9][0-9]*$ ]] || fail "--gpus $gpus: must be 1 or more"
[ $# -gt 0 ] || fail "the options of mgqe train come after --; see --help"
[ -x build/release/mgqe ] || fail "build/release/mgqe is missing: cmake --preset release && cmake --build --preset release"
command -v sbatch >/dev/null || fail "sbatch is not here: submit from a node of the cluster, or use experiments/cluster/train_mpirun.sh"

resources=(--gres="gpu:$gpus" --cpus-per-task=4) device=cuda
if [ $cpu = 1 ]; then resources=(--cpus-per-task=8) device=cpu; fi
mkdir -p runs
line="srun --mpi=${MGQE_SRUN_MPI:-pmix} --kill-on-bad-exit=1 build/release/mgqe train $(printf '%q ' "$@")--device $device --resume"
sbatch --job-name=mgqe-train --nodes="$nodes" --ntasks-per-node="$gpus" --time="$limit" --requeue \
  --signal=USR1@120 --output="runs/train-%j.log" --open-mode=append "${resources[@]}" \
  ${partition[@]+"${partition[@]}"} --wrap "$line"
