#!/usr/bin/env bash
# `mgqe train --device cuda` of every backbone and scheme against `--device cpu`: codes equal, floats in
# rounding; and with steps recorded as graphs against step by step, to the bit. `mgqe recommend` with
# either device, for few users and for many: the same lists.
# usage: same_runs_test.sh BUILD_FOLDER
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
same_run=$(realpath "$(dirname "$0")/../gpu/same_run.py")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset MGQE_DATA_DIR
passed=0 failed=0
verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $2"
    tail -n 3 said
  fi
}
# A last batch that is short, and an evaluation between two epochs, which moves scratch.
data="--data synthetic --synthetic-users 40 --synthetic-items 30 --synthetic-actions 8 --dim 16 --max-length 8"
coded="--subspaces 4 --centroids 16"
while read -r scheme options; do
  for model in gmf neumf sasrec; do
    batch=$([ $model = sasrec ] && echo 16 || echo 96)
    # shellcheck disable=SC2086
    "$same_run" --out run -- "$mgqe" train $data --model $model --embedding $scheme --batch $batch \
      --epochs 2 $options >said 2>&1
    verdict $? "$model $scheme"
    rm -rf run
  done
done <<TEXT
full
low_rank --rank 4
scalar_quantized --bits 4
hashed --buckets 16
lsq --bits 4
quotient_remainder --buckets 8
memcom --buckets 16
mixed_dim --widths 16,4
dpq_vq $coded
dpq_sx $coded
mgqe --subspaces 4 --centroids 16,4 --tiers 0.2
TEXT
for model in gmf sasrec; do
  for graphs in on off; do
    # shellcheck disable=SC2086
    MGQE_GRAPHS=$graphs "$mgqe" train $data --model $model --embedding mgqe --subspaces 4 --centroids 16,4 \
      --batch $([ $model = sasrec ] && echo 8 || echo 32) --epochs 3 --device cuda --out $graphs >said 2>&1 ||
      verdict 1 "$model with graphs $graphs"
  done
  python3 - "$(dirname "$same_run")" >said 2>&1 <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
from same_run import arrays_of
on, off = (arrays_of(f"{graphs}/model.safetensors") for graphs in ("on", "off"))
assert on and on == off, [name for name in on if on[name] != off.get(name)]
PY
  verdict $? "$model with graphs is $model without, to the bit"
  rm -rf on off
done
# shellcheck disable=SC2086
"$mgqe" train $data --model gmf --embedding mgqe --subspaces 4 --centroids 16,4 --epochs 2 --device cpu \
  --out run >said 2>&1 || verdict 1 "a model to recommend by"
for users in "3 8" "$(seq -s " " 0 39)"; do
  for device in cpu cuda; do
    # shellcheck disable=SC2086
    "$mgqe" recommend --artifact run/model.safetensors --by-row --user $users --k 12 --json \
      --device $device >lists.$device 2>said || verdict 1 "recommend with --device $device"
  done
  cmp lists.cpu lists.cuda >said 2>&1
  verdict $? "recommend is the same by cpu and cuda for users $users"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
