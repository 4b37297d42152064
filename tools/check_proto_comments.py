#!/usr/bin/env python3
"""Checks that every field of the wire says what it is.

Foreign clients are generated from these files, and their authors read nothing else: each field of
each message has a comment above it, or behind it on its line. Fields of a oneof too.

Prints FILE:LINE: MESSAGE.FIELD for each that has none, then exits 1; prints a one-line count and
exits 0 when all is well.

Usage: check_proto_comments.py FILE.proto [FILE.proto...]
"""

import re
import sys

FIELD = re.compile(r"^\s+(?:(?:optional|repeated)\s+)?[\w.]+(?:<[^>]*>)?\s+(\w+)\s*=\s*\d+\s*(?:\[[^]]*\])?;(.*)$")
BLOCK = re.compile(r"^\s*(message|enum|service|oneof)\s+(\w+)\s*\{(.*)$")


def uncommented(path, text):
    """Yields (line number, message.field) of each field without a comment; counts by len of seen."""
    blocks = []  # (sort, name)
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        block = BLOCK.match(line)
        field = FIELD.match(line)
        if block:
            if "}" not in block.group(3):
                blocks.append(block.groups()[:2])
        elif line.strip() == "}":
            blocks.pop()
        elif field and blocks and blocks[-1][0] in ("message", "oneof"):
            message = [name for sort, name in blocks if sort == "message"][-1]
            commented = before.startswith("//") or "//" in field.group(2)
            yield number, f"{message}.{field.group(1)}", commented
        before = line.strip()


def main(paths):
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    seen = 0
    bad = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for number, name, commented in uncommented(path, text):
            seen += 1
            if not commented:
                bad += 1
                print(f"{path}:{number}: {name} has no comment: say its unit, default, and what absence means")
    if bad:
        return 1
    print(f"{seen} fields, each with its comment")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
