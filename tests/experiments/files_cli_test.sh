#!/usr/bin/env bash
# Files as people have them, by the command line: pipes, files that are written over what is read, two
# runs in one folder, full disks, readers of the output that go away, and words that are almost right.
set -u
mgqe=$(cd "${1:?build folder}" && pwd)/mgqe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
cd "$work" || exit 1
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
# refuse NAME PATTERN ARGS...: exit code 2 and one line on stderr that matches
refuse() {
  local name=$1 pattern=$2
  shift 2
  "$mgqe" "$@" >stdout 2>stderr
  [ $? -eq 2 ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -qE -- "$pattern" stderr
  local ok=$?
  [ $ok -ne 0 ] && { echo "stderr:"; cat stderr; }
  verdict $ok "$name"
}
tiny="--dim 8 --subspaces 2 --centroids 4,2 --epochs 1 --device cpu"
synthetic="--data synthetic --synthetic-users 200 --synthetic-items 100 --synthetic-actions 10"

# ---- reading ------------------------------------------------------------------------------------

seq 0 59999 | awk '{print 1000 + int($1 / 20), 10 + ($1 * 7) % 90}' >pairs.txt
# shellcheck disable=SC2086
"$mgqe" train --data <(cat pairs.txt) $tiny --out pipe >stdout 2>stderr && grep -q "3000 users, 90 items, 60000 actions" stdout
verdict $? "a pipe is read whole"
mkfifo fifo
refuse "several seeds of one pipe" "fifo is a pipe, which can be read once" train --data fifo --seeds 1,2 --out seeds

cat >reviews.csv <<'CSV'
product_id,user_id,rating,timestamp,verified
B1,A1,5,1,yes
B2,A1,5,2,yes
B3,A1,5,3,yes
B1,A1,4,3,no
B1,A2,5,1,yes
B2,A2,5,2,yes
B4,A2,5,3,yes
B5,A2,5,4,yes
B6,A4,5,4,yes
CSV
# shellcheck disable=SC2086
"$mgqe" train --data reviews.csv $tiny --out reviews >stdout 2>stderr &&
  grep -qxF 'read    separated by commas, header: item "product_id", user "user_id", time "timestamp" (not used: rating "rating", "verified"); in time order (1 action at the time of the one before: in the order of the file); 1 repeat of an item the user had before' stdout
verdict $? "train says in one line what was understood"
"$mgqe" describe reviews.csv >stdout 2>stderr && [ ! -s stderr ] && cat >expected <<'TEXT' && diff stdout expected
columns item "product_id", user "user_id", time "timestamp" (not used: rating "rating", "verified")
first   A1 B1, A1 B2, A1 B3, A1 B1
last    A2 B2, A2 B4, A2 B5, A4 B6
data    reviews.csv: 3 users, 6 items, 9 actions
read    separated by commas, header: item "product_id", user "user_id", time "timestamp" (not used: rating "rating", "verified"); in time order (1 action at the time of the one before: in the order of the file); 1 repeat of an item the user had before
users   1 to 4 actions each, 4 at the median; 1 with too few to hold one out
items   1 to 3 actions each, 1 at the median; 4 with one or none
head    1 of 6 items, the most popular tenth: 33.3% of the actions, 1 of 2 test items
tail    5 of 6 items: 66.7% of the actions, 1 of 2 test items
split   5 actions to train on; the last of 2 users for test, the one before it for validation
TEXT
verdict $? "describe shows columns, counts, head and tail"
printf 'a,b\nc,d\n' >short.csv
refuse "describe of what cannot be trained on" "no user has 3 or more actions" describe short.csv
grep -qx "columns user column 1, item column 2" stdout && grep -qx "first   a b, c d" stdout
verdict $? "and how it was understood all the same"
awk 'BEGIN { print "left,right,score"; for (i = 0; i < 150; ++i) print "a" i ",b" i "," i % 7 }' >scores.csv
"$mgqe" describe --task relevance scores.csv >stdout 2>stderr &&
  grep -qx "data    scores.csv: 300 items, 150 scored pairs" stdout && grep -qx "read    separated by commas, header: item, item, score" stdout
verdict $? "describe of scored pairs"

# ---- writing ------------------------------------------------------------------------------------

awk 'BEGIN { for (u = 1; u <= 60; ++u) for (k = 0; k < 12; ++k) print u "," 1 + (u * u + k * k * k + u * k) % 40 }' >many.csv
cp many.csv copy.csv
ln -s many.csv link.csv
refuse "derive-relevance over its own data" "--out many.csv is the file that is read" derive-relevance --data many.csv --out many.csv
refuse "derive-relevance over a link to it" "--out link.csv is the file that is read" derive-relevance --data many.csv --out link.csv
cmp -s many.csv copy.csv
verdict $? "the data is as it was"
refuse "derive-relevance into a pipe" "fifo is a device, pipe or socket" derive-relevance --data many.csv --out fifo
[ -p fifo ]
verdict $? "the pipe is one still"

# shellcheck disable=SC2086
"$mgqe" train $synthetic $tiny --out base >/dev/null 2>&1
verdict $? "a run"
"$mgqe" evaluate --artifact base/model.safetensors >/dev/full 2>stderr
[ $? -eq 2 ] && grep -q "standard output could not be written" stderr
verdict $? "evaluate into a full disk fails"
refuse "report: a run and its result" "is named twice" report base base/result.json
cp -r base twin
refuse "report: a copy of a run" "same configuration and seed, 1 " report base twin
refuse "histories over the artifact" "--out base/model.safetensors is the file that is read" histories --artifact base/model.safetensors --out base/model.safetensors
refuse "inspect of text" "reviews.csv: not a valid safetensors file: .*: it is text" inspect reviews.csv
# shellcheck disable=SC2086
"$mgqe" train $synthetic $tiny --out base >stdout 2>stderr && grep -q "base holds a finished run" stderr && [ -s base/result.json ]
verdict $? "a run in the place of a finished one says so"
latin=$(printf 'r\xe9sum\xe9')
# shellcheck disable=SC2086
refuse "a name that is not UTF-8" "is not UTF-8" train $synthetic $tiny --out "$latin"
[ ! -e "$latin" ]
verdict $? "before anything is made"

# A disk that holds the model and not the last checkpoint, which is three times as large.
if mkdir disk && mount -t tmpfs -o size=1m none disk 2>/dev/null; then
  "$mgqe" train --data synthetic --synthetic-users 300 --synthetic-items 3000 --synthetic-actions 20 --dim 64 \
    --embedding full --epochs 2 --device cpu --out disk/run >stdout 2>stderr &&
    grep -q "whole but for its last checkpoint.*No space left" stderr &&
    "$mgqe" verify disk/run/model.safetensors >/dev/null && [ -s disk/run/result.json ]
  ok=$?
  umount disk
  verdict $ok "a disk too small for the last checkpoint keeps model and result"
else
  echo "skipped: no small disk can be mounted here"
fi

# ---- while it runs ------------------------------------------------------------------------------

long="--data synthetic --synthetic-users 300 --synthetic-items 200 --synthetic-actions 20 --dim 8 --subspaces 2 --centroids 4,2 --epochs 100000 --device cpu"
under_way() { for _ in $(seq 600); do [ -s "$1/metrics.jsonl" ] && return; sleep 0.02; done; }
# shellcheck disable=SC2086
"$mgqe" train $long --out busy >/dev/null 2>&1 &
process=$!
under_way busy
# shellcheck disable=SC2086
refuse "a second run in one folder" "--out busy is in use by process $process on [^ ]+: wait" train $long --out busy
kill -9 $process
wait $process 2>/dev/null
# shellcheck disable=SC2086
"$mgqe" train $synthetic $tiny --out busy >/dev/null 2>stderr && [ ! -e busy/.lock ]
verdict $? "a killed run leaves no lock"

# shellcheck disable=SC2086
{ "$mgqe" train $long --out piped 2>stderr; echo $? >code; } | head -n 8 >stdout
[ "$(cat code)" -eq 0 ] && grep -qE "^mgqe: interrupted by SIGPIPE: step [0-9]+.* is kept in piped/checkpoints; go on with: " stderr &&
  [ "$(ls piped/checkpoints | wc -l)" -eq 1 ]
verdict $? "a reader that goes away stops a run with a checkpoint"

# ---- words --------------------------------------------------------------------------------------

refuse "an almost right command" "no command trian: did you mean train\?" trian
# shellcheck disable=SC2086
refuse "an almost right option" "train. has no option --epoch: did you mean --epochs\?" train --data many.csv --epoch 1 --out o
refuse "an unknown option" "train. has no option --frobnicate; " train --data many.csv --frobnicate 1 --out o
# shellcheck disable=SC2086
refuse "more negatives than can be counted" "--negatives 2147483647 is out of range" train $synthetic $tiny --out o --negatives 2147483647
echo '{"embedding": {"dim": 8.9}, "train": {"epochs": 1.9}}' >config.json
# shellcheck disable=SC2086
refuse "fractions where counts belong" "config.json: embedding.dim has the wrong type: 8.9" train $synthetic --config config.json --out o
refuse "more tables than memory holds" "not enough memory: .* GiB of user rows" train --data synthetic --synthetic-items 100000000 --synthetic-users 100000000 --dim 1024 --embedding full --device cpu --out o
refuse "more actions than memory holds" "not enough memory: 100000000 users with 100000 actions" train --data synthetic --synthetic-users 100000000 --synthetic-actions 100000 --dim 1 --embedding hashed --buckets 2 --device cpu --out o
# shellcheck disable=SC2086
RANK=0 WORLD_SIZE=2 "$mgqe" train $synthetic $tiny --out launched >/dev/null 2>stderr && grep -q "WORLD_SIZE=2 are set.*trains alone" stderr
verdict $? "another launcher's ranks are warned of"
awk 'BEGIN { for (u = 1; u <= 3; ++u) for (i = 1; i <= 4; ++i) print u, 1 + (u + i) % 4 }' >all.txt
# shellcheck disable=SC2086
"$mgqe" train --data all.txt $tiny --embedding full --out all >stdout 2>stderr && grep -q "3 of 3 users have had every item" stderr &&
  [ "$(grep -c "HR@10 -  NDCG@10 -  (HR@10 of head items -, tail -)" stdout)" -eq 2 ] &&
  grep -qE "^ +1 +[0-9.]+ +[0-9.]+ +[0-9.]+ +- " stdout && "$mgqe" report all | grep -q " - " &&
  python3 -c 'import json; assert json.load(open("all/result.json"))["test"]["full"]["hr@10"] is None'
verdict $? "nothing to be ranked against makes no figure"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
