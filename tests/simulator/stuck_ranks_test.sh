#!/usr/bin/env bash
# Two ranks on simulated devices, of which one gets stuck: a kernel never ends, an exchange of NCCL's is
# never answered. Each job ends, with one line that names the rank, and nothing half-written is left.
# usage: stuck_ranks_test.sh BUILD_FOLDER
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
grep -q "^MGQE_CUDA:[A-Z]*=simulated" "$1/CMakeCache.txt" || { echo "no simulated device here"; exit 77; }
command -v mpirun >/dev/null || { echo "no mpirun here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset MGQE_DATA_DIR
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1 CUDASIM_DEVICES=2
passed=0 failed=0
verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $2 (exit code $code, $seconds s)"
    tail -n 8 stdout stderr
  fi
}
# train RANK WORDS...: with those environment variables on that rank alone
train() {
  local rank=$1 began=$SECONDS
  shift
  rm -rf run
  # shellcheck disable=SC2016
  timeout 120 mpirun -np 2 bash -c 'rank=$1; shift
    if [ "$OMPI_COMM_WORLD_RANK" = "$rank" ]; then export $1; fi
    shift; exec "$@"' ranks "$rank" "$*" "$mgqe" train --data synthetic --synthetic-users 60 \
    --synthetic-items 50 --synthetic-actions 8 --dim 16 --subspaces 4 --centroids 16,4 --batch 32 --epochs 2 \
    --device cuda --shard rows --out run >stdout 2>stderr
  code=$?
  seconds=$((SECONDS - began))
}
# ended PATTERN: by itself, said why in one line, and left nothing under a final name
ended() {
  [ $code -ne 0 ] && [ $code -ne 124 ] && [ "$(grep -E "^rank [01] on " stderr | grep -cv "SIGTERM came")" -eq 1 ] &&
    grep -qE "$1" stderr && [ ! -e run/result.json ] && [ ! -e run/model.safetensors ]
}

train 1 CUDASIM_VERBOSE=1
launches=$(sed -n 's/^simulated device: \([0-9]*\) launches$/\1/p' stderr)
[ $code -eq 0 ] && grep -q "by nccl" stdout && [ "${launches:-0}" -gt 200 ]
verdict $? "a run of two ranks by NCCL"

export MGQE_WATCHDOG_SECONDS=5
for rank in 0 1; do
  train $rank CUDASIM_ENDLESS_LAUNCH=$((launches / 5))
  ended "^rank 0 on .*: rank $rank on .* hangs: for [0-9]+ s its device has not come further .*; its last step is [1-9]"
  verdict $? "a kernel that never ends on rank $rank"
done
export CUDASIM_DEVICES=1
train 1 CUDASIM_ENDLESS_LAUNCH=$((launches / 5))
ended "^rank 0 on .*: rank 1 on .* hangs: for [0-9]+ s its device has not come further .*; its last step is [1-9]"
verdict $? "the same where exchanges are staged through the host"
export CUDASIM_DEVICES=2

# Without the watchdog, so that it is the rank itself that ends the job.
export MGQE_WATCHDOG_SECONDS=0
train 1 CUDASIM_FAILING_EXCHANGE=40
ended "^rank 1 on .*: NCCL: remote process exited.*: a rank or a link between ranks has failed" && [ $seconds -lt 20 ]
verdict $? "an exchange that NCCL reports"
train 1 CUDASIM_FAILING_EXCHANGE=40 CUDASIM_ENDLESS_LAUNCH=1
ended "^rank 1 on .*: NCCL: remote process exited.*: a rank or a link between ranks has failed" && [ $seconds -lt 60 ]
verdict $? "and it is told though the rank's device never gets done with what must be unwound"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
