#!/usr/bin/env bash
# Fuzzes what reads files and requests of strangers, under AddressSanitizer and
# UndefinedBehaviorSanitizer.
# usage: tests/fuzz/run.sh [--seconds N] [--quick] [TARGET...]
#   --seconds N  for each target (default 20)
#   --quick      without c_api, the one that compiles all of the library
#   TARGET       some of: artifact c_api config ctr_cache ctr_text gzip histories http interactions
#                manifest npy relevance safetensors (default: all)
# Builds in build/fuzz (preset `fuzz`: clang++). What a target has learned stays in
# build/fuzz/corpus/TARGET and is where it begins the next time; the input of a finding goes to
# build/fuzz/findings/TARGET-*. Exits 1 where there is one. MGQE_FUZZ_JOBS: targets at a time (2).
set -eu
cd "$(dirname "$0")/../.."
usage() { sed -n '2,/^set -eu/s/^# \{0,1\}//p' tests/fuzz/run.sh; }
seconds=20 quick=no targets=()
mapfile -t all < <(find tests/fuzz/formats -name '*.cpp' -printf '%f\n' | sed 's/\.cpp$//' | sort)
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:-}; shift 2 || { usage >&2; exit 2; } ;;
    --quick) quick=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "run.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    *) targets+=("$1"); shift ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: --seconds takes a whole number, not \"$seconds\"" >&2; exit 2; }
for target in ${targets[@]+"${targets[@]}"}; do
  printf '%s\n' "${all[@]}" | grep -qx -- "$target" ||
    { echo "run.sh: no target \"$target\": there are ${all[*]}" >&2; exit 2; }
done
if [ ${#targets[@]} -eq 0 ]; then
  for target in "${all[@]}"; do
    [ $quick = yes ] && [ "$target" = c_api ] || targets+=("$target")
  done
fi
command -v clang++ >/dev/null ||
  { echo "run.sh: libFuzzer comes with Clang: apt-get install -y clang" >&2; exit 2; }

build=build/fuzz log=build/fuzz.log
writers=write_seeds
printf '%s\n' "${targets[@]}" | grep -qx c_api && writers+=" write_seeds_c_api"
mkdir -p build
echo "building (log: $log)"
# shellcheck disable=SC2086,SC2068
{ cmake --preset fuzz && cmake --build $build -j "$(nproc)" --target $writers ${targets[@]/#/fuzz_}; } >$log 2>&1 ||
  { grep -E "error|Missing packages" -A 3 $log | head -40 >&2; exit 2; }
for writer in $writers; do $build/$writer $build/seeds >/dev/null; done
mkdir -p $build/findings

fuzz() { # fuzz TARGET: its log in build/fuzz/TARGET.log
  mkdir -p "$build/corpus/$1"
  local folders=("$build/corpus/$1" "$build/seeds/$1")
  [ -d "tests/fuzz/corpus/$1" ] && folders+=("tests/fuzz/corpus/$1")
  ASAN_OPTIONS=allocator_may_return_null=0:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    "$build/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=2048 \
    -max_len=8192 -print_final_stats=1 -artifact_prefix="$build/findings/$1-" "${folders[@]}" \
    >"$build/$1.log" 2>&1
}
last() { grep -oE "$2" "$build/$1.log" | tail -1 | grep -oE '[0-9]+$' || echo -; }

failed=0
printf '%-14s %12s %9s %7s  %s\n' target executions exec/s edges finding
jobs=${MGQE_FUZZ_JOBS:-2}
for ((i = 0; i < ${#targets[@]}; i += jobs)); do
  batch=("${targets[@]:i:jobs}") pids=()
  for target in "${batch[@]}"; do fuzz "$target" & pids+=($!); done
  for n in "${!batch[@]}"; do
    target=${batch[n]} finding=none
    if ! wait "${pids[n]}"; then
      failed=1
      finding=$(grep -oE "Test unit written to .*" "$build/$target.log" | tail -1 | sed 's/.* to //')
      finding=${finding:-see $build/$target.log}
    fi
    printf '%-14s %12s %9s %7s  %s\n' "$target" "$(last "$target" 'number_of_executed_units: [0-9]+')" \
      "$(last "$target" 'average_exec_per_sec: +[0-9]+')" "$(last "$target" 'cov: [0-9]+')" "$finding"
  done
done
if [ $failed = 1 ]; then
  echo "again: $build/fuzz_TARGET FILE; the log of each is $build/TARGET.log"
  exit 1
fi
