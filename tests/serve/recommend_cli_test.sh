#!/usr/bin/env bash
# The commands of serving: lists are those that `mgqe evaluate` ranks by, to the last digit of its
# figures, for every backbone; ids, titles, filters and files; bad input ends with one line.
set -u
mgqe=${1:?build folder}/mgqe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}

refuse() { # refuse NAME PATTERN ARGS...: exit code 2, one line on stderr that matches PATTERN
  local name=$1 pattern=$2
  shift 2
  "$mgqe" "$@" >"$work/stdout" 2>"$work/stderr"
  local code=$?
  [ $code -eq 2 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr"
  local ok=$?
  [ $ok -ne 0 ] && { echo "exit $code, stderr:"; cat "$work/stderr"; }
  verdict $ok "$name"
}

# 120 users with 6 to 30 of 90 items, each once, in time order; users are texts, items numbers.
python3 - "$work" <<'PY'
import random, sys
draw = random.Random(7)
with open(f"{sys.argv[1]}/data.csv", "w") as file:
    file.write("user,item,rating,timestamp\n")
    for user in range(120):
        for time, item in enumerate(draw.sample(range(90), draw.randint(6, 30))):
            file.write(f"u{user:03},{1000 + 7 * item},1,{time}\n")
with open(f"{sys.argv[1]}/movies.dat", "w", encoding="latin-1") as file:
    for item in range(90):
        file.write(f"{1000 + 7 * item}::Caf\u00e9 {item}, The (1990)::Drama|Comedy\n")
    file.write("5::Unknown (1970)::Drama\n")
with open(f"{sys.argv[1]}/movies.csv", "w") as file:
    file.write("movieId,title,genres\n")
    for item in range(90):
        file.write(f'{1000 + 7 * item},"Caf\u00e9 {item}, The ""Best"" (1990)",Drama\n')
PY
common="--data $work/data.csv --device cpu --dim 16 --subspaces 4 --centroids 16,4"
train() { # train NAME ARGS...
  # shellcheck disable=SC2086
  "$mgqe" train $common --out "$work/$1" "${@:2}" >/dev/null 2>"$work/stderr"
  verdict $? "train $1"
}
train gmf --model gmf --epochs 2
train gmf_full --model gmf --embedding full --epochs 2
train neumf --model neumf --lr 0.01 --epochs 2
train sasrec --model sasrec --epochs 4 --max-length 12
model() { echo "$work/$1/model.safetensors"; }

# same_ranking NAME: HR and NDCG of the lists of all items are those of `evaluate`, bit for bit.
for name in gmf gmf_full neumf sasrec; do
  "$mgqe" evaluate --artifact "$(model $name)" >"$work/evaluate.json" 2>"$work/stderr" &&
    "$mgqe" histories --artifact "$(model $name)" --out "$work/$name.histories" >/dev/null 2>"$work/stderr" &&
    "$mgqe" verify "$work/$name.histories" >/dev/null 2>"$work/stderr" &&
    "$mgqe" recommend --artifact "$(model $name)" --users <(seq 0 119) --by-row --exclude seen --k 200 --json \
      >"$work/loaded.json" 2>"$work/stderr" &&
    "$mgqe" recommend --artifact "$(model $name)" --users <(seq 0 119) --by-row --exclude seen --k 200 --json \
      --threads 1 --histories "$work/$name.histories" >"$work/lists.json" 2>"$work/stderr" &&
    cmp -s "$work/loaded.json" "$work/lists.json" &&
    "$mgqe" recommend --artifact "$(model $name)" --users <(seq 0 119) --by-row --exclude seen --k 10 --json \
      --histories "$work/$name.histories" >"$work/short.json" 2>"$work/stderr" &&
    "$mgqe" lookup --artifact "$(model $name)" --table "$([ $name = neumf ] && echo gmf.item || echo item)" \
      --rows "$(seq -s, 0 89)" --json >/dev/null 2>"$work/stderr" &&
    python3 - "$work" <<'PY'
import collections, csv, json, math, sys
work = sys.argv[1]
rows = list(csv.DictReader(open(f"{work}/data.csv")))
had = collections.defaultdict(list)
for row in rows:
    had[row["user"]].append(int(row["item"]))
# Rows are ranks by training frequency, ties by id: the last two of a user are held out.
counts = {int(row["item"]): 0 for row in rows}
for items in had.values():
    for item in items[:-2]:
        counts[item] += 1
item_row = {item: row for row, item in enumerate(sorted(counts, key=lambda i: (-counts[i], i)))}
users = sorted(had, key=lambda u: (-(len(had[u]) - 2), u))
lists = json.load(open(f"{work}/lists.json"))["results"]
short = json.load(open(f"{work}/short.json"))["results"]
assert len(lists) == len(users) == 120
hits = gains = 0.0
for row, (user, answer) in enumerate(zip(users, lists)):
    assert answer["user"] == row
    scores = {item["item"]: item["score"] for item in answer["items"]}
    seen = {item_row[item] for item in had[user][:-1]}
    assert set(scores) == set(range(len(counts))) - seen, user
    order = [(-item["score"], item["item"]) for item in answer["items"]]
    assert order == sorted(order)
    assert short[row]["items"] == answer["items"][:10]
    own = scores[item_row[had[user][-1]]]
    greater = sum(score > own for score in scores.values())
    ties = sum(score == own for score in scores.values()) - 1
    hits += min(max((10 - greater) / (ties + 1), 0.0), 1.0)
    gain = 0.0
    for rank in range(greater + 1, min(10, greater + ties + 1) + 1):
        gain += 1.0 / math.log2(rank + 1.0)
    gains += gain / (ties + 1)
full = json.load(open(f"{work}/evaluate.json"))["full"]
assert (hits / 120, gains / 120) == (full["hr@10"], full["ndcg@10"]), (hits / 120, gains / 120, full)
assert 0 < full["hr@10"] < 1
PY
  ok=$?
  [ $ok -ne 0 ] && cat "$work/stderr"
  verdict $ok "recommend gives the order that evaluate ranks by: $name"
done

# Ids of the data, titles, filters.
"$mgqe" recommend --artifact "$(model gmf)" --user u007 u011 --k 5 --titles "$work/movies.dat" >"$work/table" 2>"$work/stderr" &&
  grep -qE '^u007 +1 +[0-9]+ +-?[0-9.e+-]+  Café [0-9]+, The \(1990\)$' "$work/table" && [ ! -s "$work/stderr" ]
verdict $? "a table with titles out of a Latin-1 movies.dat"
"$mgqe" recommend --artifact "$(model gmf)" --user u007 --k 5 --titles "$work/movies.csv" 2>"$work/stderr" |
  grep -qE '  Café [0-9]+, The "Best" \(1990\)$'
verdict $? "titles out of quoted CSV"
printf '1\tNothing\n2\tNo\n' >"$work/none.tsv"
"$mgqe" recommend --artifact "$(model gmf)" --user u007 --titles "$work/none.tsv" >/dev/null 2>"$work/stderr" &&
  grep -q "none.tsv: none of its 2 lines" "$work/stderr"
verdict $? "titles of other items are said to match none"
"$mgqe" recommend --artifact "$(model gmf)" --user u007 --k 90 --json >"$work/all.json" 2>"$work/stderr" &&
  python3 - "$work" <<'PY'
import json, sys
items = [item["item"] for item in json.load(open(f"{sys.argv[1]}/all.json"))["results"][0]["items"]]
assert len(items) == 90 and all(item % 7 == 1000 % 7 for item in items)
open(f"{sys.argv[1]}/best3.txt", "w").write("".join(f"{item}\n" for item in items[:3]))
open(f"{sys.argv[1]}/allow.txt", "w").write("".join(f"{item}\n" for item in items[1:9:2]))
json.dump(items, open(f"{sys.argv[1]}/order.json", "w"))
PY
verdict $? "ids of the data"
"$mgqe" recommend --artifact "$(model gmf)" --user u007 --k 5 --exclude "$work/best3.txt" --json >"$work/a.json" 2>"$work/stderr" &&
  "$mgqe" recommend --artifact "$(model gmf)" --user u007 --k 5 --allow "$work/allow.txt" --json >"$work/b.json" 2>"$work/stderr" &&
  "$mgqe" recommend --artifact "$(model gmf)" --user u007 --k 5 --allow "$work/best3.txt" --exclude "$work/best3.txt" --json >"$work/c.json" 2>"$work/stderr" &&
  python3 - "$work" <<'PY'
import json, sys
order = json.load(open(f"{sys.argv[1]}/order.json"))
items = lambda name: [i["item"] for i in json.load(open(f"{sys.argv[1]}/{name}.json"))["results"][0]["items"]]
assert items("a") == order[3:8] and items("b") == order[1:9:2] and items("c") == []
PY
verdict $? "items left out and let in; lists are shorter than k where fewer are left"
"$mgqe" recommend --artifact "$(model sasrec)" --user u007 --exclude seen --json >"$work/a.json" 2>"$work/stderr" &&
  history=$(grep '^u007,' "$work/data.csv" | cut -d, -f2 | head -n -1 | paste -sd,) &&
  "$mgqe" recommend --artifact "$(model sasrec)" --history "$history" --exclude seen --json >"$work/b.json" 2>"$work/stderr" &&
  "$mgqe" recommend --artifact "$(model sasrec)" --user u007 --exclude seen --json --histories "$work/sasrec.histories" >"$work/c.json" 2>"$work/stderr" &&
  cmp -s "$work/a.json" "$work/c.json" &&
  python3 - "$work" <<'PY'
import json, sys
a, b = (json.load(open(f"{sys.argv[1]}/{name}.json"))["results"][0]["items"] for name in "ab")
assert a == b and len(a) == 10
PY
verdict $? "a user of sasrec is the history that is stored, by the user's id, too"
printf 'u007\nnobody\nu011\n' >"$work/users.txt"
"$mgqe" recommend --artifact "$(model gmf)" --users "$work/users.txt" --missing skip --json >"$work/a.json" 2>"$work/stderr" &&
  grep -q "1 unknown ids were left out" "$work/stderr" &&
  python3 -c "import json; assert [r['user'] for r in json.load(open('$work/a.json'))['results']] == ['u007', 'u011']"
verdict $? "unknown users are left out on request"
"$mgqe" recommend --artifact "$(model neumf)" --user u007 --shortlist 90 --json >"$work/a.json" 2>"$work/stderr" &&
  "$mgqe" recommend --artifact "$(model neumf)" --user u007 --json >"$work/b.json" 2>"$work/stderr" &&
  python3 - "$work" <<'PY'
import json, sys
a, b = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in "ab")
assert a["approximate"] and not b["approximate"] and a["results"] == b["results"]
PY
verdict $? "a shortlist of all items is exact, and labelled"

# recall ARGS...: what --measure-recall says, and what the lists themselves do.
for exclude in "" "--exclude seen --histories $work/neumf.histories"; do
  for k in 5 20; do
    # shellcheck disable=SC2086
    "$mgqe" recommend --artifact "$(model neumf)" --users <(seq 0 119) --by-row $exclude --k $k --json >"$work/a.json" 2>"$work/stderr" &&
      "$mgqe" recommend --artifact "$(model neumf)" --users <(seq 0 119) --by-row $exclude --k $k --shortlist 25 --json \
        >"$work/b.json" 2>"$work/stderr" &&
      "$mgqe" recommend --artifact "$(model neumf)" $exclude --k $k --shortlist 25 --measure-recall --json >"$work/c.json" 2>"$work/stderr" &&
      python3 - "$work" $k <<'PY'
import json, sys
work, k = sys.argv[1], int(sys.argv[2])
exact, found = ([{item["item"] for item in one["items"]} for one in json.load(open(f"{work}/{x}.json"))["results"]] for x in "ab")
recalls = [len(a & b) / len(a) for a, b in zip(exact, found)]
report = json.load(open(f"{work}/c.json"))
assert (report["k"], report["shortlist"], report["lists"]) == (k, 25, 120), report
assert abs(report["recall"] - sum(recalls) / 120) < 1e-12 and report["least"] == min(recalls), (report, recalls)
assert report["complete_lists"] == recalls.count(1.0)
assert 0 < report["recall"] < 1, report
PY
    verdict $? "recall of a shortlist is what its lists keep: k = $k $exclude"
  done
done
"$mgqe" recommend --artifact "$(model neumf)" --user u007 u011 --shortlist 90 --measure-recall >"$work/table" 2>"$work/stderr" &&
  tail -1 "$work/table" | grep -qE '^ *90 +10 +2 +1\.0000 +1\.0000 +2$'
verdict $? "a table of recall, of users that are named"

# Look-ups and similar items, against what a file of NumPy holds.
"$mgqe" lookup --artifact "$(model gmf)" --table item --ids 1000,1007,1014 --json >"$work/a.json" 2>"$work/stderr" &&
  "$mgqe" lookup --artifact "$(model gmf)" --table item --ids 1000,1007,1014 >"$work/lines" 2>"$work/stderr" &&
  "$mgqe" lookup --artifact "$(model gmf)" --table item --rows "$(seq -s, 0 89)" --npy "$work/rows.npy" 2>"$work/stderr" &&
  for by in cosine dot; do
    "$mgqe" similar --artifact "$(model gmf)" --item 3 --by-row --by $by --k 89 --json >"$work/$by.json" 2>"$work/stderr"
  done && python3 - "$work" <<'PY'
import json, math, struct, sys
work = sys.argv[1]
raw = open(f"{work}/rows.npy", "rb").read()
assert raw[:8] == b"\x93NUMPY\x01\x00"
size = struct.unpack("<H", raw[8:10])[0]
assert (10 + size) % 64 == 0
header = eval(raw[10:10 + size])
assert header == {"descr": "<f4", "fortran_order": False, "shape": (90, 16)}
values = struct.unpack("<1440f", raw[10 + size:])
rows = [values[16 * r:16 * r + 16] for r in range(90)]
single = lambda v: struct.unpack("<f", struct.pack("<f", v))[0]
looked_up = json.load(open(f"{work}/a.json"))["rows"]
assert [row["id"] for row in looked_up] == [1000, 1007, 1014]
for row, line in zip(looked_up, open(f"{work}/lines")):
    numbers = tuple(map(single, row["values"]))
    assert numbers in rows
    assert tuple(single(float(word)) for word in line.split()[1:]) == numbers
dot = lambda a, b: sum(x * y for x, y in zip(a, b))
norm = lambda a: math.sqrt(dot(a, a))
for by, score in (("dot", dot), ("cosine", lambda a, b: dot(a, b) / (norm(a) * norm(b) or 1))):
    items = json.load(open(f"{work}/{by}.json"))["items"]
    assert sorted(item["item"] for item in items) == [r for r in range(90) if r != 3]
    for item in items:
        assert abs(item["score"] - score(rows[3], rows[item["item"]])) < 1e-5, (by, item)
    assert [-i["score"] for i in items] == sorted(-i["score"] for i in items)
PY
verdict $? "look-ups as text, JSON and NumPy; similar items by cosine and dot"
"$mgqe" derive-relevance --data "$work/data.csv" --out "$work/pairs.tsv" --pairs 2000 >/dev/null 2>"$work/stderr" &&
  "$mgqe" train --task relevance --data "$work/pairs.tsv" --model gmf --device cpu --epochs 1 --dim 16 \
    --subspaces 4 --centroids 16,4 --out "$work/relevance" >/dev/null 2>"$work/stderr" &&
  "$mgqe" similar --artifact "$(model relevance)" --item 1007 --k 3 >"$work/table" 2>"$work/stderr" &&
  head -1 "$work/table" | grep -q "model$" && [ "$(wc -l <"$work/table")" -eq 5 ]
verdict $? "similar by a relevance model's own score"
"$mgqe" verify "$(model sasrec)" | grep -q "sasrec artifact of version 3.*good"
verdict $? "verify"

# What cannot be: one line, exit code 2.
gmf=$(model gmf)
"$mgqe" recommend --artifact "$gmf" --user u007 --json >/dev/full 2>"$work/stderr"
[ $? -eq 2 ] && grep -q "^mgqe: standard output could not be written: No space left" "$work/stderr"
verdict $? "a disk that is full"
refuse "nobody is named" "give one of --user, --users and --history" recommend --artifact "$gmf"
refuse "two kinds of askers" "give one of" recommend --artifact "$gmf" --user u007 --history 1000
refuse "unknown user" "no user nobody among the model's 120" recommend --artifact "$gmf" --user nobody
refuse "unknown row" "no user row 120: rows are 0 to 119" recommend --artifact "$gmf" --user 120 --by-row
refuse "a row that is no number" "no user row 1x" recommend --artifact "$gmf" --user 1x --by-row
refuse "a history for gmf" "gmf model knows its users and reads no history" recommend --artifact "$gmf" --history 1000
refuse "unknown item of a history" "no item 5 among" recommend --artifact "$(model sasrec)" --history 1000,5
refuse "k of 0" "--k 0 is out of range: 1 to" recommend --artifact "$gmf" --user u007 --k 0
refuse "recall of exact lists" "lists of a gmf model are exact" recommend --artifact "$gmf" --shortlist 50 --measure-recall
refuse "recall of no shortlist" "asks for --shortlist" recommend --artifact "$(model neumf)" --measure-recall
refuse "a shortlist of gmf" "shortlist is for models whose scores are no dot products" recommend --artifact "$gmf" --user u007 --shortlist 50
refuse "a device that is none" "--device gpu is unknown" recommend --artifact "$gmf" --user u007 --device gpu
refuse "a device for all items of neumf" "all items scored by the CPU; with --shortlist" recommend --artifact "$(model neumf)" --user u007 --device auto
refuse "a device for cosines" "--by cosine is of the CPU" similar --artifact "$gmf" --item 1000 --device auto
refuse "no list to exclude" "no_list.*no such file" recommend --artifact "$gmf" --user u007 --exclude "$work/no_list"
refuse "a relevance model" "relevance.*does not recommend" recommend --artifact "$(model relevance)" --user u007
head -800 "$work/data.csv" >"$work/other.csv"
refuse "other data" "other data than --data" recommend --artifact "$gmf" --user u007 --exclude seen --data "$work/other.csv"
refuse "histories of another model" "histories of other data" recommend --artifact "$(model relevance)" --user u007 --exclude seen --histories "$work/gmf.histories"
refuse "histories and data" "both given" recommend --artifact "$gmf" --user u007 --exclude seen --data x --histories "$work/gmf.histories"
printf "1000\tA\n1007\n" >"$work/bad.tsv"
refuse "titles without a title" "bad.tsv:2: no title" recommend --artifact "$gmf" --user u007 --titles "$work/bad.tsv"
refuse "unknown table" "items" lookup --artifact "$gmf" --table items --rows 0
refuse "no such row" "no item row 90: rows are 0 to 89" lookup --artifact "$gmf" --table item --rows 90
refuse "nothing to look up" "give one of --ids" lookup --artifact "$gmf" --table item
refuse "unknown likeness" "by euclid is unknown" similar --artifact "$gmf" --item 1000 --by euclid
refuse "likeness of a ranking model" "only a relevance model" similar --artifact "$gmf" --item 1000 --by model
refuse "a file that is none" "nothing.safetensors" verify "$work/nothing.safetensors"
head -c 3000 "$gmf" >"$work/cut.safetensors"
refuse "a file cut short" "cut.safetensors" verify "$work/cut.safetensors"
python3 - "$gmf" "$work/flipped.safetensors" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-5] ^= 1
open(sys.argv[2], "wb").write(data)
PY
refuse "a flipped bit" "flipped.safetensors.*checksum" verify "$work/flipped.safetensors"
refuse "histories until never" "--until never is unknown" histories --artifact "$gmf" --out "$work/x" --until never
refuse "serve: a port that is none" "--port 70000 is out of range" serve --artifact "$gmf" --port 70000
refuse "serve: no artifact" "nothing.safetensors" serve --artifact "$work/nothing.safetensors" --port 0
for command in recommend similar lookup verify histories serve; do
  "$mgqe" $command --help | grep -qE "examples?:" && "$mgqe" help $command | grep -qE "^ *mgqe $command"
  verdict $? "help of $command"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
