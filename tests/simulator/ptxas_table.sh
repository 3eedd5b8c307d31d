#!/usr/bin/env bash
# What ptxas said of each kernel when nvcc compiled the back end, for the simulated device's launch
# limits: lines of architecture, mangled name, registers a thread, bytes of static shared memory.
# usage: ptxas_table.sh OUT SOURCE_FOLDER    (looks in SOURCE_FOLDER/build/*/)
set -eu
out=$1 source=$2
mapfile -t logs < <(find "$source"/build/*/CMakeFiles/mgqe_cuda.dir/cuda -name '*.ptxas' 2>/dev/null)
[ ${#logs[@]} -gt 0 ] || { : >"$out"; exit 0; }
awk '/Compiling entry function/ {split($0, word, "\047"); name = word[2]; arch = substr(word[4], 4)}
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    bytes = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
    print arch, name, registers, bytes
  }' "${logs[@]}" | sort -u >"$out"
