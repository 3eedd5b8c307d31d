#!/usr/bin/env bash
# One model trained by many GPUs without a scheduler: mpirun over machines that ssh reaches, a process a
# GPU.
# usage: experiments/cluster/train_mpirun.sh HOST:GPUS [HOST:GPUS...] -- [mgqe train OPTIONS]
#   HOST:GPUS  processes to start there; each takes the GPU of its number, a CPU where there is none
#              (`localhost:2` is this machine)
#   OPTIONS    of `mgqe train`; --out must be on a file system that all hosts share. --batch is that of
#              all ranks together.
# This folder must be at the same path on every host, built (build/release). MGQE_DATA_DIR goes along.
# The same command with --resume goes on after any stop. To stop it so that it can: kill -USR1 the
# mpirun, which hands that on to the ranks (on SIGTERM it kills them instead).
# example: experiments/cluster/train_mpirun.sh a100-1:8 a100-2:8 -- --data interactions.csv \
#              --model gmf --embedding mgqe --batch 65536 --out /shared/run
set -eu
cd "$(dirname "$0")/../.."

fail() { echo "train_mpirun: $1" >&2; exit 2; }
hosts="" ranks=0
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) fail "unknown option $1; see --help" ;;
  esac
  [[ $1 =~ ^[^:]+:[1-9][0-9]*$ ]] || fail "$1: HOST:GPUS, for example node1:8"
  hosts+="${hosts:+,}$1"
  ranks=$((ranks + ${1##*:}))
  shift
done
[ -n "$hosts" ] || fail "name at least one HOST:GPUS; see --help"
[ "${1:-}" = -- ] || fail "the options of mgqe train come after --; see --help"
shift
command -v mpirun >/dev/null || fail "mpirun is not here: install Open MPI (openmpi-bin) on every host"
[ -x build/release/mgqe ] || fail "build/release/mgqe is missing: cmake --preset release && cmake --build --preset release"

# Open MPI hands on the environment it is told to; its ranks leave the cores to the threads of each.
exec mpirun -np "$ranks" --host "$hosts" --bind-to none \
  ${MGQE_DATA_DIR:+-x MGQE_DATA_DIR} ${OMP_NUM_THREADS:+-x OMP_NUM_THREADS} \
  ${MGQE_WATCHDOG_SECONDS:+-x MGQE_WATCHDOG_SECONDS} ${NCCL_DEBUG:+-x NCCL_DEBUG} \
  build/release/mgqe train "$@"
