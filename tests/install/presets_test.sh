#!/usr/bin/env bash
# The presets are those that are promised, each to be built and, but for fuzz, which has programs of its
# own, tested too; and those that no other test builds configure.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in configure build test; do
  found=$(cmake --list-presets=$kind | grep -oE '^ +"[a-z]+"' | tr -d '" ' | sort | tr '\n' ' ')
  fuzz="fuzz "
  [ $kind = test ] && fuzz=
  [ "$found" = "asan ci coverage cuda debug ${fuzz}release simulated tsan " ] || { echo "$kind presets: $found"; exit 1; }
done
configures() { # configures PRESET VARIABLE=VALUE...
  local preset=$1
  shift
  cmake --preset "$preset" -B "$work/$preset" >"$work/log" 2>&1 ||
    { echo "--preset $preset does not configure"; tail -5 "$work/log"; exit 1; }
  for setting in "$@"; do
    grep -q "^${setting%%=*}:[A-Z]*=${setting#*=}$" "$work/$preset/CMakeCache.txt" ||
      { echo "--preset $preset: not with $setting"; exit 1; }
  done
}
configures ci MGQE_WERROR=ON MGQE_TESTS=ON MGQE_CUDA=ON CMAKE_BUILD_TYPE=Release
configures simulated MGQE_CUDA=simulated MGQE_WERROR=ON CMAKE_BUILD_TYPE=Release
configures coverage MGQE_CUDA=OFF CMAKE_BUILD_TYPE=RelWithDebInfo
configures tsan MGQE_SANITIZE=thread MGQE_CUDA=OFF
if command -v clang++ >/dev/null; then
  configures fuzz MGQE_FUZZ=ON MGQE_TESTS=OFF MGQE_SANITIZE=address,undefined,fuzzer-no-link
fi
echo "presets: passed"
