#!/usr/bin/env bash
# Sources are formatted as .clang-format says. Comments are wrapped by hand, as clang-format would run
# the lines of a table or of an equation together, so that their width is looked at here.
# Without clang-format of the version the tree was formatted by, that part is skipped (exit code 77).
set -u
cd "$(dirname "$0")/.." || exit 1
wanted=14
failed=0

mapfile -d '' sources < <(find host models cuda experiments tests -type f \
  \( -name '*.cpp' -o -name '*.hpp' -o -name '*.cu' -o -name '*.cuh' \) -print0)
[ ${#sources[@]} -gt 100 ] || { echo "format_test: found ${#sources[@]} sources; run it in the tree"; exit 1; }

# Raw strings (the report's HTML, a gnuplot script) keep the lines they have.
long=$(python3 - "${sources[@]}" <<'PY'
import re, sys
for name in sys.argv[1:]:
    for number, line in enumerate(open(name, encoding="utf-8"), 1):
        if len(line.rstrip("\n")) > 100 and re.search(r"^\s*//|\S\s+// ", line):
            print(f"{name}:{number}: a comment of {len(line) - 1} columns; wrap it by hand at 100")
PY
)
[ -n "$long" ] && { echo "$long"; failed=1; }

if ! command -v clang-format >/dev/null; then
  [ $failed = 0 ] || exit 1
  echo "skipped: clang-format is not installed"
  exit 77
fi
version=$(clang-format --version | grep -oE 'version [0-9]+' | grep -oE '[0-9]+')
if [ "$version" != $wanted ]; then
  [ $failed = 0 ] || exit 1
  echo "skipped: clang-format $version formats in its own way; the tree is by $wanted"
  exit 77
fi
complaints=$(clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep 'error:' | cut -d: -f1 | sort -u)
for file in $complaints; do
  echo "$file is not formatted: clang-format -i $file"
  failed=1
done
exit $failed
