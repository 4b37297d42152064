"""The cgroups that tests and benchmarks make, by name, in whatever hierarchies this machine has."""
import os
import pathlib

from processes import describe, is_running, kill, wait_until

MOUNT = pathlib.Path("/sys/fs/cgroup")


def hierarchies():
    """Where cgroups are mounted: the one of version 2, or those of version 1."""
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    return [p for p in sorted(MOUNT.iterdir()) if (p / "cgroup.procs").exists()]


def is_writable():
    """Whether this process may make cgroups."""
    return os.geteuid() == 0 and any(os.access(p, os.W_OK) for p in hierarchies())


def directories(root):
    """Every cgroup below and at `root`, a path relative to the mounts; the deepest first."""
    found = []
    for hierarchy in hierarchies():
        top = hierarchy / root
        if top.is_dir():
            found += [pathlib.Path(path) for path, _, _ in os.walk(top, topdown=False)]
    return found


def processes(root):
    """Processes in any of them."""
    found = set()
    for directory in directories(root):
        try:
            found.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
        except OSError:
            pass  # removed in the meantime
    return sorted(found)


def remove(root, seconds=20):
    """Kills what is in them, and removes them."""
    def gone():
        for freezer in directories(root):
            state = freezer / "freezer.state"
            if state.exists() and state.read_text().strip() != "THAWED":
                state.write_text("THAWED")  # the frozen do not die
        kill(processes(root))
        for directory in directories(root):
            try:
                directory.rmdir()
            except OSError:
                pass  # still has a process; asked again
        return not directories(root)

    wait_until(gone, lambda: f"cgroups {root} to be removed; in them:\n" +
               describe(p for p in processes(root) if is_running(p)), seconds)
