#!/usr/bin/env bash
# Every test of the simulated device again and again, each time with another order of blocks, warps and
# streams, on devices of other sizes, for as long as it is told. Ends at the first fault, with the line
# that repeats it.
# usage: tests/simulator/soak.sh [--minutes N] [--from SEED] [BUILD_FOLDER]    (10 minutes, from 100,
#        build/simulated)
set -u
minutes=10 seed=100 build=build/simulated
while [ $# -gt 0 ]; do
  case $1 in
    --minutes | --from)
      case ${2:-} in '' | *[!0-9]*) echo "soak.sh: $1 '${2:-}' is not a number" >&2; exit 2 ;; esac
      if [ "$1" = --minutes ]; then minutes=$2; else seed=$2; fi
      shift 2 ;;
    -*) sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 2 ;;
    *) build=$1; shift ;;
  esac
done
[ -x "$build/engine_test" ] || { echo "soak.sh: $build has no engine_test: build the preset simulated" >&2; exit 2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
end=$((SECONDS + 60 * minutes)) rounds=0
export MGQE_TEST_SCALE=${MGQE_TEST_SCALE:-0.1}
while [ $SECONDS -lt $end ]; do
  for sms in 1 2 132; do
    for room in engine models base packed comm train; do
      left=$((end - SECONDS))
      [ $left -gt 0 ] || break 3
      # A seed has its own architecture, and runs work at once or when it is waited for.
      settings=(CUDASIM_SEED=$seed CUDASIM_SMS=$sms CUDASIM_ARCH=$((seed % 2 ? 90 : 80)) CUDASIM_EAGER=$((seed / 2 % 2)))
      filter=*/cuda
      [ $room = comm ] && filter='Nccl.*'
      { env "${settings[@]}" timeout -s KILL "$left" "$build/${room}_test" --gtest_filter="$filter" >"$log" 2>&1
        code=$?; } 2>/dev/null # no word of the shell's when its time is over
      [ $code -eq 137 ] && break 3 # its time was over
      if [ $code -ne 0 ]; then
        grep -E "FAULT|FAILED  \]" "$log" | head -5
        echo "to repeat: ${settings[*]} $build/${room}_test --gtest_filter='$filter'"
        exit 1
      fi
      rounds=$((rounds + 1))
    done
  done
  seed=$((seed + 1))
done
if [ $rounds -eq 0 ]; then
  echo "soak.sh: no program came to its end in $minutes minutes: give it more" >&2
  exit 1
fi
echo "$rounds programs in $minutes minutes, seeds to $seed: no fault"
