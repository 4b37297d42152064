"""What runs on this machine, as /proc shows it, and how tests wait for it."""
import os
import pathlib
import signal
import time


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read_proc(pid, name):
    """A file of /proc/PID as bytes; empty when the process is gone or not ours to read."""
    try:
        return pathlib.Path("/proc", str(pid), name).read_bytes()
    except OSError:
        return b""


def is_running(pid):
    """True while the process exists and is not a zombie that waits to be reaped."""
    status = read_proc(pid, "stat")
    return bool(status) and status.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def parent(pid):
    """The process that has it as a child; 0 when it is gone."""
    fields = read_proc(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def is_stopped(pid):
    """True when SIGSTOP has reached every thread: on a busy machine some run on for a while."""
    return all(read_proc(pid, f"task/{thread}/stat").rpartition(b")")[2].split()[:1] == [b"T"]
               for thread in os.listdir(f"/proc/{pid}/task"))


def with_argument(text):
    """Processes that have `text` somewhere in their command line."""
    wanted = str(text).encode()
    return [p for p in pids() if p != os.getpid() and wanted in read_proc(p, "cmdline")]


def with_environment(text):
    """Processes that have `text` somewhere in their environment."""
    wanted = str(text).encode()
    return [p for p in pids() if p != os.getpid() and wanted in read_proc(p, "environ")]


def describe(pid_list):
    """One line a process, for a failure's message."""
    return "\n".join(f"  {p}: {read_proc(p, 'cmdline').replace(bytes(1), b' ').decode(errors='replace')}"
                     for p in pid_list)


def kill(pid_list, number=signal.SIGKILL):
    for pid in pid_list:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_until(condition, what, seconds=30.0):
    """Asks `condition` until it is true and returns its value; fails when `seconds` have passed.

    `what` says what was waited for; a function is called for it, after the fact. The pause between
    two questions only spares the processor: nothing depends on its length.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what() if callable(what) else what}")
        time.sleep(0.01)
