#!/usr/bin/env bash
# What host/cmake/hardening.cmake asks for stands in the built programs and in libmgqe_serve, as readelf
# sees it: addresses that differ from run to run, closed tables of the dynamic linker, a stack that is
# not executed, guarded stacks and checked copies.
# usage: hardening_test.sh BUILD_FOLDER
set -u
build=$(cd "${1:?build folder}" && pwd)
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
command -v readelf >/dev/null || { echo "no readelf here"; exit 77; }
[ "$(cached MGQE_HARDEN)" = ON ] || { echo "built with MGQE_HARDEN=$(cached MGQE_HARDEN)"; exit 77; }
[ -z "$(cached MGQE_SANITIZE)" ] && [ "$(cached CMAKE_BUILD_TYPE)" != Debug ] ||
  { echo "built for sanitizers or without optimisation"; exit 77; }
passed=0 failed=0
verdict() { # verdict WHAT: of the command before
  if [ $? = 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $1"
  fi
}
has() { grep -qE "$2" <<<"$1"; }

for file in "$build"/mgqe "$build"/libmgqe_serve.so; do
  [ -e "$file" ] || { echo "FAILED: no $file"; exit 1; }
  name=$(basename "$file")
  header=$(readelf -hW "$file") segments=$(readelf -lW "$file") dynamic=$(readelf -dW "$file")
  symbols=$(readelf --dyn-syms -W "$file")
  has "$header" 'Type: +DYN'; verdict "$name can be put at any address"
  [ "$name" != mgqe ] || has "$dynamic" 'FLAGS_1.*\bPIE\b'; verdict "$name is linked as one that can"
  has "$dynamic" 'BIND_NOW|FLAGS_1.*\bNOW\b'; verdict "$name is bound before it runs"
  has "$segments" 'GNU_RELRO'; verdict "$name closes the linker's tables"
  has "$segments" 'GNU_STACK.* RW +0x'; verdict "$name has a stack that is not executed"
  ! has "$segments" ' RWE '; verdict "$name has nothing that is both written and executed"
  has "$symbols" '__stack_chk_fail'; verdict "$name guards its stacks"
  has "$symbols" '__[a-z]+_chk(@|$)'; verdict "$name checks copies"
  if has "$header" 'X86-64' && [ "$(cached MGQE_HAS_fcf_protection_full)" = 1 ] && command -v objdump >/dev/null; then
    # The linker leaves its mark away where one object of the system has none; each function has its own.
    [ "$(objdump -d --section=.text "$file" | grep -c endbr64)" -gt 100 ]
    verdict "$name enters functions at marks"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
