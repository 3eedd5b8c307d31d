#!/usr/bin/env bash
# `mgqe train` on machines whose GPU cannot be used, or gives up: --device cuda refuses with one line
# and exit code 2, --device auto says why and goes on by the CPU; nothing half-written is left.
# usage: broken_devices_test.sh BUILD_FOLDER
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
grep -q "^MGQE_CUDA:[A-Z]*=simulated" "$1/CMakeCache.txt" || { echo "no simulated device here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset MGQE_DATA_DIR
passed=0 failed=0
verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $2"
    tail -n 3 stdout stderr
  fi
}
train() { # train DEVICE [OPTION...]
  local device=$1
  shift
  rm -rf run
  "$mgqe" train --data synthetic --synthetic-users 60 --synthetic-items 50 --synthetic-actions 8 --dim 16 \
    --subspaces 4 --centroids 16,4 --batch 32 --epochs 1 --device "$device" --out run "$@" >stdout 2>stderr
}
# refused PATTERN: by one line, with exit code 2, and no result under its final name
refused() {
  [ "$code" -eq 2 ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -qE "$1" stderr && [ ! -e run/result.json ] &&
    [ ! -e run/model.safetensors ] && [ -z "$(find . -name '*.tmp' -o -name '*.part')" ]
}

# What is broken, and what it is called.
while read -r broken words; do
  CUDASIM_BROKEN=$broken train cuda
  code=$?
  refused "^mgqe: --device cuda .*$words"
  verdict $? "cuda with $broken is refused"
  CUDASIM_BROKEN=$broken train auto
  code=$?
  [ $code -eq 0 ] && [ -s run/result.json ] && grep -q '"device": "cpu"' run/result.json
  verdict $? "auto with $broken trains on the CPU"
  case $broken in
    no_driver | no_device) [ ! -s stderr ] ;; # a machine without a GPU is no news
    *) [ "$(grep -cE "$words" stderr)" -eq 1 ] && [ "$(wc -l <stderr)" -eq 1 ] ;;
  esac
  verdict $? "auto with $broken says as much as there is to say"
done <<'TEXT'
no_driver is not there: 0 CUDA devices
no_device is not there: 0 CUDA devices
old_driver the driver, of CUDA 11.4, answers this build, of CUDA 13.0
busy cudaErrorDevicesUnavailable
no_code cudaErrorNoKernelImageForDevice.*this build has code for sm_80, sm_90
TEXT

# Every tenth allocation in turn finds no memory, until a run makes do with fewer.
for ((n = 1; n < 2000; n += n < 40 ? 13 : 61)); do
  CUDASIM_FAILING_ALLOCATION=$n train cuda
  code=$?
  [ $code -eq 0 ] && break
  refused "^mgqe: the GPU has no room for [0-9]+ bytes more"
  verdict $? "no memory for allocation $n"
done
[ $code -eq 0 ]
verdict $? "a run ends where memory suffices"

# The device gives up: in the first step, in the recorded ones, in the evaluation.
for n in 1 40 400 900; do
  CUDASIM_FAILING_LAUNCH=$n train cuda --checkpoint-every 5
  code=$?
  [ $code -eq 0 ] && break
  refused "^mgqe: .*cudaErrorIllegalAddress"
  verdict $? "the device gives up at launch $n"
done
[ "$n" -gt 40 ]
verdict $? "some launches were in the middle"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
