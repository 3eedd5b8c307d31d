#!/usr/bin/env bash
# No kernel of ours may spill registers, and none stands in two objects: reads what ptxas said of each
# kernel when the library was compiled. CUB's own kernels are not ours to mend.
# usage: cuda_spills_test.sh BUILD_FOLDER
set -eu
objects=$(find "${1:?build folder}" -path '*mgqe_cuda.dir/cuda/*.cu.o')
[ -n "$objects" ] || { echo "built without CUDA"; exit 77; }
logs=()
for object in $objects; do
  [ -e "$object.ptxas" ] || { echo "$object: nothing is known of its kernels: compile it again"; exit 1; }
  logs+=("$object.ptxas")
done
awk '/Compiling entry function/ {split($0, word, "\047"); target = word[4]}
  /Function properties for/ {name = $NF}
  / bytes spill/ && name ~ /^_ZN4mgqe/ {
    kernels++
    if (/[1-9][0-9]* bytes spill/) {print name ":" $0; bad = 1}
    if ((name, target) in stands) {print name " in " stands[name, target] " and " FILENAME; bad = 1}
    stands[name, target] = FILENAME
  }
  END {print kernels + 0 " kernels checked for spills"; exit bad || kernels == 0}' "${logs[@]}"
