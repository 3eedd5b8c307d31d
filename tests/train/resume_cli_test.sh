#!/usr/bin/env bash
# `mgqe train --resume` and signals as a user meets them: exit codes, one line that says what to do,
# results as if nothing had happened, and what is refused.
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
support=$(cd "$(dirname "$0")/../support" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}

small="--data synthetic --synthetic-users 300 --synthetic-items 200 --synthetic-actions 20 --dim 16 --subspaces 8 --centroids 32,8 --device cpu"
long="$small --epochs 150 --evaluate-every 5"

mkdir "$work/whole"
# shellcheck disable=SC2086
(cd "$work/whole" && "$mgqe" train $long --out run >log 2>&1)
verdict $? "a run that is left alone"

# ---- signals ------------------------------------------------------------------------------------

# under_way FOLDER: waits until the run in it has evaluated an epoch
under_way() { for _ in $(seq 600); do [ -s "$1/metrics.jsonl" ] && return; sleep 0.02; done; }
# Background jobs of a script ignore SIGINT, and under nohup SIGHUP; a run leaves ignored what was.
for signal in TERM USR1 HUP INT; do
  mkdir "$work/$signal"
  cd "$work/$signal" || exit 1
  # shellcheck disable=SC2086
  python3 -c 'import os, signal, sys
for ignored in signal.SIGINT, signal.SIGHUP:
    signal.signal(ignored, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$mgqe" train $long --out run >stdout 2>stderr &
  process=$!
  under_way run
  kill -$signal $process
  wait $process
  code=$?
  expected=0
  [ $signal = INT ] && expected=130
  [ $code -eq $expected ] && [ "$(wc -l <stderr)" -eq 1 ] &&
    grep -qE "^mgqe: interrupted by SIG$signal: step [0-9]+, in epoch [0-9]+ of 150, is kept in run/checkpoints; go on with: .*mgqe train .* --out run --resume$" stderr &&
    [ ! -e run/result.json ] && [ "$(ls run/checkpoints | wc -l)" -eq 1 ]
  verdict $? "SIG$signal leaves a checkpoint and says how to go on (exit code $code)"
  # As it says.
  bash -c "$(sed 's/.*go on with: //' stderr)" >stdout 2>stderr && [ ! -s stderr ] &&
    grep -qE "^resume  from step [0-9]+, " stdout && python3 "$support/same_run.py" "$work/whole/run" run
  verdict $? "the run that SIG$signal stopped ends as one left alone"
done

# ---- refusals -----------------------------------------------------------------------------------

cd "$work" || exit 1
# shellcheck disable=SC2086
"$mgqe" train $small --epochs 2 --checkpoint-every 106 --out base >/dev/null 2>&1
# refuse NAME PATTERN ARGS...: exit code 2 and one line on stderr that matches; nothing in run changes
refuse() {
  local name=$1 pattern=$2 before
  shift 2
  before=$(find run -type f -exec cksum {} + | sort)
  # shellcheck disable=SC2086
  "$mgqe" train $small --epochs 2 --out run --resume "$@" >stdout 2>stderr
  [ $? -eq 2 ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -qE -- "$pattern" stderr &&
    [ "$before" = "$(find run -type f -exec cksum {} + | sort)" ]
  local ok=$?
  [ $ok -ne 0 ] && cat stderr
  verdict $ok "$name"
}
fresh() { # a finished run in run/ with its last checkpoint alone
  rm -rf run && cp -r base run
  last=run/checkpoints/$(ls run/checkpoints | tail -1)
  find run/checkpoints -mindepth 1 -maxdepth 1 ! -path "$last" -exec rm -r {} +
}
fresh
sed -i 's#"out": "base"#"out": "run"#' run/result.json
refuse "another configuration" "another configuration \(train.batch 256, not 64; train.lr 0.001, not 0.5\)" --lr 0.5 --batch 64
refuse "another seed" "run.seed 1, not 2" --seed 2
refuse "another model" 'model.name "gmf", not "neumf"' --model neumf
refuse "other data of the same name" "data.synthetic_seed 1, not 3" --synthetic-seed 3
rm "$last/rank-0000-of-0001.safetensors"
refuse "a missing shard" "no checkpoint that is whole: .*rank-0000-of-0001.safetensors: no such file"
fresh
printf '\x55' | dd of="$last/rank-0000-of-0001.safetensors" bs=1 seek=5000 conv=notrunc 2>/dev/null
refuse "a flipped byte" "rank-0000-of-0001.safetensors: .*checksum"
fresh
rm "$last/manifest.json"
refuse "a missing manifest" "manifest.json: no such file"
fresh
python3 - "$last/manifest.json" <<'PY'
import re, sys, zlib
text = open(sys.argv[1]).read().replace('"version": 1', '"version": 2')
zeroed = re.sub(r'"crc32": "[0-9a-f]{8}"', '"crc32": "00000000"', text, count=1)
crc = f"{zlib.crc32(zeroed.encode()):08x}"
open(sys.argv[1], "w").write(zeroed.replace('"crc32": "00000000"', f'"crc32": "{crc}"', 1))
PY
refuse "a newer manifest" "manifest.json: its version is 2, this program reads up to 1: it was written by a newer one"
printf '%s\n' "1 1" "1 2" "1 3" "1 4" "2 1" "2 2" "2 4" "2 3" >pairs.txt
tiny="--data pairs.txt --dim 8 --subspaces 4 --device cpu --epochs 2"
# shellcheck disable=SC2086
"$mgqe" train $tiny --out filed >/dev/null 2>&1 && echo "2 5" >>pairs.txt
# shellcheck disable=SC2086
MGQE_LOG_LEVEL=error "$mgqe" train $tiny --out filed --resume >/dev/null 2>stderr  # so few items are warned of
[ $? -eq 2 ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -q "was trained on other data than --data pairs.txt gives here" stderr
verdict $? "a data file that has changed"
fresh
for flag in "--checkpoint-every -1" "--checkpoint-minutes -1" "--keep-checkpoints 0"; do
  # shellcheck disable=SC2086
  refuse "$flag" "${flag%% *} ${flag##* } must be" ${flag%% *}="${flag##* }"
done

# A damaged newest checkpoint is passed over for an older one that is whole.
rm -rf run && mkdir older && cd older || exit 1
# shellcheck disable=SC2086
"$mgqe" train $small --epochs 2 --out run >/dev/null 2>&1 && cp -r run/checkpoints/* . &&
  "$mgqe" train $small --epochs 3 --out run --resume >/dev/null 2>&1 && cp -r step-* run/checkpoints/
newest=run/checkpoints/$(ls run/checkpoints | tail -1)
truncate -s -1 "$newest/rank-0000-of-0001.safetensors"
# shellcheck disable=SC2086
"$mgqe" train $small --epochs 3 --out run --resume >stdout 2>stderr
code=$?
[ $code -eq 0 ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -q "rank-0000-of-0001.safetensors.*trying an older checkpoint" stderr &&
  grep -q "^resume  from step 212, 106 of 106 in epoch 2" stdout
verdict $? "an older checkpoint that is whole is taken, with a warning"
mkdir whole && cd whole || exit 1
# shellcheck disable=SC2086
"$mgqe" train $small --epochs 3 --out run >/dev/null 2>&1 && python3 "$support/same_run.py" run ../run
verdict $? "and the run ends as it would have"
cd "$work" || exit 1

# ---- seeds --------------------------------------------------------------------------------------

running() { # how many runs have this folder as theirs
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd")" = "$PWD" ] && [ "$(readlink "$process/exe")" = "$mgqe" ] && echo "$process"
  done | wc -l
}
mkdir seeds seeds-whole
seeds="--seeds 1..3 --jobs 2"
# shellcheck disable=SC2086
(cd seeds-whole && "$mgqe" train $long $seeds --out run >stdout 2>stderr)
cd seeds || exit 1
# shellcheck disable=SC2086
OMP_NUM_THREADS=1 "$mgqe" train $long --seed 3 --out run/seed-3 >/dev/null 2>&1
result=$(stat -c %Y.%i run/seed-3/result.json)
# shellcheck disable=SC2086
"$mgqe" train $long $seeds --out run --resume >stdout 2>stderr &
process=$!
under_way run/seed-1 && under_way run/seed-2
kill -TERM $process
wait $process
code=$?
[ $code -eq 0 ] && [ "$(running)" -eq 0 ] && [ "$(wc -l <stderr)" -eq 1 ] &&
  grep -qE "^mgqe: interrupted by SIGTERM: 2 running and 0 waiting seeds were stopped; go on with: .* --seeds 1..3 .* --resume$" stderr &&
  grep -q "^resume  1 of 3 seeds are finished already" stdout &&
  [ -d run/seed-1/checkpoints ] && [ -d run/seed-2/checkpoints ] && [ ! -e run/seed-1/result.json ] && [ ! -e run/seed-2/result.json ]
verdict $? "--seeds passes a signal on, and each seed leaves a checkpoint (exit code $code)"
bash -c "$(sed 's/.*go on with: //' stderr)" >stdout 2>stderr && [ ! -s stderr ] &&
  grep -q "^resume  from step" run/seed-1/log.txt && [ "$(grep -c "^model " run/seed-1/log.txt)" -eq 2 ] && tail -1 stdout | grep -qE "synthetic +gmf .* 3 .*±"
verdict $? "--seeds --resume goes on with those that were stopped"
[ "$result" = "$(stat -c %Y.%i run/seed-3/result.json)" ] && [ ! -e run/seed-3/log.txt ]
verdict $? "a finished seed is not run again"
for seed in 1 2 3; do
  python3 "$support/same_run.py" run/seed-$seed ../seeds-whole/run/seed-$seed
  verdict $? "seed $seed ends as one that was left alone"
done

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
