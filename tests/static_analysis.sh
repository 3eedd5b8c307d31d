#!/usr/bin/env bash
# cppcheck and clang-tidy over host/ and models/, or over the folders and files named: prints what they
# find, and fails where that is anything. A folder's files take clang-tidy about 3 s of a core each.
# usage: static_analysis.sh [--help] [--cppcheck | --clang-tidy] [FOLDER_OR_FILE...]
# clang-tidy's checks stand in .clang-tidy; it reads the commands of build/ci (cmake --preset ci).
set -u
cd "$(dirname "$0")/.." || exit 1
build=build/ci
tools="cppcheck clang-tidy"
case ${1:-} in
  --help | -h) sed -n '2,6s/^# \?//p' "$0"; exit 0 ;;
  --cppcheck | --clang-tidy) tools=${1#--}; shift ;;
  -*) echo "static_analysis.sh: no option $1; see --help"; exit 2 ;;
esac
paths=("$@")
[ ${#paths[@]} -gt 0 ] || paths=(host models)
failed=0

if [[ $tools == *cppcheck* ]]; then
  command -v cppcheck >/dev/null || { echo "cppcheck is not installed"; exit 77; }
  # It does not know __VA_OPT__, so it gets checks without it, and it takes the constexpr lambdas of
  # scheme_traits.cpp for errors.
  plain=$(mktemp -d)
  trap 'rm -rf "$plain"' EXIT
  mkdir -p "$plain/host/base"
  sed 's/ __VA_OPT__(, ) __VA_ARGS__//' host/base/check.hpp >"$plain/host/base/check.hpp"
  # passedByValue: a View is two words and goes by value. invalidPointerCast: bytes of a wire or of a
  # file that hold floats, on their boundaries.
  cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
    --suppress=passedByValue --suppress=invalidPointerCast:models/embeddings/wire_codec.hpp \
    --suppress=syntaxError:host/config/scheme_traits.cpp -I "$plain" -I . \
    --template='{file}:{line}: {message} [{id}]' --error-exitcode=1 "${paths[@]}" || failed=1
fi

if [[ $tools == *clang-tidy* ]]; then
  command -v clang-tidy >/dev/null || { echo "clang-tidy is not installed"; exit 77; }
  [ -e $build/compile_commands.json ] || { echo "$build is not configured: cmake --preset ci"; exit 2; }
  mapfile -t sources < <(find "${paths[@]}" -name '*.cpp' | sort)
  printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p $build --quiet 2>/dev/null |
    grep -E -A 2 "(warning|error): " && failed=1
fi
[ $failed -eq 0 ] && echo "${paths[*]}: $tools found nothing"
exit $failed
