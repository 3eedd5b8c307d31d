#!/usr/bin/env bash
# `mgqe prepare` as a user meets it: a cache and its summary, refusals of one line with nothing left
# behind, an up-to-date cache left alone, an interrupted one not written.
set -u
mgqe=$(realpath "${1:?build folder}")/mgqe
[ -x "$mgqe" ] || { echo "skipped: mgqe is not built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
# refuse NAME PATTERN ARGS...: exit code 2, one line on stderr that matches, no new file.
refuse() {
  local name=$1 pattern=$2 before
  shift 2
  before=$(ls -A)
  "$mgqe" prepare "$@" >/dev/null 2>"$work.stderr"
  [ $? -eq 2 ] && [ "$(wc -l <"$work.stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work.stderr" &&
    [ "$(ls -A)" = "$before" ]
  local ok=$?
  [ $ok -ne 0 ] && cat "$work.stderr"
  rm -f "$work.stderr"
  verdict $ok "$name"
}

awk 'BEGIN { print "clicked,user,price,tags"
  for (i = 0; i < 500; ++i) printf "%d,u%d,%.2f,t%d|t%d\n", i % 4 == 0, i * i % 37, i / 7, i % 3, i % 5 }' >clicks.csv
head -n 100 clicks.csv >few.csv
printf 'clicked,user\n1,a\n3,b\n' >bad.csv

"$mgqe" prepare --in clicks.csv --label clicked --dense price:log --bag 'tags:sep=|' --out clicks.ctr >log
verdict $? "a file is prepared"
grep -qE '^field +kind +rows +min count +most frequent +OOV train +OOV valid +OOV test$' log
verdict $? "the summary has a table of fields"
grep -qE '^user +categorical +[0-9]+ +1 +[0-9.]+%' log
verdict $? "and a line a field"
grep -qE '^train +[0-9]+ +2[0-9]\.[0-9]+%$' log
verdict $? "and a line a split"
[ "$(ls -A | tr '\n' ' ')" = "bad.csv clicks.csv clicks.ctr few.csv log " ]
verdict $? "nothing else is left"

before=$(stat -c %Y.%i clicks.ctr)
"$mgqe" prepare --in clicks.csv --label clicked --dense price:log --bag 'tags:sep=|' --out clicks.ctr | grep -q "is up to date"
verdict $? "the same again is up to date"
[ "$(stat -c %Y.%i clicks.ctr)" = "$before" ]
verdict $? "and left alone"
"$mgqe" prepare --in clicks.csv --label clicked --bag 'tags:sep=|' --json --out json.ctr |
  python3 -c 'import json, sys
summary = json.load(sys.stdin)
assert sum(s["rows"] for s in summary["splits"].values()) == 500, summary
assert [f["name"] for f in summary["fields"]] == ["clicked", "user", "price", "tags"], summary
assert summary["table_rows"] == sum(f.get("rows", 0) for f in summary["fields"]), summary'
verdict $? "--json"
cat clicks.csv | "$mgqe" prepare --in /dev/stdin --format csv --label clicked --out piped.ctr | grep -qE "^train +[34][0-9][0-9] "
verdict $? "a pipe is read"
"$mgqe" prepare --test few.csv --vocabulary-of clicks.ctr --out few.ctr >/dev/null
verdict $? "further files by a vocabulary"
"$mgqe" inspect clicks.ctr | grep -qE '^user +categorical' && "$mgqe" inspect --json clicks.ctr | grep -q '"table_rows"'
verdict $? "inspect shows a cache"
"$mgqe" describe clicks.ctr >out 2>err
[ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && grep -qF '`mgqe inspect clicks.ctr` shows what is in it' err
verdict $? "describe names what does"
awk 'BEGIN { print "y,id,price"; for (i = 0; i < 400; ++i) print i % 2 "," i "," i % 7 }' >ids.csv
"$mgqe" prepare --in ids.csv --label y --min-count 2 --out ids.ctr | grep -q "^field id: 100.00% of its training values share the OOV row"
verdict $? "prepare remarks on a field of rare values"
"$mgqe" prepare --in ids.csv --label y --out all.ctr | grep -q "^field id: 100.00% of its training values are different ones"
verdict $? "and on one of different values"
awk 'BEGIN { print "y,id"; for (i = 0; i < 3; ++i) print "1," i }' >seven.csv
"$mgqe" prepare --test seven.csv --vocabulary-of all.ctr --out seven.ctr 2>&1 | grep -q "training values"
[ $? = 1 ]
verdict $? "but not by another's vocabulary"
awk 'BEGIN { print "y,id"; for (i = 0; i < 40; ++i) print "1," i % 4 }' >ones.csv
"$mgqe" prepare --in ones.csv --label y --out ones.ctr | grep -q "^every training row has label 1"
verdict $? "prepare remarks on labels that are all the same"
"$mgqe" verify clicks.ctr | grep -qE 'rows of 4 fields, [34][0-9]+ train, .* good'
verdict $? "verify reads it"
"$mgqe" prepare --in clicks.csv --label clicked --ignore price --overwrite --out json.ctr >/dev/null
verdict $? "--overwrite"

refuse "no label" "clicks.csv:1: no column is the label" --in clicks.csv --out no.ctr
refuse "a field that is not there" "there is no field age: the columns are clicked, user" \
  --in clicks.csv --label clicked --dense age --out no.ctr
refuse "a label of 3" 'bad.csv:3: label clicked: "3" is neither 0 nor 1' --train bad.csv --label clicked --out no.ctr
refuse "no such file" "none.csv: no such file" --in none.csv --label clicked --out no.ctr
refuse "other options" "is a cache of other files or other options: give --overwrite" \
  --in clicks.csv --label clicked --out clicks.ctr
refuse "a text file in its place" "few.csv: is no cache of rows" --in clicks.csv --label clicked --out few.csv
refuse "the file that is read" "is the file that is read" --in clicks.csv --label clicked --out clicks.csv
refuse "no files" "give either --in" --label clicked --out no.ctr
refuse "two kinds of files" "give either --in" --in clicks.csv --test few.csv --label clicked --out no.ctr
refuse "no training files" "--train is missing" --test few.csv --label clicked --out no.ctr
refuse "a wrong split" "--split half is no rule" --in clicks.csv --label clicked --split half --out no.ctr
refuse "an empty split" "the valid split would be empty" --in few.csv --label clicked --split last:1/1000,0.1 --out no.ctr
refuse "a flag that means nothing" "--refuse-unseen is about" --in clicks.csv --label clicked --refuse-unseen --out no.ctr
refuse "no count" "--min-count 0 is out of range: 1 or more" --in clicks.csv --label clicked --min-count 0 --out no.ctr
refuse "a hash below 0" "--hash -1 is out of range: 0 to" --in clicks.csv --label clicked --hash -1 --out no.ctr
for flag in --min-count --hash; do
  refuse "$flag beside a vocabulary" "says what ids are: $flag cannot be given too" \
    --test few.csv --vocabulary-of clicks.ctr $flag 5 --out no.ctr
done
printf '1,2,2\n0,3,4\n' >bare.csv
refuse "values in the place of names" "two columns are named 2.*a file without a header needs --columns" \
  --in bare.csv --label 1 --out no.ctr
printf '1,u2,i2\n0,u3,i4\n' >bare.csv
refuse "values in the place of a label's name" "there is no field y: .*a file without a header needs --columns" \
  --in bare.csv --label y --out no.ctr
head -c 500 clicks.ctr >cut.ctr
refuse "a cut vocabulary" "cut.ctr: the cache is cut off" --test few.csv --vocabulary-of cut.ctr --out no.ctr

awk 'BEGIN { print "y,a,b"; for (i = 0; i < 3000000; ++i) print i % 2 "," i "," i % 1000 }' >long.csv
before=$(ls -A)
"$mgqe" prepare --in long.csv long.csv long.csv long.csv long.csv long.csv --label y --out long.ctr >/dev/null 2>&1 &
sleep 0.3
kill -TERM $!
wait $!
[ $? -ne 0 ] && [ "$(ls -A)" = "$before" ]
verdict $? "a run that is told to end leaves nothing"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
