#!/usr/bin/env bash
# Grids of tiny runs: killed at any moment they go on without losing a finished run, several share a
# store, a run that fails takes no other with it, and bad input is one line.
set -u
bin=$(realpath "${1:?build folder}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
refuse() { # refuse NAME PATTERN PROGRAM ARGS...: exit code 2 and one line on stderr that matches
  local name=$1 pattern=$2 program=$3
  shift 3
  "$bin/$program" "$@" >/dev/null 2>"$work/stderr"
  [ $? -eq 2 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr"
  local ok=$?
  [ $ok -ne 0 ] && cat "$work/stderr"
  verdict $ok "$name"
}
stored() { find "$1" -maxdepth 1 -name '*.json' 2>/dev/null | wc -l; }
cd "$work" || exit 1

# epochs N FILE: the overrides that make runs tiny
epochs() {
  cat >"$2" <<JSON
{"data": {"name": "synthetic", "synthetic_users": 100, "synthetic_items": 60, "synthetic_actions": 10},
 "model": {"max_length": 10}, "train": {"epochs": $1}}
JSON
}
epochs 1 tiny.json
grid="$bin/figure2 --tasks gmf --device cpu --jobs 2 --no-report"

# Killed again and again, it goes on where it stopped: what was stored stays, byte for byte. Each time
# a run or a few are finished first, however slow the machine, so that there is an end to it.
epochs 40 slow.json
killed=0 lost=0
for _ in $(seq 26); do
  # shellcheck disable=SC2086
  setsid $grid --seeds 1 --store store --config slow.json >stdout 2>stderr &
  grid_pid=$!
  before=$(stored store)
  more=$((1 + RANDOM % 3))
  for _ in $(seq 2000); do
    [ "$(stored store)" -ge $((before + more)) ] && break
    kill -0 $grid_pid 2>/dev/null || break
    sleep 0.05
  done
  kill -KILL $grid_pid 2>/dev/null && killed=$((killed + 1))
  wait $grid_pid 2>/dev/null
  [ "$(stored store)" -ge "$before" ] || lost=1
  [ -e sums ] && { sha256sum --quiet -c sums || lost=1; }
  sha256sum store/*.json >sums 2>/dev/null
  [ "$(stored store)" -eq 26 ] && break
done
[ $killed -ge 2 ] && [ $lost -eq 0 ] && [ "$(stored store)" -eq 26 ]
verdict $? "killed $killed times, $(stored store) of 26 runs, none lost"
# shellcheck disable=SC2086
$grid --seeds 1 --store store --config slow.json >stdout 2>stderr
[ $? -eq 0 ] && grep -q "26 of 26 runs are stored, 0 of them made now" stdout && [ ! -s stderr ] &&
  [ -z "$(ls store/.work store/.claims 2>/dev/null | grep -v :)" ]
verdict $? "nothing is made twice, and nothing lies about"
python3 - store/*.json <<'PY'
import json, sys
for path in sys.argv[1:]:
    run = json.load(open(path))
    assert len(run["train_loss"]) == run["epochs"] == 40 and run["numerics_version"] >= 1
    assert run["command"].startswith("build/release/mgqe train --data synthetic ")
    assert {"sampled", "full"} <= set(run["test"]) == set(run["valid"])
PY
verdict $? "every stored run is whole"

# Runs that would go on for hours end with a grid that is killed, and are taken over by the next.
epochs 100000 long.json
long=long-$$
running() { grep -ls "$long/.wor[k]/" /proc/[0-9]*/cmdline | wc -l; } # [k]: not the grep itself
# shellcheck disable=SC2086
setsid $grid --only 'full-d(8|16)' --seeds 1 --store "$long" --config long.json >/dev/null 2>&1 &
grid_pid=$!
for _ in $(seq 600); do [ "$(running)" -eq 2 ] && break; sleep 0.1; done
before=$(running)
kill -KILL $grid_pid
wait $grid_pid 2>/dev/null
for _ in $(seq 300); do [ "$(running)" -eq 0 ] && break; sleep 0.1; done
[ "$before" -eq 2 ] && [ "$(running)" -eq 0 ] && [ "$(find "$long/.claims" -name '*.claim' | wc -l)" -eq 2 ]
verdict $? "no run outlives a grid that was killed"
# shellcheck disable=SC2086
setsid $grid --only 'full-d(8|16)' --seeds 1 --store "$long" --config long.json >/dev/null 2>&1 &
grid_pid=$!
for _ in $(seq 600); do [ "$(running)" -eq 2 ] && break; sleep 0.1; done
before=$(running)
[ "$(find "$long/.work" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]
swept=$?
kill -TERM $grid_pid
wait $grid_pid 2>/dev/null
[ "$before" -eq 2 ] && [ $swept -eq 0 ]
verdict $? "its claims are taken over, and what it left is swept"

# A stored run is the run that its command makes.
run=$(ls store/synthetic-gmf-mgqe-*.json | head -1)
command=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["command"])' "$run")
mkdir -p build
ln -sfn "$bin" build/release
$command --device cpu >/dev/null && python3 - "$run" runs/*/result.json <<'PY'
import json, sys
stored, again = (json.load(open(path)) for path in sys.argv[1:])
near = lambda a, b: all(abs(x - y) <= 1e-5 * abs(y) for x, y in zip(a, b, strict=True))
figures = lambda run: [run[s][p][f] for s in ("valid", "test") for p in ("sampled", "full") for f in ("hr@10", "ndcg@10")]
sys.exit(not (near(stored["train_loss"], again["train_loss"]) and near(figures(stored), figures(again))
              and stored["size"]["formula_bits"] == again["size"]["formula_bits"]))
PY
verdict $? "the command of a stored run repeats it"

# Two share a store: together they make each run once.
# shellcheck disable=SC2086
$grid --seeds 1..2 --store shared --config tiny.json >first 2>&1 &
# shellcheck disable=SC2086
$grid --seeds 1..2 --store shared --config tiny.json >second 2>&1
wait
made() { grep -oE '[0-9]+ of them made now' "$1" | cut -d' ' -f1; }
[ "$(stored shared)" -eq 52 ] && [ $(($(made first) + $(made second))) -eq 52 ]
verdict $? "two grids on one store make 52 runs: $(made first) and $(made second)"

# What figure2 has stored, figure3 and ablation find.
"$bin/figure3" --no-report --tasks gmf --seeds 1 --store shared --config tiny.json --device cpu >stdout
grep -q "2 of 2 runs are stored, 0 of them made now" stdout
verdict $? "figure3 finds the runs of figure2"
"$bin/ablation" --no-report --studies tiers,tables --seeds 1 --store shared --config tiny.json --device cpu >stdout
grep -q "6 of 6 runs are stored, 4 of them made now" stdout
verdict $? "ablation finds those it shares"
"$bin/figure2" --tasks gmf --seeds 1..3 --store shared --config tiny.json --list >stdout
[ "$(grep -c ^stored stdout)" -eq 52 ] && [ "$(grep -c ^missing stdout)" -eq 26 ]
verdict $? "--list tells stored from missing"

# The report of what is stored, by any of the three, and by a grid at its end.
if command -v gnuplot >/dev/null; then
  "$bin/figure3" --report-only --store shared --config tiny.json --report told >stdout &&
    grep -q "^report   told/report.html" stdout && grep -q "mgqe D=32" told/report.md &&
    [ -s told/report.html ] && [ -s told/figures/figure2-gmf.svg ]
  verdict $? "--report-only writes the report"
  cp -r shared again
  "$bin/figure2" --tasks gmf --seeds 1 --store again --config tiny.json --report at-the-end >stdout &&
    grep -q "26 of 26 runs are stored" stdout && [ -s at-the-end/report.md ]
  verdict $? "a grid ends with the report"
fi
PATH=/nowhere "$bin/figure2" --tasks gmf --seeds 1 --store none >/dev/null 2>stderr
[ $? -eq 2 ] && grep -q "gnuplot is missing.*gnuplot-nox.*--no-report" stderr && [ ! -e none ]
verdict $? "without gnuplot, one line before anything is run"
"$bin/figure2" --report-only --no-report >/dev/null 2>stderr
[ $? -eq 2 ]
verdict $? "--report-only with --no-report"

# Other code, other keys: a stored run of another numerics version is never taken.
sed -i 's/"numerics_version": [0-9]*/"numerics_version": 999/' shared/synthetic-gmf-full-seed1-*.json
refuse "a file that is not what its name says" "another numerics version.*remove the file" figure2 \
  --tasks gmf --seeds 1 --store shared --config tiny.json

# Runs that fail: a learning rate at which the loss is soon not finite.
cat >diverging.json <<'JSON'
{"data": {"name": "synthetic", "synthetic_users": 100, "synthetic_items": 60, "synthetic_actions": 10},
 "train": {"epochs": 3, "lr": 1e30, "optimizer": "sgd"}}
JSON
"$bin/figure2" --tasks gmf --only 'full-d(32|64)' --seeds 1 --store diverged --config diverging.json \
  --device cpu --no-report >stdout 2>stderr
[ $? -eq 1 ] && [ "$(grep -c '^failed: gmf/full-d.* seed 1: ' stdout)" -eq 2 ] && [ "$(wc -l <stderr)" -eq 1 ] &&
  [ "$(stored diverged)" -eq 0 ]
verdict $? "failed runs are told of one by one, and stored by none"
mkdir -p part
cp shared/synthetic-gmf-full-seed2-*.json part/
# shellcheck disable=SC2086
$grid --only 'full-d' --seeds 2 --store part --config tiny.json >stdout
grep -q "4 of 4 runs are stored, 0 of them made now" stdout
verdict $? "a copied store is a store"

# A budget stops what would pass it, and says what is left.
# shellcheck disable=SC2086
$grid --seeds 1 --store budget --config tiny.json --budget 0.01 >stdout
grep -qE "0 of 26 runs are stored.*26 are left by --budget, the first gmf/full-d8 seed 1" stdout
verdict $? "a budget too small for any run"

# An interrupt: nothing half written, no claim left, and the word that it goes on.
# shellcheck disable=SC2086
setsid $grid --seeds 1..10 --store interrupted --config slow.json >stdout 2>stderr &
grid_pid=$!
for _ in $(seq 1200); do [ "$(stored interrupted)" -ge 2 ] && break; sleep 0.05; done
kill -TERM $grid_pid
wait $grid_pid
[ $? -eq 0 ] && grep -q "goes on where this one stopped" stderr && [ "$(wc -l <stderr)" -eq 1 ] &&
  [ -z "$(ls interrupted/.work interrupted/.claims | grep -v :)" ]
verdict $? "an interrupt leaves no claim and no work behind"

refuse "an unknown task" "--tasks ncf is unknown: choose among .*gmf" figure2 --tasks ncf
refuse "an unknown study" "--studies depth is unknown: choose among variant" ablation --studies depth
refuse "an --only that matches nothing" "--only mgqe-D7: matches no point; .*gmf/full-d8" figure2 --tasks gmf --only mgqe-D7
refuse "an --only that is no expression" "--only \(: not an extended regular expression" figure2 --only '('
refuse "seeds that are none" "--seeds 5..1" figure3 --seeds 5..1
refuse "a budget of nothing" "--budget 0 must be" figure2 --budget 0
refuse "no jobs" "--jobs 0 must be 1 or more" figure2 --jobs 0
refuse "D of 0" "--subspaces 0 must be 1 or more" figure2 --subspaces 0
refuse "a config that is not there" "absent.json: cannot be read" figure2 --config absent.json
echo '{"train": {"epoch": 3}}' >wrong.json
refuse "a config with an unknown field" "wrong.json: unknown field train.epoch" figure2 --config wrong.json
for program in figure2 figure3 ablation; do
  "$bin/$program" --help | grep -q "^examples:"
  verdict $? "$program --help has examples"
done

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
