#!/usr/bin/env bash
# Runs a compilation by nvcc with -Xptxas=-v: what ptxas says of each kernel goes to OBJECT.ptxas,
# for the test of spills, and all else to stderr. Also where ccache answers, which keeps stderr.
# usage: keep_ptxas.sh COMPILER... -o OBJECT ...
set -u
object=
for ((i = 1; i < $#; ++i)); do
  next=$((i + 1))
  [ "${!i}" = -o ] && object=${!next}
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.messages"
code=$?
says='^ptxas info|^ +[0-9]+ bytes stack frame'
grep -E "$says" "$object.messages" >"$object.ptxas"
grep -vE "$says" "$object.messages" >&2
rm "$object.messages"
exit $code
