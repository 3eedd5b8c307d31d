#!/usr/bin/env bash
# The main job in one command: builds, trains a full table and a multi-granular quantized one on
# MovieLens-1M (or, where it cannot be had, on synthetic data), and ends with both in one table.
# usage: experiments/scripts/quickstart.sh [EPOCHS]      (default 8; three to ten minutes on two cores)
set -eu
cd "$(dirname "$0")/../.."
epochs=${1:-8}
case $epochs in '' | *[!0-9]* | 0) echo "quickstart: EPOCHS must be a positive number, not '$epochs'" >&2; exit 2 ;; esac

experiments/scripts/install_packages.sh

echo "== building"
cuda=(-DMGQE_CUDA=OFF) # compiling kernels takes minutes and needs a GPU to be of use here
if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then
  cuda=(-DMGQE_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native)
fi
mkdir -p build
log=build/quickstart.log
if ! { cmake --preset release -DMGQE_TESTS=OFF "${cuda[@]}" &&
  cmake --build build/release --target mgqe -j "$(nproc)"; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "quickstart: the build failed; the whole log is $log" >&2
  exit 1
fi

has_ml1m() {
  for file in ml-1m.txt.gz ml-1m.txt ratings.dat; do
    [ -f "${MGQE_DATA_DIR:-data}/ml-1m/$file" ] && return 0
  done
  return 1
}
data=ml-1m
if ! has_ml1m; then
  echo "== fetching MovieLens-1M"
  if ! experiments/scripts/fetch_data.sh "${MGQE_DATA_DIR:-data}"; then
    echo "MovieLens-1M cannot be had now: going on with synthetic data of its shape"
    data=synthetic
  fi
fi

commands=()
run() {
  commands+=("$*")
  echo
  echo "== $*"
  "$@"
}
run build/release/mgqe train --data $data --model gmf --embedding full --dim 64 \
  --epochs "$epochs" --seed 1 --out runs/quickstart/full
run build/release/mgqe train --data $data --model gmf --embedding mgqe --dim 64 --subspaces 32 \
  --centroids 256,64 --tiers 0.1 --epochs "$epochs" --seed 1 --out runs/quickstart/mgqe

echo
echo "== the full table and the quantized one that replaces it"
build/release/mgqe report runs/quickstart/full runs/quickstart/mgqe
echo
echo "run by:"
printf '  %s\n' "${commands[@]}" "build/release/mgqe report runs/quickstart/full runs/quickstart/mgqe"
