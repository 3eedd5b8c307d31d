#!/usr/bin/env bash
# The main job in one command: builds, trains a full table and a multi-granular quantized one on
# MovieLens-1M (or, where it cannot be had, on synthetic data), and ends with both in one table. With
# --flights instead a click model over many columns: which flights from New York come late.
# usage: experiments/scripts/quickstart.sh [--flights] [EPOCHS]   (default 8; three to ten minutes on two cores)
set -eu
cd "$(dirname "$0")/../.."
data=ml-1m
if [ "${1:-}" = --flights ]; then
  data=flights
  shift
fi
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
has_flights() { [ -f "${MGQE_DATA_DIR:-data}/flights/flights.csv" ] || [ -f "${MGQE_DATA_DIR:-data}/flights/flights.csv.gz" ]; }
if [ $data = flights ]; then
  has_flights || experiments/scripts/fetch_data.sh --flights "${MGQE_DATA_DIR:-data}"
elif ! has_ml1m; then
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
if [ $data = flights ]; then
  run build/release/mgqe train --task ctr --data flights --model dcn --hidden 64,32 --embedding full --dim 16 \
    --epochs "$epochs" --seed 1 --out runs/quickstart/full
  run build/release/mgqe train --task ctr --data flights --model dcn --hidden 64,32 --embedding mgqe --dim 16 --subspaces 4 \
    --centroids 256,64 --tiers 0.1 --epochs "$epochs" --seed 1 --out runs/quickstart/mgqe
else
  run build/release/mgqe train --data $data --model gmf --embedding full --dim 64 \
    --epochs "$epochs" --seed 1 --out runs/quickstart/full
  run build/release/mgqe train --data $data --model gmf --embedding mgqe --dim 64 --subspaces 32 \
    --centroids 256,64 --tiers 0.1 --epochs "$epochs" --seed 1 --out runs/quickstart/mgqe
fi

echo
echo "== the full table and the quantized one that replaces it"
build/release/mgqe report runs/quickstart/full runs/quickstart/mgqe
echo
echo "run by:"
printf '  %s\n' "${commands[@]}" "build/release/mgqe report runs/quickstart/full runs/quickstart/mgqe"
