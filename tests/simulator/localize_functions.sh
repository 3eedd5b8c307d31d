#!/usr/bin/env bash
# Links instrumented objects into one whose inline functions and templates are its own: uninstrumented
# code does not get them, and kernels do not get the others'.
# usage: localize_functions.sh OUT.o OBJECT...
set -eu
out=$1
shift
# Functions that every object has a copy of are no longer shared with those of other objects.
ld -r --force-group-allocation -o "$out.whole" "$@"
nm "$out.whole" | awk '$2 == "W" {print $3}' | sort -u >"$out.functions"
objcopy --localize-symbols="$out.functions" "$out.whole" "$out"
rm "$out.whole" "$out.functions"
