#!/usr/bin/env bash
# Profiles a program on an NVIDIA GPU: the timeline of Nsight Systems, or the kernels of Nsight
# Compute. Not yet run on a GPU.
set -eu
name=experiments/scripts/profile.sh

usage() {
  cat <<'TEXT'
usage: experiments/scripts/profile.sh timeline [OPTION...] [-- COMMAND...]
       experiments/scripts/profile.sh kernels  [OPTION...] [-- COMMAND...]

COMMAND defaults to two epochs of GMF with mgqe on synthetic data.

options
  --out FILE     the report, without its suffix (build/profile/timeline or build/profile/kernels)
  --no-graph     timeline: run steps op by op (MGQE_GRAPHS=off), so that ranges name every step
  --kernel REGEX kernels: those whose name matches (.*), e.g. --kernel assign
  --skip N       kernels: launches that match and are left out first (100: past warm-up)
  --count N      kernels: launches that are measured (5); each is replayed a number of times

timeline: when is what busy?
  Ranges name epoch, step, forward, assign, backward, optimizer and evaluation. A step is run op by
  op once, then recorded as a CUDA graph and replayed, 16 steps a launch; ranges inside a step are
  seen where it is recorded, not where it is replayed. For a timeline that reads like the code take
  --no-graph; for the time a run really takes leave it out. Look first for gaps in the GPU's row:
  between kernels they are launches, at the end of an epoch they are evaluation.

kernels: what bounds a kernel?
  Steps run op by op, so launches come in the order of the code. Of each launch, in this order:
  SpeedOfLight             percent of peak of arithmetic and of memory: the higher one is the bound;
                           both below 60% is latency
  MemoryWorkloadAnalysis   bytes by level: compare DRAM bytes with those the .cu file states
  Occupancy                warps resident, and what limits them (registers, shared memory, blocks)
  SchedulerStats           cycles in which no warp could issue
  WarpStateStats           why: long scoreboard = global memory, MIO = shared memory, barrier
  LaunchStats              grid and block; a grid below the number of SMs leaves some idle
TEXT
}

fail() { # fail CODE MESSAGE
  echo "$name: $2" >&2
  exit "$1"
}

case ${1:-} in
  -h | --help | help) usage; exit 0 ;;
  timeline) tool=nsys package=nsight-systems ;;
  kernels) tool=ncu package=nsight-compute ;;
  *) fail 2 "choose timeline or kernels, not '${1:-}'; see $name --help" ;;
esac
mode=$1
shift

out='' graphs=on kernel='.*' skip=100 count=5
number() { # number FLAG VALUE
  case $2 in '' | *[!0-9]*) fail 2 "$1 '$2' is not a number" ;; esac
}
only() { # only MODE FLAG
  [ "$mode" = "$1" ] || fail 2 "$2 is for $1"
}
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --no-graph) only timeline "$1"; graphs=off; shift; continue ;;
    --out | --kernel | --skip | --count) [ $# -ge 2 ] || fail 2 "$1 needs a value" ;;
    *) fail 2 "$1 is unknown; see $name --help" ;;
  esac
  case $1 in
    --out) out=$2 ;;
    --kernel) only kernels "$1"; kernel=$2 ;;
    --skip) only kernels "$1"; number "$1" "$2"; skip=$2 ;;
    --count) only kernels "$1"; number "$1" "$2"; count=$2 ;;
  esac
  shift 2
done
[ "${1:-}" != -- ] || shift

command -v $tool >/dev/null ||
  fail 3 "$tool is missing: install $package (apt-get install $package from NVIDIA's repository, or the CUDA toolkit's installer)"
nvidia-smi >/dev/null 2>&1 || fail 4 "no NVIDIA GPU is usable here: nvidia-smi finds none"

if [ $# -eq 0 ]; then
  program=build/release/mgqe
  [ -x "$program" ] || fail 2 "$program is missing: build it, or name a command after --"
  set -- "$program" train --data synthetic --embedding mgqe --epochs 2 --device cuda --out build/profile/run
fi
[ -n "$out" ] || out=build/profile/$mode
mkdir -p "$(dirname "$out")"

if [ $mode = timeline ]; then
  MGQE_GRAPHS=$graphs nsys profile --trace=cuda,nvtx,osrt,cublas --cuda-graph-trace=node \
    --force-overwrite=true --output="$out" "$@"
  nsys stats --report nvtx_pushpop_sum,cuda_gpu_kern_sum "$out.nsys-rep"
  echo
  echo "$out.nsys-rep: open it in nsys-ui. The first table above is host time by range, the second GPU"
  echo "time by kernel. Gaps in the GPU's row are what is lost; $name --help says where they come from."
else
  MGQE_GRAPHS=off ncu --section SpeedOfLight --section MemoryWorkloadAnalysis --section Occupancy \
    --section SchedulerStats --section WarpStateStats --section LaunchStats \
    --kernel-name "regex:$kernel" --launch-skip "$skip" --launch-count "$count" \
    --force-overwrite --export "$out" "$@"
  ncu --import "$out.ncu-rep" --page details
  echo
  echo "$out.ncu-rep: open it in ncu-ui. Read SpeedOfLight first: the higher of its two percentages is"
  echo "what bounds the kernel; $name --help says what each of the other sections answers."
fi
