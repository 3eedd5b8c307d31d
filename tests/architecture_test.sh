#!/usr/bin/env bash
# Who may include whom, as README's map of the tree promises. Prints every line that crosses a floor.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

# forbid RULE FOLDERS PATTERN [EXCEPTION]: no file of FOLDERS may include PATTERN.
forbid() {
  local rule=$1 folders=$2 pattern=$3 exception=${4:-^$}
  local found
  # shellcheck disable=SC2086
  found=$(grep -rnE "#include *[<\"]($pattern)" $folders --include='*.?pp' --include='*.cu*' 2>/dev/null |
    grep -vE "$exception")
  if [ -n "$found" ]; then
    printf '%s\n%s\n' "broken rule: $rule" "$found"
    failed=1
  fi
}

forbid "host/core includes nothing else of ours" host/core "host/(cpu|data|io|serve|train|comm)/|models/|cuda/|experiments/|tests/"
forbid "cuda includes host/core alone" cuda "host/(cpu|data|io|serve|train|comm)/|models/|experiments/|tests/"
forbid "host/cpu includes host/core alone" host/cpu "host/(data|io|serve|train|comm)/|models/|cuda/|experiments/|tests/"
forbid "host/data includes host/core alone" host/data "host/(cpu|io|serve|train|comm)/|models/|cuda/|experiments/|tests/"
forbid "host/io includes host/core alone" host/io "host/(cpu|data|serve|train|comm)/|models/|cuda/|experiments/|tests/"
forbid "host/comm includes host/core alone" host/comm "host/(cpu|data|io|serve|train)/|models/|cuda/|experiments/|tests/"
forbid "MPI stays in host/comm" "host/core host/cpu host/data host/io host/train models cuda experiments" "mpi\.h"
forbid "models include host/core alone" models "host/(cpu|data|io|serve|train|comm)/|cuda/|experiments/|tests/"
forbid "host/train includes no device" host/train "host/cpu/|cuda/|experiments/|tests/"
forbid "experiments include no device" experiments "host/cpu/|cuda/|tests/"
forbid "CUDA headers stay in cuda/" "host models experiments" "cuda|cub/|thrust/|cublas|nccl|nvtx"
forbid "a test helper never leaves the tests" "host models cuda experiments" "gtest|gmock|boost/context"

if grep -rnE "MGQE_WITH_(CUDA|MPI|NCCL)" host models experiments cuda | grep -vE '^host/(core/backend|comm/launch).cpp:'; then
  echo "broken rule: only host/core/backend.cpp and host/comm/launch.cpp know what was built in"
  failed=1
fi
if find host models cuda experiments tests \( -name '*.?pp' -o -name '*.cu*' \) -exec wc -l {} + |
  awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines"; found = 1} END {exit !found}'; then
  echo "broken rule: no file over 600 lines"
  failed=1
fi
exit $failed
