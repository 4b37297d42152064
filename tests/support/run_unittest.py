#!/usr/bin/env python3
"""Runs the unittest cases of one file and writes what happened as JUnit XML.

Usage: run_unittest.py FILE.py RESULT.xml [unittest arguments]
Exits 0 when no case failed, and 1 otherwise or when there was none.
"""
import importlib.util
import pathlib
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree

# Reports must be XML whatever a test printed: these characters may not occur in it, even escaped.
FORBIDDEN = {c: "\N{REPLACEMENT CHARACTER}" for c in range(32) if chr(c) not in "\t\n\r"}


class Recorder(unittest.TextTestResult):
    """Prints as usual, and keeps (name, class, seconds, kind, text) of each case; kind is '' for a pass."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.rows = []
        self.started = {}

    def startTest(self, test):
        self.started[test.id()] = time.monotonic()
        super().startTest(test)

    def record(self, test, kind, text=""):
        owner, _, name = test.id().rpartition(".")
        seconds = time.monotonic() - self.started.get(test.id(), time.monotonic())
        self.rows.append((name, owner, seconds, kind, text))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.record(test, "")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.record(test, "failure", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.record(test, "failure", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.record(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.record(test, "")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.record(test, "failure", "passed, but is marked as an expected failure")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.record(subtest, "failure", self._exc_info_to_string(err, test))


def write_junit(rows, suite_name, path):
    suite = ElementTree.Element("testsuite", name=suite_name, tests=str(len(rows)))
    for name, owner, seconds, kind, text in rows:
        case = ElementTree.SubElement(suite, "testcase", name=name, classname=owner,
                                      time=f"{seconds:.3f}")
        if kind:
            clean = text.translate(FORBIDDEN)
            last_line = clean.strip().rpartition("\n")[2]
            ElementTree.SubElement(case, kind, message=last_line).text = clean
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main(file, result, arguments):
    path = pathlib.Path(file).resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Recorder)
    program = unittest.main(module=module, argv=[file, *arguments], testRunner=runner, exit=False)
    write_junit(program.result.rows, path.stem, result)
    if not program.result.rows:
        print(f"{file}: no test ran")
        return 1
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
