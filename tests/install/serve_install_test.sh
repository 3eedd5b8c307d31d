#!/usr/bin/env bash
# libmgqe_serve as others have it: installed alone and moved, the example in C is built against it with
# CMake and with pkg-config, and answers; it shows no symbol but its own, and is linked with little.
# usage: serve_install_test.sh BUILD_FOLDER
set -eu
build=$(cd "${1:?build folder}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
artifact=$source/tests/compatibility/ee2872a/gmf-mgqe/model.safetensors
if grep -q '^MGQE_SANITIZE:[A-Z]*=.' "$build/CMakeCache.txt"; then
  echo "built with sanitizers, which others link without"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $1"; [ -e "${2:-}" ] && tail -20 "$2"; exit 1; }

cmake --install "$build" --prefix "$work/first" --component serve >"$work/log" 2>&1 ||
  fail "cmake --install --component serve" "$work/log"
mv "$work/first" "$work/moved"
[ -z "$(find "$work/moved" -name '*.hpp')" ] || fail "it installs headers of C++"

answers() { # answers PROGRAM
  "$1" "$artifact" 0 1 >"$work/said" 2>&1 || fail "$1" "$work/said"
  [ "$(grep -cE '^user [01]:( [0-9]+ \(-?[0-9.]+\)){10}$' "$work/said")" -eq 2 ] ||
    fail "$1 says" "$work/said"
  ! "$1" "$artifact" 1000000 >"$work/said" 2>&1 || fail "$1 answers for a user that is none"
  grep -q "user row 1000000: the model has rows 0 to" "$work/said" || fail "$1 says" "$work/said"
}
{ cmake -S "$source/tests/install/c_consumer" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/moved" \
  -DEXAMPLE="$source/host/serve/c/example.c" && cmake --build "$work/cmake"; } >"$work/log" 2>&1 ||
  fail "find_package(mgqe COMPONENTS serve)" "$work/log"
answers "$work/cmake/example"
if command -v pkg-config >/dev/null; then
  pc=$(dirname "$(find "$work/moved" -name mgqe.pc)")
  export PKG_CONFIG_PATH=$pc
  # shellcheck disable=SC2046
  cc -std=c99 "$source/host/serve/c/example.c" -o "$work/example" $(pkg-config --cflags --libs mgqe) \
    -Wl,-rpath,"$(dirname "$pc")" >"$work/log" 2>&1 || fail "pkg-config" "$work/log"
  answers "$work/example"
fi

library=$(find "$work/moved" -name 'libmgqe_serve.so.*' -type f)
nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | grep -v '^mgqe_' >"$work/shown" || true
[ ! -s "$work/shown" ] || fail "symbols that are no mgqe_*" "$work/shown"
sed -n 's/^MGQE_API.*[ *]\(mgqe_[a-z_]*\)(.*/\1/p' "$source/host/serve/c/mgqe.h" | sort >"$work/declared"
nm -D --defined-only "$library" | sed -n 's/.* T \(mgqe_[a-z_]*\).*/\1/p' | sort | diff "$work/declared" - \
  >"$work/said" || fail "declared and defined functions differ" "$work/said"
if ldd "$library" | grep -E 'mpi|spdlog|nccl|libcu|gomp'; then fail "it is linked with these"; fi
echo "$(stat -c %s "$library") bytes"
