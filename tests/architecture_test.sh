#!/usr/bin/env bash
# Who may include whom: the one list of it. Prints every line that crosses a floor.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

complain() { # complain RULE LINES
  [ -n "$2" ] && { printf 'broken rule: %s\n%s\n' "$1" "$2"; failed=1; }
}

# Rooms in order: each with the rooms it may include besides itself. A room that is not listed may
# include anything.
declare -A may=(
  [host/base]=""
  [host/engine]="host/base host/packed"
  [host/packed]="host/base"
  [host/config]="host/base host/packed"
  [host/cpu]="host/base host/packed host/engine"
  [cuda]="host/base host/packed host/engine"
  [host/comm]="host/base host/packed host/engine"
  [host/io]="host/base host/packed host/engine host/config"
  [host/data]="host/base host/packed host/engine host/config host/io"
  [models/packing]="host/base host/packed host/engine"
  [models/layers]="host/base host/packed host/engine"
  [models/scorers]="host/base host/packed host/engine models/layers models/packing"
  [models/optim]="host/base host/packed host/engine host/config models/layers models/packing"
  [models/trainable]="host/base host/packed host/engine host/config models/layers models/optim"
  [models/embeddings]="host/base host/packed host/engine host/config models/layers models/optim models/packing"
  [models/features]="host/base host/packed host/engine host/config models/optim models/embeddings models/backbones models/packing models/scorers models/layers"
  [models/backbones]="host/base host/packed host/engine host/config models/optim models/layers models/trainable models/embeddings models/features models/scorers models/packing"
  [host/train]="host/base host/packed host/engine host/config host/comm host/io host/data models"
  [host/serve]="host/base host/packed host/engine host/config host/io host/cpu/runtime models"
  [host/convert]="host/base host/packed host/engine host/config host/io host/data models/embeddings"
  [host/jobs]="host/base host/engine host/config host/io"
)
for room in "${!may[@]}"; do
  pattern="^$room/"
  for other in ${may[$room]}; do pattern+="|^$other/"; done
  complain "$room may include ${may[$room]:-nothing else of ours}" "$(
    grep -rnoE '#include "(host|models|cuda|experiments|tests)/[^"]+"' "$room" \
      --include='*.?pp' --include='*.cu*' |
      while IFS= read -r line; do
        included=${line#*\"}
        grep -qE "$pattern" <<<"$included" || echo "$line"
      done)"
done
# Every folder with sources is one of the rooms above.
complain "every folder of host/ and models/ stands in the list of rooms" "$(
  find host models -name '*.?pp' | sed -E 's#^(host/[^/]+|models/[^/]+)/.*#\1#' | sort -u |
    while read -r room; do [ -n "${may[$room]+x}" ] || echo "$room"; done)"
complain "every room has its line in the README.md of its floor" "$(
  for room in "${!may[@]}"; do
    [[ $room != */* ]] || grep -qF "| \`$room\` |" "${room%%/*}/README.md" || echo "$room"
  done)"

forbid() { # forbid RULE FOLDERS PATTERN
  # shellcheck disable=SC2086
  complain "$1" "$(grep -rnE "#include *[<\"]($3)" $2 --include='*.?pp' --include='*.cu*')"
}
forbid "programs and what they share include no device" experiments "host/cpu/|cuda/|tests/"
forbid "MPI stays in host/comm" \
  "$(find host -mindepth 1 -maxdepth 1 -type d ! -name comm | tr '\n' ' ') models cuda experiments" "mpi\.h"
forbid "CUDA headers stay in cuda/" "host models experiments" "cuda|cub/|thrust/|cublas|nccl|nvtx"
forbid "a test helper never leaves the tests" "host models cuda experiments" "gtest|gmock|boost/context"
complain "only host/engine/backend.cpp and host/comm/launch.cpp know what was built in" "$(
  grep -rnE "MGQE_WITH_(CUDA|MPI|NCCL)" host models experiments cuda --include='*.?pp' --include='*.cu*' |
    grep -vE '^host/(engine/backend|comm/launch).cpp:')"
complain "only programs stand at the top of experiments/" "$(
  find experiments -maxdepth 1 -type f ! -name '*.cpp' ! -name README.md ! -name CMakeLists.txt)"
complain "no file over 600 lines" "$(
  find host models cuda experiments tests \( -name '*.?pp' -o -name '*.cu*' \) -exec wc -l {} + |
    awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines"}')"
exit $failed
