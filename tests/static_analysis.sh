#!/usr/bin/env bash
# cppcheck and clang-tidy over host/ and models/, or over the folders and files named: prints what they
# find, and fails where that is anything. A folder's files take clang-tidy about 11 s of a core each.
# usage: static_analysis.sh [--help] [--cppcheck | --clang-tidy] [FOLDER_OR_FILE...]
# clang-tidy's checks stand in .clang-tidy; it reads the commands of build/tidy, which is configured
# and not built: GCC's precompiled headers are none to it.
set -u
cd "$(dirname "$0")/.." || exit 1
build=build/tidy
tools="cppcheck clang-tidy"
case ${1:-} in
  --help | -h) sed -n '2,7s/^# \?//p' "$0"; exit 0 ;;
  --cppcheck | --clang-tidy) tools=${1#--}; shift ;;
  -*) echo "static_analysis.sh: no option $1; see --help"; exit 2 ;;
esac
paths=("$@")
[ ${#paths[@]} -gt 0 ] || paths=(host models)
failed=0

if [[ $tools == *cppcheck* ]]; then
  command -v cppcheck >/dev/null || { echo "cppcheck is not installed"; exit 77; }
  # It does not know __VA_OPT__, so it gets checks without it.
  plain=$(mktemp -d)
  trap 'rm -rf "$plain"' EXIT
  mkdir -p "$plain/host/base"
  sed 's/ __VA_OPT__(, ) __VA_ARGS__//' host/base/check.hpp >"$plain/host/base/check.hpp"
  cat >"$plain/known" <<'TEXT'
// a View is two words and goes by value
passedByValue
// bytes of a wire that hold floats, on their boundaries
invalidPointerCast:models/embeddings/wire_codec.hpp
// lambdas that are constexpr, or templates
syntaxError:host/config/scheme_traits.cpp
syntaxError:host/train/training_loop.cpp
constStatement:host/cpu/normalized_assign.cpp
// a prefetch
constStatement:host/serve/scan/tier_planes.cpp
// set through an array of their addresses; written before they are read, up to a count beside them
uninitMemberVar:host/cpu/attention.cpp
uninitMemberVar:host/serve/scan/scanner.cpp
uninitvar:host/cpu/sample_pairs.cpp
uninitvar:host/serve/scan/exact_scores.cpp
// what is moved is not local: it belongs to the node that was taken out
returnStdMoveLocal:host/io/artifact.cpp
// what is called where there is none throws
derefInvalidIteratorRedundantCheck:host/serve/recommender.cpp
TEXT
  cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
    --suppressions-list="$plain/known" -I "$plain" -I . \
    --template='{file}:{line}: {message} [{id}]' --error-exitcode=1 "${paths[@]}" || failed=1
fi

if [[ $tools == *clang-tidy* ]]; then
  command -v clang-tidy >/dev/null || { echo "clang-tidy is not installed"; exit 77; }
  mkdir -p build
  cmake -S . -B $build -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
    -DMGQE_CUDA=OFF -DMGQE_TESTS=OFF -DCMAKE_BUILD_TYPE=Release >$build.log 2>&1 ||
    { echo "cmake cannot configure $build:"; tail -n 5 $build.log; exit 2; }
  mapfile -t sources < <(find "${paths[@]}" -name '*.cpp' | sort)
  # -Wno-unknown-pragmas: of GCC's ivdep, which is a promise to its vectorizer alone.
  printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p $build --quiet \
    --extra-arg=-Wno-unknown-pragmas 2>/dev/null |
    grep -E -A 2 "(warning|error): " && failed=1
fi
[ $failed -eq 0 ] && echo "${paths[*]}: $tools found nothing"
exit $failed
