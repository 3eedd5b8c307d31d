"""What a step's output says, in the few words that the page has room for. Each reader takes the
text and a function that fills "{out}" in, and returns words and figures."""

import glob
import json
import re


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def last_line(text, _):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "", {}


def tests_of(path):
    """Of GoogleTest's JSON."""
    def read(_, fill):
        report = read_json(fill(path))
        cases = [case for suite in report["testsuites"] for case in suite["testsuite"]]
        skipped = [case for case in cases if case.get("result") == "SKIPPED"]
        failed = [f'{case["classname"]}.{case["name"]}' for case in cases if case.get("failures")]
        done = len(cases) - len(skipped)
        words = f"{done - len(failed)} of {done} passed, {len(skipped)} skipped"
        if failed:
            words += "; failed: " + ", ".join(failed[:5]) + (" ..." if len(failed) > 5 else "")
        return words, {"passed": done - len(failed), "failed": failed, "skipped": len(skipped)}
    return read


def sanitizer(text, _):
    found = re.findall(r"(?:ERROR|RACECHECK|LEAK) SUMMARY: .*", text)
    first = re.search(r"^=+ (?:Invalid|Error|Potential|Uninitialized|Barrier).*", text, re.M)
    words = "; ".join(found) if found else "no summary"
    return words + (f"; first: {first.group(0).strip('= ')}" if first else ""), {"summary": found}


def result_of(folder):
    """Of a run's result.json."""
    def read(_, fill):
        result = read_json(fill(folder) + "/result.json")
        test = result["test"]
        full = test.get("full", {}).get("hr@10")
        words = f"full HR@10 {full:.4f}" if full is not None else f'RMSE {test["rmse"]:.4f}'
        seconds = result["seconds"]["train"]
        words += f', {len(result["train_loss"])} epochs in {seconds:.1f} s on {result["device"]}'
        return words, {"test": test, "seconds": result["seconds"]}
    return read


def ops_of(_, fill):
    records = read_json(fill("{out}") + "/ops.json")
    shares = sorted((record["share"], record["op"]) for record in records
                    if record.get("share") is not None)
    if not shares:
        return f"{len(records)} ops", {}
    middle = shares[len(shares) // 2][0]
    lowest = ", ".join(f"{op} {share:.0%}" for share, op in shares[:3])
    return f"{len(records)} ops, median {middle:.0%} of their limit; lowest: {lowest}", {}


def step_of(path):
    def read(_, fill):
        record = read_json(fill(path))
        record = record[0] if isinstance(record, list) else record
        return (f'{1e6 * record["seconds_per_step"]:.1f} us a step, '
                f'{record["samples_per_second"]:.3g} samples/s', {})
    return read


def runs_of(folder):
    def read(text, fill):
        runs = glob.glob(fill(folder) + "/*.json")
        seconds = [read_json(run)["seconds"]["train"] for run in runs]
        if not runs:
            return "no run was finished", {"runs": 0}
        return (f"{len(runs)} runs, {sum(seconds) / len(seconds):.1f} s of training each",
                {"runs": len(runs)})
    return read
