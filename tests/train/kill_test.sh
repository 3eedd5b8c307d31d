#!/usr/bin/env bash
# A run that is killed (-9) again and again at random moments, also while it writes checkpoints, goes
# on from a whole checkpoint each time and ends as one that was never killed, to the bit.
# Of several ranks, sometimes one is killed, sometimes the whole job.
# usage: tests/train/kill_test.sh BUILD_FOLDER [KILLS] [RANDOM_SEED] [RANKS]
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
kills=${2:-8}
seed=${3:-$RANDOM}
ranks=${4:-1}
launch=()
if [ "$ranks" -gt 1 ]; then
  launch=(mpirun -np "$ranks")
  # More ranks than cores, also as root in a container.
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
  export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1
  export ASAN_OPTIONS=detect_leaks=0 # Open MPI leaks at its end
fi
support=$(cd "$(dirname "$0")/../support" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
RANDOM=$seed
echo "random seed $seed"

# A checkpoint is nearly always being written. The epochs are so many that all kills fall into the run.
run=(train --data synthetic --synthetic-users 300 --synthetic-items 200 --synthetic-actions 20 --dim 16
  --subspaces 8 --centroids 32,8 --device cpu --model neumf --pretrain-epochs 20
  --evaluate-every 3 --epochs $((60 + 20 * kills)) --out run ${MGQE_RUN_OPTIONS:-})
frequent=(--checkpoint-every 3 --keep-checkpoints 2)
mkdir "$work/whole" "$work/killed"
(cd "$work/whole" && "${launch[@]}" "$mgqe" "${run[@]}" >log 2>&1) || { cat "$work/whole/log"; exit 1; }

# What mpirun says of a dead rank, or of a machine it does not know, is no error of the run's.
own_errors() {
  [ "$ranks" -gt 1 ] && { grep "^mgqe: " errors >own; mv own errors; }
}

cd "$work/killed" || exit 1
killed=0 resumed=0 while_writing=0 attempts=0
while [ $killed -lt "$kills" ] && [ $attempts -lt $((3 * kills)) ] && [ ! -e run/result.json ]; do
  attempts=$((attempts + 1))
  "${launch[@]}" "$mgqe" "${run[@]}" "${frequent[@]}" --resume >log 2>errors &
  process=$!
  sleep "0.$(printf '%03d' $((50 + RANDOM % 500)))"
  victims=$process
  if [ "$ranks" -gt 1 ]; then
    sleep 0.5 # until the ranks have found each other
    children=($(pgrep -P $process))
    victims="$process ${children[*]}"
    [ $((RANDOM % 2)) = 0 ] && [ ${#children[@]} -gt 0 ] && victims=${children[$((RANDOM % ${#children[@]}))]}
  fi
  # shellcheck disable=SC2086
  kill -KILL $victims 2>/dev/null && killed=$((killed + 1))
  wait $process 2>/dev/null
  while pgrep -f "$mgqe ${run[*]}" >/dev/null; do sleep 0.05; done # orphans end too
  own_errors
  compgen -G "run/checkpoints/*.tmp" >/dev/null && while_writing=$((while_writing + 1))
  grep -q "^resume  from step" log && resumed=$((resumed + 1))
  if [ -s errors ]; then
    echo "FAILED: session $attempts said:"
    cat errors
    exit 1
  fi
done
"${launch[@]}" "$mgqe" "${run[@]}" --resume >log 2>errors || { echo "FAILED: the last session"; cat errors; exit 1; }
own_errors
[ ! -s errors ] || { echo "FAILED: the last session said:"; cat errors; exit 1; }
echo "last session: $(grep '^resume' log)"
echo "$killed kills, $while_writing of them while a checkpoint was written, $resumed sessions went on from one"
[ $killed -ge $((kills / 2)) ] || { echo "FAILED: the run ended before it could be killed"; exit 1; }
python3 "$support/same_run.py" "$work/whole/run" run || { echo "FAILED: not the run that was never killed"; exit 1; }
[ "$(compgen -G 'run/checkpoints/*' | wc -l)" -le 2 ] || { echo "FAILED: left behind:"; ls run/checkpoints; exit 1; }
