#!/usr/bin/env bash
# A run that is killed (-9) again and again at random moments, also while it writes checkpoints, goes
# on from a whole checkpoint each time and ends as one that was never killed, to the bit.
# usage: tests/kill_test.sh BUILD_FOLDER [KILLS] [RANDOM_SEED]
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
kills=${2:-8}
seed=${3:-$RANDOM}
tests=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
RANDOM=$seed
echo "random seed $seed"

# A checkpoint is nearly always being written. The epochs are so many that all kills fall into the run.
run=(train --data synthetic --synthetic-users 300 --synthetic-items 200 --synthetic-actions 20 --dim 16
  --subspaces 8 --centroids 32,8 --device cpu --model neumf --pretrain-epochs 20
  --evaluate-every 3 --epochs $((60 + 20 * kills)) --out run)
frequent=(--checkpoint-every 3 --keep-checkpoints 2)
mkdir "$work/whole" "$work/killed"
(cd "$work/whole" && "$mgqe" "${run[@]}" >log 2>&1) || { cat "$work/whole/log"; exit 1; }

cd "$work/killed" || exit 1
killed=0 resumed=0 while_writing=0 attempts=0
while [ $killed -lt "$kills" ] && [ $attempts -lt $((3 * kills)) ] && [ ! -e run/result.json ]; do
  attempts=$((attempts + 1))
  "$mgqe" "${run[@]}" "${frequent[@]}" --resume >log 2>errors &
  process=$!
  sleep "0.$(printf '%03d' $((50 + RANDOM % 500)))"
  kill -KILL $process 2>/dev/null && killed=$((killed + 1))
  wait $process 2>/dev/null
  compgen -G "run/checkpoints/*.tmp" >/dev/null && while_writing=$((while_writing + 1))
  grep -q "^resume  from step" log && resumed=$((resumed + 1))
  if [ -s errors ]; then
    echo "FAILED: session $attempts said:"
    cat errors
    exit 1
  fi
done
"$mgqe" "${run[@]}" --resume >log 2>errors && [ ! -s errors ] || { echo "FAILED: the last session"; cat errors; exit 1; }
echo "last session: $(grep '^resume' log)"
echo "$killed kills, $while_writing of them while a checkpoint was written, $resumed sessions went on from one"
[ $killed -ge $((kills / 2)) ] || { echo "FAILED: the run ended before it could be killed"; exit 1; }
python3 "$tests/same_run.py" "$work/whole/run" run || { echo "FAILED: not the run that was never killed"; exit 1; }
[ "$(compgen -G 'run/checkpoints/*' | wc -l)" -le 2 ] || { echo "FAILED: left behind:"; ls run/checkpoints; exit 1; }
