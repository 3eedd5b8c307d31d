#!/usr/bin/env bash
# No kernel of ours may spill registers. Compiles the device code once more for sm_90 and reads what
# ptxas says of each kernel; CUB's own kernels are not ours to mend.
set -eu
cd "$(dirname "$0")/../.."
command -v nvcc >/dev/null || { echo "no nvcc here"; exit 77; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for source in cuda/*.cu; do
  nvcc -std=c++20 -O3 --fmad=false -arch=sm_90 -I. -Xptxas -v -cubin -o /dev/null "$source" >>"$log" 2>&1 ||
    { tail -20 "$log"; exit 1; }
done
awk '/Function properties for/ {name = $NF}
  / bytes spill/ && name ~ /^_ZN4mgqe/ {
    kernels++
    if (/[1-9][0-9]* bytes spill/) {print name ":" $0; spilled = 1}
  }
  END {print kernels + 0 " kernels checked for spills"; exit spilled || kernels == 0}' "$log"
