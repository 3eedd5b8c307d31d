#!/usr/bin/env bash
# `mgqe train --seeds`: each seed is to the bit the run of --seed alone, one that fails takes no
# other with it, an interrupt stops them all, and bad input is one line.
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
refuse() { # refuse NAME PATTERN ARGS...: not 0, one line on stderr that matches, no folder left
  local name=$1 pattern=$2
  shift 2
  # shellcheck disable=SC2086
  "$mgqe" train $tiny --out "$work/refused" "$@" >/dev/null 2>"$work/stderr"
  [ $? -ne 0 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr" &&
    [ ! -e "$work/refused" ]
  local ok=$?
  [ $ok -ne 0 ] && cat "$work/stderr"
  verdict $ok "$name"
}

small="--data synthetic --synthetic-users 100 --synthetic-items 60 --synthetic-actions 10 --dim 8 --subspaces 4 --device cpu"
tiny="$small --epochs 2"

# The same relative --out from two folders: the files name it, so they must be equal to the byte.
mkdir "$work/together" "$work/alone"
# shellcheck disable=SC2086
(cd "$work/together" && "$mgqe" train $tiny --seeds 1..2,7 --jobs 2 --out=runs >stdout 2>stderr)
verdict $? "three seeds, two at a time"
[ ! -s "$work/together/stderr" ]
verdict $? "silent on stderr where it is not a terminal"
for seed in 1 2 7; do
  # shellcheck disable=SC2086
  (cd "$work/alone" && "$mgqe" train $tiny --seed $seed --out runs/seed-$seed >/dev/null 2>&1)
  for file in model.safetensors checkpoints/step-*/rank-0000-of-0001.safetensors; do
    # shellcheck disable=SC2086
    cmp -s "$work"/together/runs/seed-$seed/$file "$work"/alone/runs/seed-$seed/$file
    verdict $? "seed $seed leaves the $file of --seed $seed"
  done
  python3 - "$work/together/runs/seed-$seed/result.json" "$work/alone/runs/seed-$seed/result.json" <<'PY'
import json, sys
together, alone = (json.load(open(path)) for path in sys.argv[1:])
same = ("config", "seed", "data", "best_epoch", "valid", "test", "size", "quantizer", "train_loss")
words = together["command"].split()
sys.exit(any(together[key] != alone[key] for key in same)
         or words[-4:] != ["--seed", str(alone["seed"]), "--out", f"runs/seed-{alone['seed']}"]
         or any(word.startswith(("--seeds", "--jobs")) for word in words))
PY
  verdict $? "seed $seed has the figures of --seed $seed and a command that repeats it"
  grep -qE "^seed $seed +done .*NDCG@10" "$work/together/stdout" &&
    grep -q "^best " "$work/together/runs/seed-$seed/log.txt"
  verdict $? "seed $seed is told of, and its log kept"
done
tail -1 "$work/together/stdout" | grep -qE "synthetic +gmf .* 3 .*±"
verdict $? "the table of means ends the output"

# The other tasks have other figures, of which each seed says one.
clicks="--task ctr --data ctr-synthetic --synthetic-examples 2000 --synthetic-table-rows 400 --model dcn --dim 8 --subspaces 2 --device cpu --epochs 1"
# shellcheck disable=SC2086
"$mgqe" train $clicks --seeds 1..2 --out "$work/clicks" >"$work/stdout" 2>"$work/stderr" &&
  [ ! -s "$work/stderr" ] && [ "$(grep -cE "^seed [12] +done .*test AUC 0\.[0-9]{5}, best epoch 1" "$work/stdout")" -eq 2 ] &&
  tail -1 "$work/stdout" | grep -qE "dcn .* 2 .*±"
verdict $? "seeds of --task ctr are told of by their AUC"

# A seed that cannot write its results (a folder stands where a file should) and one that can.
mkdir -p "$work/some/seed-4/result.json"
# shellcheck disable=SC2086
"$mgqe" train $tiny --seeds 4,5 --out "$work/some" >"$work/stdout" 2>"$work/stderr"
[ $? -eq 1 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -q "1 of 2 seeds failed: 4; seed 4: .*result.json" "$work/stderr"
verdict $? "a failed seed is named on stderr with its last error line"
grep -qE "^seed 4 +failed .*result.json" "$work/stdout" && [ -s "$work/some/seed-5/result.json" ] &&
  tail -1 "$work/stdout" | grep -qE "synthetic +gmf .* 1 "
verdict $? "the other seed goes on, and the table is of it alone"

# An interrupt of the parent alone (from a terminal the children get it too) ends every process.
# shellcheck disable=SC2086
setsid "$mgqe" train $small --epochs 100000 --seeds 1..3 --jobs 2 --out "$work/long" >"$work/stdout" 2>"$work/stderr" &
parent=$!
running() { grep -ls "$work/long/see[d]-" /proc/[0-9]*/cmdline | wc -l; } # [d]: not the grep itself
for _ in $(seq 100); do [ "$(running)" -ge 2 ] && break; sleep 0.1; done
before=$(running)
kill -TERM $parent
wait $parent
code=$?
for _ in $(seq 50); do [ "$(running)" -eq 0 ] && break; sleep 0.1; done
[ "$before" -eq 2 ] && [ $code -eq 0 ] && [ "$(running)" -eq 0 ] && grep -q "2 running and 1 waiting seeds were stopped" "$work/stderr"
verdict $? "an interrupt stops every seed"
# shellcheck disable=SC2086
setsid "$mgqe" train $small --epochs 100000 --seeds 1..2 --jobs 2 --out "$work/long" >/dev/null 2>&1 &
parent=$!
for _ in $(seq 100); do [ "$(running)" -ge 2 ] && break; sleep 0.1; done
before=$(running)
kill -KILL $parent
wait $parent 2>/dev/null
for _ in $(seq 50); do [ "$(running)" -eq 0 ] && break; sleep 0.1; done
[ "$before" -eq 2 ] && [ "$(running)" -eq 0 ]
verdict $? "no seed outlives a parent that was killed"

form="the form is FIRST..LAST \(1..10\) or a list \(1,2,5\)"
refuse "a range that ends before it begins" "--seeds 5..1: .*$form" --seeds 5..1
refuse "an open range" "--seeds 1..: .*$form" --seeds 1..
refuse "a word" "--seeds many: .*$form" --seeds many
refuse "a negative seed" "--seeds -1: .*$form" --seeds=-1
refuse "an empty entry" "--seeds 1,,2: .*$form" --seeds 1,,2
refuse "a seed twice" "--seeds 1..3,2: .*twice.*$form" --seeds 1..3,2
refuse "too many seeds" "--seeds 1..5000: .*1000.*$form" --seeds 1..5000
refuse "--seed beside --seeds" "--seed and --seeds" --seeds 1,2 --seed 3
refuse "--jobs without --seeds" "--jobs is for --seeds" --jobs 2
refuse "--jobs of 0" "--jobs 0 must be 1 or more" --seeds 1,2 --jobs 0
refuse "a flag that every seed would refuse" "--lr -1" --seeds 1,2 --lr=-1

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
