#!/usr/bin/env bash
# The runs behind README's table: GMF with a full and a quantized table on MovieLens-1M, and the
# anchor on the NCF authors' split, a few seeds each. Writes one JSON a run to experiments/results.
# usage: experiments/scripts/main_results.sh [SEED...]      (default 1 2 3; build/release/mgqe must exist)
set -eu
cd "$(dirname "$0")/../.."
seeds=("$@")
[ ${#seeds[@]} -gt 0 ] || seeds=(1 2 3)

# run NAME ARGS...: trains unless the result is there already
run() {
  local name=$1 target=experiments/results/$1.json
  shift
  [ -e "$target" ] && return
  build/release/mgqe train "$@" --out "runs/$name"
  mkdir -p "$(dirname "$target")"
  cp "runs/$name/result.json" "$target.tmp"
  mv "$target.tmp" "$target"
}

for seed in "${seeds[@]}"; do
  run "ml-1m/gmf-full-seed$seed" --data ml-1m --model gmf --embedding full --seed "$seed"
  run "ml-1m/gmf-mgqe-seed$seed" --data ml-1m --model gmf --embedding mgqe --subspaces 32 \
    --centroids 256,64 --tiers 0.1 --seed "$seed"
  run "ncf/gmf-full-seed$seed" --data ncf --model gmf --embedding full --dim 32 --seed "$seed"
done
