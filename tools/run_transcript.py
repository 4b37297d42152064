#!/usr/bin/env python3
"""Runs the transcript of README.md on a terminal, and compares what is seen with what it says.

Usage: run_transcript.py README.md
The cluster is BERTH_SERVER's, fresh (its first job is job 1), and `berth` is in PATH. Lines that
begin with "$ " are commands; "→ text" after a command, and the lines below it, are what it prints;
"# text" is for the reader. Times and sizes may differ, and which of two equal nodes is taken.
Prints the transcript as it is seen. Exits 1, with both texts, when a line differs.
"""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

COLUMNS = 120
SECONDS = 60
ERASE_LINE = "\r\x1b[K"
# The machine's, not Berth's: masked before texts are compared.
MASKS = [
    (re.compile(r"\b\d+(\.\d+)?(ms|s|m|h)\b"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)?([KMGT]i|B)\b"), "<size>"),
    (re.compile(r"\bnode-[ab]\b"), "<node>"),
]


class Step:
    """One command and the lines that it prints."""

    def __init__(self, command):
        self.command = command
        self.expected = []


def parse(text):
    """The steps of the first block that begins with tools/quickstart.sh."""
    steps = None
    for line in text.splitlines():
        if line.startswith("$ tools/quickstart.sh"):
            steps = []
        if steps is None:
            continue
        if line.startswith("```"):
            break
        if line.startswith("$ "):
            command, _, shown = line[2:].partition("→")
            command = re.sub(r"\s{2,}#.*$", "", command).strip()
            steps.append(Step(command))
            if shown:
                steps[-1].expected.append(shown.strip())
        elif line.strip():
            steps[-1].expected.append(line.strip())
    if not steps:
        raise ValueError("there is no transcript: no block begins with '$ tools/quickstart.sh'")
    return steps


def mask(text):
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def run_on_terminal(command, cwd, env, seconds=SECONDS):
    """Runs `command` by sh, standard input, output and error on one terminal.

    Returns (exit code, what a person sees on the screen). After `seconds` it is killed, and
    TimeoutError says what had been seen by then.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(cwd)
            os.execvpe("sh", ["sh", "-c", command], env)
        finally:
            os._exit(127)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        seen, ended = read_to_end(terminal, time.monotonic() + seconds)
        if not ended:
            os.killpg(pid, signal.SIGKILL)
    finally:
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    text = screen(seen.decode(errors="replace"))
    if not ended:
        raise TimeoutError(f"{command}: no end after {seconds} s; seen so far:\n{text}")
    return os.waitstatus_to_exitcode(status), text


def read_to_end(fd, deadline):
    """Bytes until nobody writes any more; False when the deadline comes first."""
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            return data, False
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: the last one on the terminal has gone
            return data, True
        if not piece:
            return data, True
        data += piece


def screen(text):
    """What is left to see: lines that were erased and written anew count once."""
    lines = text.replace("\r\n", "\n").split("\n")
    shown = [line.rpartition(ERASE_LINE)[2] for line in lines]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(shown))


def run(steps, root, env, show=lambda text: None):
    """Runs the steps, beginning in `root`; a list of what differs, empty when nothing does."""
    faults = []
    cwd = pathlib.Path(root)
    env = {**env, "TERM": "xterm"}  # whatever runs us, a person has one
    for step in steps:
        if step.command.startswith("tools/quickstart.sh"):
            continue  # that is where we are
        show(f"$ {step.command}")
        if step.command.startswith("cd "):
            cwd = cwd / step.command[3:].strip()
            continue
        _, text = run_on_terminal(step.command, cwd, env)
        seen = [line.strip() for line in text.splitlines() if line.strip()]
        for line in seen:
            show(line)
        if [mask(line) for line in seen] != [mask(line) for line in step.expected]:
            faults.append(f"$ {step.command}\n  expected: " + "\n            ".join(step.expected) +
                          "\n  seen:     " + "\n            ".join(seen))
    return faults


def main(readme):
    path = pathlib.Path(readme)
    faults = run(parse(path.read_text(encoding="utf-8")), path.resolve().parent, os.environ,
                 lambda text: print(text, flush=True))
    for fault in faults:
        print(f"\nThis differs from {path.name} (times, sizes and nodes may):\n{fault}",
              file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
