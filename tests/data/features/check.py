#!/usr/bin/env python3
"""Checks the format of the gold set of job texts and prints its counts.

    check.py [DIR]        DIR holds tune/ and held_out/; default: features/ beside this file

Exits with 1 and one line per fault when the set breaks its format (README.md of the set).
"""
import collections
import pathlib
import re
import sys

import yaml

CLASSES = ["cpu", "memory", "io", "network", "gpu"]
TEXT_KEYS = {"name", "description", "script", "command", "image"}
ENTRY_KEYS = {"id", "language", "expect"} | TEXT_KEYS
STATED_COUNTS = {"cores", "gpus", "parallelism"}
STATED_SIZES = {"memory", "storage", "gpuMemory"}
STATED_KEYS = STATED_COUNTS | STATED_SIZES | {"gpuKind", "duration"}
LIST_KEYS = {"inputs", "outputs", "intermediate", "models"}
EXPECT_KEYS = {"class", "also", "stated", "modelMemory", "dataSizes", "permits"} | LIST_KEYS
PERMIT_KEYS = {"class", "modelMemory", "dataSizes"} | LIST_KEYS | STATED_KEYS
SIZE = re.compile(r"[1-9]\d*(\.\d)?(Ki|Mi|Gi|Ti)|0\.[1-9](Ki|Mi|Gi|Ti)")
DURATION = re.compile(r"(?=.)([1-9]\d*d)?([1-9]\d*h)?([1-9]\d*m)?([1-9]\d*s)?")
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CJK = re.compile(r"[\u4e00-\u9fff]")
LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
DIRECTIVES = {
    "slurm": re.compile(r"^#SBATCH\s", re.M),
    "pbs": re.compile(r"^#PBS\s", re.M),
    "lsf": re.compile(r"^#BSUB\s", re.M),
    "sge": re.compile(r"^#\$\s", re.M),
    "hyperqueue": re.compile(r"^#HQ\s", re.M),
}
SCALARS = ["cores", "memory", "storage", "gpus", "gpuMemory", "gpuKind", "duration", "parallelism"]
MIN_PER_PART = {
    "texts": 150, "chinese": 30, "nothing": 20, "directives": 50, "descriptions only": 50
}
MAX_PER_FILE = 25

faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def whole_text(entry):
    parts = [str(entry[k]) for k in ("name", "description", "script", "image") if k in entry]
    parts += entry.get("command", [])
    parts.append(" ".join(entry.get("command", [])))
    return "\n".join(parts)


def check_text(where, entry):
    for key in sorted(set(entry) - ENTRY_KEYS):
        fault(where, f"unknown key {key!r}")
    if not ID.fullmatch(str(entry.get("id", ""))):
        fault(where, "id is not kebab-case")
    if not set(entry) & (TEXT_KEYS - {"image"}):
        fault(where, "no text")
    for key in ("name", "description", "script", "image"):
        if key in entry and (not isinstance(entry[key], str) or not entry[key].strip()):
            fault(where, f"{key} is not a text (quote it)")
    command = entry.get("command", ["x"])
    if not (isinstance(command, list) and command and all(isinstance(a, str) for a in command)):
        fault(where, f"command is not a list of strings (quote numbers): {command}")
        return False
    language = entry.get("language")
    if language not in ("en", "zh", "mixed"):
        fault(where, f"unknown language {language!r}")
    has_chinese = bool(CJK.search(whole_text(entry)))
    if has_chinese != (language != "en"):
        fault(where, f"language {language} but {'has' if has_chinese else 'has no'} Chinese")
    if language == "mixed" and not LATIN_WORD.search(whole_text(entry)):
        fault(where, "mixed but has no English")
    return True


def check_expect(where, entry):
    expect = entry.get("expect")
    if not isinstance(expect, dict):
        fault(where, "no expect")
        return
    for key in sorted(set(expect) - EXPECT_KEYS):
        fault(where, f"unknown key expect.{key}")
    if "class" in expect and expect["class"] not in CLASSES:
        fault(where, f"unknown class {expect['class']!r}")
    also = expect.get("also", [])
    if also and "class" not in expect:
        fault(where, "also without class")
    if not isinstance(also, list) or set(also) - set(CLASSES) or expect.get("class") in also:
        fault(where, f"bad also {also}")
    stated = expect.get("stated", {})
    if not isinstance(stated, dict) or ("stated" in expect and not stated):
        fault(where, "bad stated")
        stated = {}
    for key, value in stated.items():
        if key not in STATED_KEYS:
            fault(where, f"unknown key stated.{key}")
        elif key in STATED_COUNTS and (type(value) is not int or value < 1):
            fault(where, f"stated.{key} {value!r} is not a count")
        elif key in STATED_SIZES and not SIZE.fullmatch(str(value)):
            fault(where, f"stated.{key} {value!r} is not a size")
        elif key == "duration" and not DURATION.fullmatch(str(value)):
            fault(where, f"stated.duration {value!r} is not a duration")
        elif key == "gpuKind" and not (isinstance(value, str) and value):
            fault(where, f"stated.gpuKind {value!r} is not a name")
    if "modelMemory" in expect and not SIZE.fullmatch(str(expect["modelMemory"])):
        fault(where, f"modelMemory {expect['modelMemory']!r} is not a size")
    text = whole_text(entry)
    named = set()
    for key in sorted(LIST_KEYS & set(expect)):
        values = expect[key]
        if not (isinstance(values, list) and values and all(isinstance(v, str) for v in values)):
            fault(where, f"{key} is not a list of names")
            continue
        if len(set(values)) != len(values):
            fault(where, f"{key} names one thing twice")
        if key != "models":
            if named & set(values):
                fault(where, f"{key} repeats {sorted(named & set(values))}")
            named |= set(values)
        for value in values:
            if value not in text:
                fault(where, f"{key}: {value!r} is not in the text")
    for name, size in expect.get("dataSizes", {}).items():
        if name not in named:
            fault(where, f"dataSizes: {name!r} is not among inputs, outputs, intermediate")
        if not SIZE.fullmatch(str(size)):
            fault(where, f"dataSizes: {size!r} is not a size")
    permits = expect.get("permits", [])
    for field in permits:
        if field not in PERMIT_KEYS:
            fault(where, f"permits an unknown field {field!r}")
        if field in expect or field in stated:
            fault(where, f"permits {field}, which is labelled")
    if "permits" in expect and not permits:
        fault(where, "empty permits")


def count(part, entries):
    kinds = collections.Counter()
    classes = collections.Counter()
    fields = collections.Counter()
    permits = collections.Counter()
    for entry in entries:
        expect = entry.get("expect") or {}
        kinds["texts"] += 1
        if entry.get("language") in ("zh", "mixed"):
            kinds["chinese"] += 1
            kinds["of these mixed"] += entry["language"] == "mixed"
        if not expect:
            kinds["nothing"] += 1
        schedulers = [s for s, r in DIRECTIVES.items() if r.search(entry.get("script", ""))]
        kinds["directives"] += bool(schedulers)
        for scheduler in schedulers:
            kinds[scheduler] += 1
        kinds["descriptions only"] += "script" not in entry and "command" not in entry
        kinds["with command"] += "command" in entry
        kinds["with image"] += "image" in entry
        kinds["with modelMemory"] += "modelMemory" in expect
        if expect:
            classes[expect.get("class", "none")] += 1
        for field in SCALARS:
            fields[field] += field in expect.get("stated", {})
        for field in sorted(LIST_KEYS | {"dataSizes"}):
            fields[field] += field in expect
        permits.update(expect.get("permits", []))
    for name, counts in (
        ("kinds", kinds), ("class", classes), ("labels", fields), ("permits", permits)
    ):
        print(f"{part} {name}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))
    print(f"{part} numbers that the text states: {sum(fields[f] for f in SCALARS)}")
    for kind, least in MIN_PER_PART.items():
        if kinds[kind] < least:
            fault(part, f"{kind} {kinds[kind]}, at least {least} wanted")


def main():
    here = pathlib.Path(__file__).parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "features"
    seen = {}
    texts = {}
    for part in ("tune", "held_out"):
        entries = []
        for path in sorted((root / part).glob("*.yaml")):
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
            if len(loaded) > MAX_PER_FILE:
                fault(path.name, f"{len(loaded)} texts")
            for entry in loaded:
                where = f"{part}/{path.name} {entry.get('id')}"
                if entry.get("id") in seen:
                    fault(where, f"id is also in {seen[entry['id']]}")
                seen[entry.get("id")] = where
                if check_text(where, entry):
                    check_expect(where, entry)
                    body = whole_text(entry).strip()
                    if body in texts:
                        fault(where, f"same text as {texts[body]}")
                    texts[body] = where
                entries.append(entry)
        count(part, entries)
    for line in faults:
        print(line, file=sys.stderr)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
