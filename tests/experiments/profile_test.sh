#!/usr/bin/env bash
# experiments/scripts/profile.sh with stand-ins for nsys, ncu and nvidia-smi that write down how they were
# called: the arguments, the defaults, and one line wherever something is missing.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
stand_in() { # stand_in FOLDER TOOL EXIT_CODE
  mkdir -p "$work/$1"
  printf '#!%s\necho "%s MGQE_GRAPHS=${MGQE_GRAPHS:-unset} $*" >>"%s/calls"\nexit %s\n' \
    "$(command -v bash)" "$2" "$work" "$3" >"$work/$1/$2"
  chmod +x "$work/$1/$2"
}
for tool in bash env cat dirname mkdir; do # no other tool is needed
  mkdir -p "$work/base"
  ln -s "$(command -v $tool)" "$work/base/$tool"
done
stand_in tools nsys 0
stand_in tools ncu 0
stand_in gpu nvidia-smi 0
stand_in broken nvidia-smi 9
profile() { # profile FOLDERS ARGS...: on a PATH of those folders alone
  local path=$work/base folder
  for folder in $1; do path=$work/$folder:$path; done
  shift
  rm -f "$work/calls"
  PATH=$path bash experiments/scripts/profile.sh "$@" >"$work/stdout" 2>"$work/stderr"
}
called() { # called PATTERN...: every one of them is in the first call of the tool asked for
  local pattern line
  line=$(grep -v nvidia-smi "$work/calls" | head -1)
  for pattern in "$@"; do
    grep -qE -- "$pattern" <<<"$line" || { echo "no $pattern in: $line"; return 1; }
  done
}
refuse() { # refuse CODE FOLDERS PATTERN ARGS...
  local code=$1 folders=$2 pattern=$3
  shift 3
  profile "$folders" "$@"
  [ $? -eq "$code" ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr" &&
    ! grep -qE "^(nsys|ncu)" "$work/calls" 2>/dev/null
  verdict $? "refuses $*: $pattern"
}

profile "tools gpu" timeline --out "$work/a/t" -- some program --seed 3 &&
  called '^nsys MGQE_GRAPHS=on profile ' '--trace=cuda,nvtx,osrt,cublas ' '--cuda-graph-trace=node ' \
    "--output=$work/a/t " ' some program --seed 3$'
verdict $? "timeline"
grep -q "^nsys .* stats .*$work/a/t.nsys-rep" "$work/calls" && grep -q "Gaps in the GPU's row" "$work/stdout"
verdict $? "timeline: tables, and how to read them"
profile "tools gpu" timeline --no-graph --out "$work/a/t" -- program && called '^nsys MGQE_GRAPHS=off profile '
verdict $? "timeline --no-graph"
profile "tools gpu" kernels --kernel 'assign|decode' --skip 7 --count 3 --out "$work/a/k" -- program --x &&
  called '^ncu MGQE_GRAPHS=off ' '--section SpeedOfLight ' '--section MemoryWorkloadAnalysis ' \
    '--section Occupancy ' '--section SchedulerStats ' '--section WarpStateStats ' '--section LaunchStats ' \
    '--kernel-name regex:assign\|decode ' '--launch-skip 7 ' '--launch-count 3 ' "--export $work/a/k " ' program --x$'
verdict $? "kernels"
profile "tools gpu" kernels --out "$work/a/k" -- program && called '--kernel-name regex:\.\* ' '--launch-skip 100 ' '--launch-count 5 '
verdict $? "kernels: defaults"
profile "" --help && grep -q "SpeedOfLight" "$work/stdout" && grep -q -- "--no-graph" "$work/stdout"
verdict $? "--help needs no tool"

refuse 3 gpu "nsys is missing: install nsight-systems" timeline
refuse 3 gpu "ncu is missing: install nsight-compute" kernels
refuse 4 tools "no NVIDIA GPU" timeline -- program
refuse 4 "tools broken" "no NVIDIA GPU" kernels -- program
refuse 2 "tools gpu" "choose timeline or kernels" memory
refuse 2 "tools gpu" "choose timeline or kernels"
refuse 2 "tools gpu" "--skip 'x' is not a number" kernels --skip x -- program
refuse 2 "tools gpu" "--count needs a value" kernels --count
refuse 2 "tools gpu" "--kernel is for kernels" timeline --kernel assign -- program
refuse 2 "tools gpu" "--no-graph is for timeline" kernels --no-graph -- program
refuse 2 "tools gpu" "--fast is unknown" timeline --fast

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
