#!/usr/bin/env python3
"""Adds up what a test run did, case by case, and decides whether it counts as passed.

Reads ctest's JUnit file, and for each test in it the JUnit file of the same name that the test
itself wrote in RESULTS, if any. So a GoogleTest binary of forty cases counts forty; a binary that
crashed, or that failed although each of its cases passed (a leak, an abort on exit), counts as one
failure more; a test that reports no cases counts one.

A skip is only a skip when SKIPS lists it with its reason; any other is a failure. Lines of SKIPS:
    test.Suite.Case: reason        (shell patterns may be used in the name; # starts a comment)

Prints each failure and skip, and ends with "N passed, N failed, N skipped"; writes that line to
RESULTS/summary.txt too. Exits 1 when something failed or nothing ran.

Usage: count_tests.py CTEST.xml RESULTS SKIPS
"""
import fnmatch
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def read_skips(path):
    skips = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        pattern, colon, reason = line.partition(": ")
        if not colon or not reason.strip():
            sys.exit(f"{path}:{number}: expected 'test.Suite.Case: reason'")
        skips.append((pattern.strip(), reason.strip()))
    return skips


def outcome_of(case):
    """'failed', 'skipped' or 'passed', and what is said about it."""
    for kind, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        element = case.find(kind)
        if element is not None:
            lines = (element.get("message") or element.text or "").strip().splitlines()
            return outcome, lines[0] if lines else ""
    if case.get("status") in ("notrun", "disabled"):
        return "skipped", "disabled"
    return "passed", ""


def own_cases(path, test):
    """[(name, outcome, text)] from the file that the test wrote; empty when it wrote none."""
    if not path.is_file():
        return []
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        return [(test, "failed", f"its report {path} is cut off: {error}")]
    cases = []
    for case in root.iter("testcase"):
        owner = (case.get("classname") or "").rpartition(".")[2]
        cases.append((f"{test}.{owner}.{case.get('name')}", *outcome_of(case)))
    return cases


def count(ctest_file, results, skips_file):
    skips = read_skips(skips_file)
    if not ctest_file.is_file():
        print(f"{ctest_file} is missing: ctest did not finish")
        return 0, 1, 0
    rows = []
    for test in ElementTree.parse(ctest_file).getroot().iter("testcase"):
        name, status = test.get("name"), test.get("status")
        cases = own_cases(results / f"{name}.xml", name)
        ended_well = status == "run" and test.find("failure") is None
        rows += cases
        if not ended_well and not any(outcome == "failed" for _, outcome, _ in cases):
            failure = test.find("failure")
            said = (failure.get("message") if failure is not None else "") or status
            after = f", after {len(cases)} cases that passed" if cases else ""
            rows.append((name, "failed", f"the test as a whole: {said}{after}"))
        elif ended_well and not cases:
            if (results / f"{name}.xml").is_file():
                rows.append((name, "failed", "ran no case"))
            else:
                rows.append((name, "passed", ""))
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome, text in rows:
        if outcome == "skipped":
            reason = next((r for pattern, r in skips if fnmatch.fnmatchcase(name, pattern)), None)
            if reason is None:
                outcome, text = "failed", f"skipped ({text}), and {skips_file} does not list it"
            else:
                text = reason
        totals[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {name}: {text}")
    return totals["passed"], totals["failed"], totals["skipped"]


def main(ctest_file, results, skips_file):
    passed, failed, skipped = count(ctest_file, results, skips_file)
    if passed + failed == 0:
        print("no test ran")
        failed = 1
    summary = f"{passed} passed, {failed} failed, {skipped} skipped"
    (results / "summary.txt").write_text(summary + "\n")
    print(summary)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*map(pathlib.Path, sys.argv[1:])))
