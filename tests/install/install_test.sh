#!/usr/bin/env bash
# The library as others have it: a project outside this one is built against an installed copy that
# was moved, and with this source as a part of it. Nothing else is compiled anew but what the part
# needs.
# usage: install_test.sh BUILD_FOLDER
set -eu
build=$(cd "${1:?build folder}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
consumer=$source/tests/install/consumer
artifact=$source/tests/compatibility/ee2872a/gmf-mgqe/model.safetensors
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
[ -z "$(cached MGQE_SANITIZE)" ] || { echo "built with sanitizers, which others link without"; exit 77; }
work=$(mktemp -d)
# Beside the build folder, a place that is the same each time: so that ccache knows it again.
part=$(dirname "$build")/install_test
trap 'rm -rf "$work" "$part"' EXIT
rm -rf "$part"

fail() { echo "FAILED: $1"; [ -e "${2:-}" ] && tail -20 "$2"; exit 1; }
uses() { # uses FOLDER: the consumer built there reads the artifact
  "$1/consumer" "$artifact" >"$work/said" 2>&1 &&
    grep -qE "^$(stat -c %s "$artifact") bytes, [0-9.]+% of full tables$" "$work/said" &&
    grep -q "each finds itself" "$work/said" || fail "$1/consumer" "$work/said"
}
refused() { # refused PATTERN ARGUMENT...: find_package says so in one line
  local pattern=$1
  shift
  ! cmake -S "$consumer" -B "$work/refused" -DCMAKE_PREFIX_PATH="$work/moved" "$@" >"$work/log" 2>&1 &&
    grep -qE "^ *$pattern" "$work/log" || fail "to be refused: $*" "$work/log"
  rm -r "$work/refused"
}

# ---- installed, and moved
components=(library programs)
for program in "$source"/experiments/*.cpp; do # where only some are built, none is installed
  [ -x "$build/$(basename "$program" .cpp)" ] || components=(library)
done
for component in "${components[@]}"; do
  cmake --install "$build" --prefix "$work/first" --component "$component" >"$work/log" 2>&1 ||
    fail "cmake --install" "$work/log"
done
mv "$work/first" "$work/moved"
if grep -rlE "$work/first|$source" "$work/moved"/lib*/cmake; then fail "names of folders that were"; fi
(cd "$work/moved/include/mgqe" && find . -name '*.hpp' -printf '#include <mgqe/%P>\n' | sort) >"$work/headers.cpp"
# With the CUDA back end where it was built: linked by name, and by those who ask for core alone.
asked="engine;core;train"
case $(cached CMAKE_CUDA_COMPILER) in */*) asked="$asked;cuda" ;; esac
[ "$(wc -l <"$work/headers.cpp")" -gt 50 ] || fail "headers that are installed" "$work/headers.cpp"
{ cmake -S "$consumer" -B "$work/installed" -DCMAKE_PREFIX_PATH="$work/moved" \
  -DMGQE_COMPONENTS="$asked" -DHEADERS_SOURCE="$work/headers.cpp" &&
  cmake --build "$work/installed"; } >"$work/log" 2>&1 || fail "the consumer of an installed mgqe" "$work/log"
uses "$work/installed"
if [ -e "$work/moved/bin/mgqe" ]; then
  "$work/moved/bin/mgqe" inspect "$artifact" >"$work/said" || fail "bin/mgqe inspect" "$work/said"
fi
refused "mgqe is linked with what is not found here: ZLIB hwy$" \
  -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON -DCMAKE_DISABLE_FIND_PACKAGE_hwy=ON
refused "mgqe has no component gpu here" -DMGQE_COMPONENTS=gpu

# ---- as a part of the other project: with this build's flags, where ccache has those objects, else without
# optimisation, which compiles fastest
flags=(-DCMAKE_CXX_FLAGS=-O0)
! command -v ccache >/dev/null || flags=(-DCMAKE_BUILD_TYPE="$(cached CMAKE_BUILD_TYPE)")
{ cmake -S "$consumer" -B "$work/whole" -DMGQE_SOURCE="$source" -DMGQE_BINARY="$part" \
  -DMGQE_CUDA=OFF -DMGQE_CCACHE=ON -DMGQE_WERROR="$(cached MGQE_WERROR)" \
  "${flags[@]}" && cmake --build "$work/whole" -j 2; } >"$work/log" 2>&1 ||
  fail "the consumer with mgqe as a part" "$work/log"
uses "$work/whole"
[ ! -e "$part/libmgqe_train.a" ] || fail "the part builds what the consumer does not need"
echo "installed, moved and as a part: passed"
