#!/usr/bin/env bash
# tests/gpu.sh as its user meets it. Where the build has the simulated device every stage runs on it,
# with stand-ins for what comes with a driver; elsewhere programs are stand-ins too, and what is tested
# is the order, the time, going on, and the page.
# usage: gpu_test.sh BUILD_FOLDER
set -u
build=$(cd "${1:?build folder}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
gpu=$here/../gpu.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$here/stand_ins:$PATH"
unset MGQE_DATA_DIR
passed=0 failed=0
verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
refused() { # refused NAME PATTERN ARGUMENT...
  local name=$1 pattern=$2
  shift 2
  "$gpu" --out "$work/refused" "$@" >"$work/said" 2>&1
  [ $? -eq 2 ] && tail -1 "$work/said" | grep -qE -- "$pattern" && [ ! -e "$work/refused" ]
  verdict $? "$name is refused"
}
# outcomes STAGE: the outcome of each of its steps
outcomes() {
  python3 -c 'import json, sys
print(" ".join(step["outcome"].replace(" ", "_") for step in json.load(open(sys.argv[1]))["steps"]))' \
    "$work/out/$1.json"
}

refused "a stage that is not known" "unknown: choose probe, tests" --stage speed --build "$work"
refused "a folder without programs" "has no mgqe" --build "$work"
refused "no time" "greater than 0" --minutes 0 --build "$work"

# ---- programs that say what they are told to
mkdir "$work/bin"
cat >"$work/bin/program" <<'SH'
#!/usr/bin/env bash
# mgqe, bench_ops and the tests, as far as the stages read them.
echo "$(basename "$0") $*" >>"$(dirname "$0")/calls"
case $* in --version) echo "mgqe, built from commit ${COMMIT:-0123}"; exit 0 ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    --out) mkdir -p "$2"
      echo '{"test": {"full": {"hr@10": 0.5}}, "seconds": {"train": 1}, "train_loss": [1, 2], "device": "cuda"}' >"$2/result.json" ;;
    --json) echo '[{"op": "gather", "share": 0.5}]' >"$2" ;;
    --gtest_output=json:*)
      case $0 in
        *engine_test) result='"failures": [{}]' code=1 ;;
        *models_test) sleep 60 ;;
        *) result='"result": "COMPLETED"' code=0 ;;
      esac
      echo '{"testsuites": [{"testsuite": [{"classname": "A", "name": "B", '"$result"'}]}]}' >"${1#--gtest_output=json:}"
      exit $code ;;
  esac
  shift
done
SH
chmod +x "$work/bin/program"
for name in mgqe bench_ops bench_train figure2 base_test packed_test engine_test models_test \
  train_test comm_test ranks_test; do
  ln -s program "$work/bin/$name"
done
run() { "$gpu" --build "$work/bin" --out "$work/out" "$@" >"$work/said" 2>&1; }

run --stage probe --minutes 1
verdict $? "probe"
[ "$(outcomes probe)" = "passed passed passed" ] && grep -q "full HR@10 0.5000, 2 epochs" "$work/out/page.md" &&
  grep -q "median 50% of their limit" "$work/out/page.md"
verdict $? "the page says what was measured"
: >"$work/bin/calls"
run --stage probe --minutes 1 && ! grep -q train "$work/bin/calls"
verdict $? "what was done is not repeated"
COMMIT=4567 run --stage probe --minutes 1 && grep -q train "$work/bin/calls"
verdict $? "another commit begins anew"
run --stage tests --minutes 0.6
[ $? -eq 0 ] && [ "$(outcomes tests)" = "passed passed no_time no_time no_time passed no_time" ]
verdict $? "what does not fit is left, shorter steps are not"
python3 - "$here" "$work" <<'PY'
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import first_hour, stages
folder = pathlib.Path(sys.argv[2])
step = stages.Step("long", ["bash", "-c", "sleep 100 & sleep 100"], 1)
record = first_hour.run_step(step, folder, 0.5)
assert record["outcome"] == "cut" and record["seconds"] < 5, record
step = stages.Step("absent", ["ls"], 1, needs="a-program-that-is-not-there")
assert first_hour.run_step(step, folder, 5)["outcome"] == "absent"
step = stages.Step("failing", ["bash", "-c", "echo why >&2; exit 3"], 1)
record = first_hour.run_step(step, folder, 5)
assert (record["outcome"], record["words"], record["exit_code"]) == ("failed", "why", 3), record
PY
verdict $? "a step is cut, missing or failed, and says so"
run --stage tests --minutes 10 --fresh &
job=$!
for _ in $(seq 200); do grep -q "models_test" "$work/bin/calls" && break; sleep 0.1; done
sleep 0.3
kill -TERM $job; pkill -f "$work/bin/models_test"; wait $job 2>/dev/null
grep -q '"failed"' "$work/out/tests.json" && grep -q "A.B" "$work/out/tests.json"
verdict $? "a run that is stopped keeps what was done, failures by name"
[ -z "$(find "$work/out" -name '*.part')" ]
verdict $? "nothing half-written"

# ---- the simulated device
if grep -q "^MGQE_CUDA:[A-Z]*=simulated" "$build/CMakeCache.txt"; then
  rm -rf "$work/out"
  "$gpu" --quick --build "$build" --out "$work/out" --grid-minutes 0.5 --minutes 30 \
    --stage probe --stage sanitizer --stage equality --stage training --stage bench --stage profile \
    >"$work/said" 2>&1
  ok=$?
  [ $ok -ne 0 ] && grep -E "failed|cut|Error" "$work/said"
  verdict $ok "every stage on the simulated device"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
