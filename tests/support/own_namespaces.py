"""Network, mounts and processes of its own for a test that breaks them: nobody else notices, and they
are gone with the test, also when that is killed.

    own_namespaces.enter()                # first thing in the test's file

    @own_namespaces.needed
    class MyTest(cluster.IntegrationTest):
"""
import os
import subprocess
import sys
import unittest

_MARK = "BERTH_TEST_OWN_NAMESPACES"


# When unshare is killed the kernel kills process 1, and with it everything in the namespace.
_UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]


def enter():
    """Runs this program again, in namespaces of its own; returns there. Returns here too where none
    may be made: then `needed` skips."""
    if are_own() or subprocess.run([*_UNSHARE, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        return
    os.environ[_MARK] = "1"
    # The shell is process 1: it reaps whom nobody else does.
    os.execvp("unshare", [*_UNSHARE, "sh", "-c", 'ip link set lo up || exit; "$@" & wait $!', "sh",
                          sys.executable, *sys.argv])


def are_own():
    return _MARK in os.environ


needed = unittest.skipUnless(are_own(), "takes root, to make namespaces of its own")


def command(*words):
    """Runs a program that changes the namespaces; it must succeed."""
    done = subprocess.run(list(map(str, words)), text=True, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")


class Wire:
    """A loopback address of this network namespace that can be cut: what goes to it is dropped, both
    ways of open connections too, without a word to either end; new ones fail."""

    def __init__(self, address="127.0.0.2"):
        assert are_own()
        self.address = address
        # A daemon that starts while it is cut listens all the same.
        with open("/proc/sys/net/ipv4/ip_nonlocal_bind", "w", encoding="ascii") as file:
            file.write("1")
        self.mend()

    def cut(self):
        command("ip", "route", "replace", "table", "local", "blackhole", f"{self.address}/32")

    def mend(self):
        # Both ends of a connection get this address.
        command("ip", "route", "replace", "table", "local", "local", f"{self.address}/32", "dev",
                "lo", "src", self.address)


def mount_small(directory, size):
    """A file system of its own at `directory`, of `size` (as "64m"), for this test alone."""
    assert are_own()
    directory.mkdir(parents=True, exist_ok=True)
    command("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "berth-test", directory)


def unmount(directory):
    command("umount", "--lazy", directory)
