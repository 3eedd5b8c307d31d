#!/usr/bin/env bash
# Every backbone with every embedding scheme on MovieLens-1M, NeuMF on the NCF authors' split, and
# the relevance task: writes one JSON a run to experiments/results. A run whose JSON is there, or
# that another copy of this script is at, is passed over.
# usage: experiments/scripts/scheme_results.sh [PATTERN]   runs whose name matches the extended regular
#        expression; SEEDS="1 2" for more than seed 1; needs build/release/mgqe
set -eu
cd "$(dirname "$0")/../.."
pattern=${1:-.}
seeds=${SEEDS:-1}
mkdir -p runs

# wanted NAME: whether a run is to be done here; takes it if so
wanted() {
  [[ $1 =~ $pattern ]] && [ ! -e "experiments/results/$1.json" ] || return 1
  mkdir -p "runs/$(dirname "$1")"
  mkdir "runs/$1.lock" 2>/dev/null
}

# keep NAME FOLDER: the result of a run becomes that of NAME
keep() {
  mkdir -p "$(dirname "experiments/results/$1")"
  cp "$2/result.json" "experiments/results/$1.json.tmp"
  mv "experiments/results/$1.json.tmp" "experiments/results/$1.json"
}

# run NAME ARGS...
run() {
  local name=$1
  shift
  wanted "$name" || return 0
  build/release/mgqe train "$@" --out "runs/$name" || { rmdir "runs/$name.lock"; return 1; }
  keep "$name" "runs/$name"
  rmdir "runs/$name.lock"
}

# run_best NAME ARGS...: over a few L2 penalties; the one with the lowest validation RMSE is kept
run_best() {
  local name=$1 folders=() l2
  shift
  wanted "$name" || return 0
  for l2 in 0 1e-5 3e-5 1e-4; do
    build/release/mgqe train "$@" --l2 $l2 --out "runs/$name-l2-$l2" || { rmdir "runs/$name.lock"; return 1; }
    folders+=("runs/$name-l2-$l2")
  done
  keep "$name" "$(python3 - "${folders[@]}" <<'PY'
import json, sys
print(min(sys.argv[1:], key=lambda f: json.load(open(f + "/result.json"))["valid"]["rmse"]))
PY
  )"
  rmdir "runs/$name.lock"
}

schemes=(full low_rank scalar_quantized hashed dpq_vq dpq_sx mgqe mgqe-private_k mgqe-private_d)
# options SCHEME
options() {
  case $1 in
    full) echo --embedding full ;;
    low_rank) echo --embedding low_rank --rank 16 ;;
    scalar_quantized) echo --embedding scalar_quantized --bits 4 ;;
    hashed) echo --embedding hashed --buckets 1024 ;;
    dpq_vq | dpq_sx) echo --embedding "$1" --subspaces 32 --centroids 256 ;;
    mgqe) echo --embedding mgqe --subspaces 32 --centroids 256,64 --tiers 0.1 ;;
    mgqe-private_k) echo --embedding mgqe --variant private_k --subspaces 32 --centroids 256,64 --tiers 0.1 ;;
    mgqe-private_d) echo --embedding mgqe --variant private_d --subspaces 32,16 --centroids 256 --tiers 0.1 ;;
  esac
}

for seed in $seeds; do
  for scheme in full mgqe; do
    # shellcheck disable=SC2046
    run "ml-1m/sasrec-$scheme-seed$seed" --data ml-1m --model sasrec $(options $scheme) --seed "$seed"
  done
  for model in gmf neumf; do
    for scheme in "${schemes[@]}"; do
      # shellcheck disable=SC2046
      run "ml-1m/$model-$scheme-seed$seed" --data ml-1m --model $model $(options "$scheme") --seed "$seed"
    done
  done
  run "ncf/neumf-full-seed$seed" --data ncf --model neumf --embedding full --dim 32 --seed "$seed"
  run "ncf/neumf-full-pretrained-seed$seed" --data ncf --model neumf --embedding full --dim 32 \
    --pretrain-epochs 20 --epochs 40 --seed "$seed"
  # The published figures have 32 predictive factors, which is a perceptron of 256-128-64-32.
  run "ncf/neumf-full-m128-seed$seed" --data ncf --model neumf --embedding full --dim 32 \
    --mlp-dim 128 --seed "$seed"
  run "ncf/neumf-full-m128-pretrained-seed$seed" --data ncf --model neumf --embedding full --dim 32 \
    --mlp-dim 128 --pretrain-epochs 12 --epochs 15 --seed "$seed"
  for scheme in full dpq_vq mgqe; do
    # shellcheck disable=SC2046
    run_best "steam/gmf-$scheme-seed$seed" --task relevance --data steam --model gmf --dim 32 \
      $(options $scheme | sed 's/--subspaces 32/--subspaces 16/') --seed "$seed"
  done
  # shellcheck disable=SC2046
  run_best "steam/neumf-full-seed$seed" --task relevance --data steam --model neumf --dim 32 \
    --embedding full --seed "$seed"
  # shellcheck disable=SC2046
  run_best "steam/neumf-mgqe-seed$seed" --task relevance --data steam --model neumf --dim 32 \
    $(options mgqe | sed 's/--subspaces 32/--subspaces 16/') --seed "$seed"
  for scheme in "${schemes[@]}"; do
    case $scheme in full | mgqe) continue ;; esac
    # shellcheck disable=SC2046
    run "ml-1m/sasrec-$scheme-20-epochs-seed$seed" --data ml-1m --model sasrec --epochs 20 \
      $(options "$scheme") --seed "$seed"
  done
done
