"""Tasks with an image: what only they have. With the real programs, as root, in cgroups of its own."""
import json
import os
import pathlib
import shutil
import sys
import tarfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cgroup_tree
import cluster
import processes
from root_file_system import ARCHITECTURE, Layout, entry, make_root, tar_of, tar_with

SMALL = ["--cpu", "0.1", "--memory", "64Mi"]
NOBODY = 65534

# What podman does, as far as the agent asks: "pull", "save" and "rmi", of what is in $STORE. Counts.
PODMAN = """#!/bin/sh
store={store}
case "$1" in
  pull)
    shift; [ "$1" = --quiet ] && shift
    echo pull >> "$store/calls"
    [ "$1" = docker://registry.example/tools:1 ] && echo {image} && exit 0
    echo "Error: initializing source $1: no such image" >&2; exit 125 ;;
  rmi)
    [ "$2" = {image} ] && echo rmi >> "$store/calls" ;;
  save)
    while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
    cp -r "$store/layout" "$out" ;;
esac
"""


def numbers_of(pid):
    """A process's number in each namespace of processes, the outermost first."""
    lines = processes.read_proc(pid, "status").decode().splitlines()
    return next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])


@unittest.skipUnless(cgroup_tree.is_writable(), "needs root and cgroups")
class ImagesTest(cluster.IntegrationTest):
    CONFIG = {}

    @classmethod
    def setUpClass(cls):
        cls.berth = cluster.Cluster(nodes=[], berthd={"socketMode": "0666"})
        cls.addClassCleanup(cls.berth.close)
        cls.folder = cls.berth.directory
        cls.folder.chmod(0o755)
        (cls.folder / "cdi").mkdir()
        cls.root = make_root(cls.folder / "root")
        cls.tar = tar_of(cls.root)
        podman = cls.folder / "podman"
        podman.write_text(PODMAN.format(store=cls.folder / "registry", image="1" * 64))
        podman.chmod(0o755)
        cls.berth.add_agent("node-a", podman=str(podman), cdiSpecDirs=[str(cls.folder / "cdi")],
                            inventory={"cpu": 4, "memory": "8Gi", "devices": [
                                {"id": "GPU-0", "kind": "gpu", "model": "A100"}]}, **cls.CONFIG)
        cls.berth.start()

    def setUp(self):
        self.addCleanup(self.show_logs, self.berth)
        self.images = self.folder / "node-a" / "images"

    def layout(self, name=None):
        return Layout(self.folder / (name or self._testMethodName))

    def run_in(self, image, *command, flags=(), **options):
        command = ["--", *command] if command else []
        return self.berth.run("run", "-q", *SMALL, "--image", str(image), *flags, *command, **options)

    def out(self, image, *command, **options):
        result = self.run_in(image, *command, **options)
        self.assertEqual(0, result.code, result.err)
        return result.out

    def assert_refused_by_node(self, result, *words):
        self.assertEqual(125, result.code, result.out + result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual([], [p.name for p in self.images.iterdir() if p.name.startswith(".")])

    # ---- beside a task ----

    def test_a_command_beside_a_task_is_in_its_container(self):
        secret = self.folder / "of-the-node"
        secret.write_text("of the node\n")
        job = self.berth.submit(*SMALL, "--image", str(self.root), "--", "sh", "-c",
                                "echo mine > /tmp/mine; echo up; while :; do sleep 1000; done")
        self.berth.wait_for(lambda: "up" in self.berth.run("logs", job).out, "the task")
        script = (f"cat /tmp/mine; cat {secret} || echo none; "
                  "grep -E 'CapBnd|CapEff|NoNewPrivs' /proc/self/status; hostname; "
                  "for p in /proc/[0-9]*; do cat $p/comm; done")
        inside = self.berth.ok("exec", job, "--", "sh", "-c", script).splitlines()
        self.assertEqual(["mine", "none"], inside[:2])
        init = self.berth.ok("exec", job, "--", "grep", "-E", "CapBnd|NoNewPrivs",
                             "/proc/1/status").splitlines()
        self.assertEqual(init, [line for line in inside[2:5] if not line.startswith("CapEff")])
        self.assertEqual(init[0].split()[1], [line for line in inside if "CapEff" in line][0].split()[1])
        self.assertEqual("berth-init", inside[6])
        self.assertLess(len(inside), 14, "it sees more than the container's processes")
        # Files are the container's, too, and who reads them is nobody's to see.
        here = self.folder / "copied"
        here.mkdir()
        self.berth.ok("cp", f"{job}:/tmp/mine", str(here))
        self.assertEqual("mine\n", (here / "mine").read_text())
        result = self.berth.run("cp", f"{job}:{secret}", str(here))
        self.assertNotEqual(0, result.code)
        self.assertIn("No such file", result.err)
        # It reaches nobody's processes: libc may run what the image calls a character set.
        self.berth.ok("exec", job, "--", "truncate", "-s", "64G", "/tmp/big")
        copying = self.berth.popen("cp", f"{job}:/tmp/big", str(here))
        self.berth.wait_for(lambda: [p for p in processes.with_argument("berth-files")
                                     if numbers_of(p)[1:] == ["1"]], "who reads it to be alone")
        copying.kill()
        copying.communicate()
        # What it leaves behind ends with the task.
        mark = f"BERTHTEST_BEHIND={os.getpid()}"
        self.berth.ok("exec", job, "--", "sh", "-c", f"{mark} sleep 999 > /dev/null 2>&1 &")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.berth.wait_for(lambda: not processes.with_environment(mark), "what was left behind to end")

    # ---- directories ----

    def test_what_a_task_writes_is_its_own(self):
        write = "echo mine > /etc/new && rm /bin/vi && ls /etc/new"
        self.assertEqual("/etc/new\n", self.out(self.root, "sh", "-c", write))
        self.assertEqual("gone\n", self.out(self.root, "sh", "-c", "ls /etc/new 2>/dev/null || echo gone"))
        self.assertTrue((self.root / "bin" / "vi").is_symlink())

    def test_device_files_of_an_image_are_none(self):
        os.mknod(self.root / "null", 0o666 | 0o020000, os.makedev(1, 3))
        self.addCleanup((self.root / "null").unlink)
        out = self.out(self.root, "sh", "-c", "ls /null; (echo x > /null) 2>&1; echo x > /dev/null && echo ok")
        self.assertIn("Permission denied", out)
        self.assertTrue(out.endswith("ok\n"))

    def test_it_is_a_machine_of_its_own_but_for_the_network(self):
        out = self.out(self.root, "sh", "-c", "ps -o pid,args; hostname; cat /etc/hosts; ls /sys/class/net;"
                       "cat /proc/sys/kernel/hostname > /dev/null; echo x > /proc/sys/kernel/hostname || true")
        self.assertNotIn("berthd", out)
        self.assertIn(os.uname().nodename, out)
        self.assertIn(pathlib.Path("/etc/hosts").read_text(), out)
        self.assertIn("lo\n", out)

    def test_an_image_that_is_not_there(self):
        self.assert_refused_by_node(self.run_in("/no/such/image", "true"), "/no/such/image",
                                    "there is no such directory")
        self.assert_refused_by_node(self.run_in(f"{self.root}:tag", "true"), "no OCI layout")
        empty = self.folder / "empty"
        empty.mkdir()
        self.assert_refused_by_node(self.run_in(empty, "true"), "neither a root file system")
        self.assert_refused_by_node(self.run_in(self.root / "bin" / "busybox", "true"),
                                    "it is no directory")

    def as_nobody(self, *arguments):
        program = self.folder / "berth"
        if not program.exists():
            shutil.copy(cluster.BIN / "berth", program)
            program.chmod(0o755)
        process = cluster.subprocess.run(
            [program, "run", "-q", *SMALL, *map(str, arguments)], env=self.berth.environment(), cwd="/",
            user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=60)
        return cluster.Result(process.returncode, process.stdout, process.stderr)

    def test_nobody_sees_through_an_image_or_a_mount_what_he_may_not_see(self):
        secret = self.folder / "secret"
        secret.mkdir()
        shutil.copytree(self.root, secret / "root", symlinks=True)
        (secret / "file").write_text("secret")
        hidden = Layout(secret / "layout")
        hidden.image(hidden.layer(self.tar))
        secret.chmod(0o700)
        for image in (secret / "root", secret / "layout"):
            self.assert_refused_by_node(self.as_nobody("--image", image, "--", "true"),
                                        "may not read it")
        for path in (secret, secret / "file"):
            self.assert_refused_by_node(
                self.as_nobody("--image", self.root, "--mount", f"{path}:/m", "--", "cat", "/m"),
                str(path), "may not be read by this user")
        self.assertEqual("65534\n", self.as_nobody("--image", self.root, "--", "id", "-u").out)

    def test_nobody_gets_what_another_has_unpacked_without_having_it(self):
        hidden = self.folder / "another's"
        hidden.mkdir(mode=0o700)
        theirs = Layout(hidden / "layout")
        layers = [theirs.layer(self.tar), theirs.layer(tar_with(("secret", b"theirs")))]
        theirs.image(*layers)
        self.assertEqual("theirs", self.out(theirs.path, "cat", "/secret"))
        mine = self.folder / "mine"
        shutil.copytree(theirs.path, mine)
        blob = mine / "blobs" / "sha256" / layers[1]["digest"].split(":")[1]
        whole = blob.read_bytes()
        blob.write_bytes(bytes(len(whole)))
        self.assert_refused_by_node(self.as_nobody("--image", mine, "--", "cat", "/secret"),
                                    "not what its digest says")
        blob.write_bytes(whole)
        self.assertEqual("theirs", self.as_nobody("--image", mine, "--", "cat", "/secret").out)

    # ---- mounts ----

    def test_mounts(self):
        shared = self.folder / "shared"
        (shared / "below").mkdir(parents=True)
        (shared / "file").write_text("here")
        out = self.out(self.root, "sh", "-c", f"cat {shared}/file /data/one; echo more > {shared}/new;"
                       "echo no > /data/one || echo read-only",
                       flags=["--mount", shared, "--mount", f"{shared}/file:/data/one:ro"])
        self.assertEqual("herehereread-only\n", out)
        self.assertEqual("more\n", (shared / "new").read_text())
        self.assertEqual("here", (shared / "file").read_text())
        self.assert_refused_by_node(self.run_in(self.root, "true", flags=["--mount", "/no/such"]),
                                    "/no/such", "does not exist there")

    def test_nothing_is_made_in_a_folder_of_the_node(self):
        there = self.folder / "shown-to-tasks"
        (there / "place").mkdir(parents=True)
        mine = self.folder / "my-own"
        mine.mkdir()
        (mine / "file").write_text("mine")
        # Where there is a place, a mount may lie within another.
        self.assertEqual("mine", self.out(self.root, "cat", "/x/place/file",
                                          flags=["--mount", f"{there}:/x", "--mount", f"{mine}:/x/place"]))
        self.assert_refused_by_node(
            self.run_in(self.root, "true", flags=["--mount", f"{there}:/x", "--mount", f"{mine}/file:/x/new"]),
            "nothing is made in what is mounted there already")
        # Nor by way of a link of the image, in what the runtime itself makes.
        image = self.folder / "with-links"
        shutil.copytree(self.root, image, symlinks=True)
        (image / "foo").mkdir()
        if (image / "dev").is_dir():
            shutil.rmtree(image / "dev")
        (image / "dev").symlink_to("/foo")
        (image / "to-foo").symlink_to("/foo")
        self.run_in(image, "true", flags=["--mount", f"{there}:/foo"])
        self.run_in(image, "true", flags=["--mount", f"{there}:/foo", "--mount", f"{mine}:/to-foo/made"])
        self.assertEqual(["place"], os.listdir(there))
        self.assertEqual([], os.listdir(there / "place"))

    def test_mounts_that_make_no_sense_are_refused_at_once(self):
        for flags, word in ((["--mount", "relative:/x"], "absolute"),
                            (["--mount", "/a:/proc/x"], "/proc"),
                            (["--mount", "/a:/x/../y"], ".."),
                            (["--mount", "/a:/x", "--mount", "/b:/x"], "another one")):
            with self.subTest(flags=flags):
                result = self.run_in(self.root, "true", flags=flags)
                self.assertEqual(2, result.code, result.err)
                self.assertIn(word, result.err)
        result = self.berth.run("run", "--mount", "/tmp", "--", "true")
        self.assertEqual(2, result.code)
        self.assertIn("only go with an image", result.err)

    # ---- OCI layouts ----

    def test_layers_of_each_kind(self):
        layout = self.layout()
        files = [tar_with((f"layer-{i}", b"%d" % i)) for i in range(3)]
        layout.image(layout.layer(self.tar, "gzip"), layout.layer(files[0]),
                     layout.layer(files[1], "gzip"), layout.layer(files[2], "zstd"))
        self.assertEqual("012", self.out(layout.path, "sh", "-c", "cat /layer-*"))

    def test_what_upper_layers_remove_and_replace(self):
        layout = self.layout()
        lower = tar_with(("a/one", b"1"), ("a/two", b"2"), ("b/one", b"1"), ("b/two", b"2"),
                         ("file", b"old"), ("folder/x", b"x"), entry("link", tarfile.SYMTYPE, "a"))
        upper = tar_with(("a/.wh.one", b""), ("b/.wh..wh..opq", b""), ("b/new", b"n"),
                         entry("file", tarfile.DIRTYPE, mode=0o755), ("file/now-a-folder", b"y"), ("folder", b"now a file"), ("link/three", b"3"))
        layout.image(layout.layer(self.tar), layout.layer(lower), layout.layer(upper))
        self.assertEqual("/a/three\n/a/two\n/b/new\n/file/now-a-folder\n/folder\n/link\n",
                         self.out(layout.path, "sh", "-c", "find /a /b /file /folder /link | while read f;"
                                  "do [ -d $f ] && [ ! -L $f ] || echo $f; done | sort"))

    def test_what_an_image_says_of_itself(self):
        layout = self.layout()
        layout.image(layout.layer(self.tar), config={
            "Entrypoint": ["sh", "-c"], "Cmd": ["pwd; echo $GREETING $PATH $LANG"], "WorkingDir": "/etc",
            "Env": ["GREETING=hello", "PATH=/bin:/opt", "LANG=de"], "User": "root"})
        self.assertEqual("/etc\nhello /bin:/opt de\n", self.out(layout.path))
        self.assertEqual("/tmp\nbye /bin:/opt\n",
                         self.out(layout.path, "sh", "-c", "pwd; echo $GREETING $PATH",
                                  flags=["--workdir", "/tmp", "--env", "GREETING=bye"]))
        silent = self.layout("silent")
        silent.image(silent.layer(self.tar))
        self.assert_refused_by_node(self.run_in(silent.path), "does not say what to run")

    def test_several_images_in_one_layout(self):
        layout = self.layout()
        base = layout.layer(self.tar)
        for tag in ("one", "two"):
            layout.image(base, layout.layer(tar_with(("which", tag.encode()))), tag=tag)
        self.assertEqual("two", self.out(f"{layout.path}:two", "cat", "/which"))
        self.assert_refused_by_node(self.run_in(layout.path, "true"), '"one", "two"', "name one")
        self.assert_refused_by_node(self.run_in(f"{layout.path}:three", "true"), '"three"', '"one"')

    def test_an_image_for_several_machines(self):
        layout = self.layout()
        base = layout.layer(self.tar)
        manifests = []
        for machine in ("mips", None):
            platform = {} if machine is None else {"architecture": machine}
            made = layout.manifest([base], **platform)
            manifests.append({**made, "platform": {"os": "linux", "architecture":
                                                   machine or ARCHITECTURE}})
        layout.add(layout.document({"schemaVersion": 2, "manifests": manifests},
                                   "application/vnd.oci.image.index.v1+json"))
        self.assertEqual("ok\n", self.out(layout.path, "echo", "ok"))
        other = self.layout("other")
        other.add(other.manifest([other.layer(self.tar)], architecture="mips"))
        self.assert_refused_by_node(self.run_in(other.path, "true"), "linux/mips", "this node is")

    def test_an_image_is_unpacked_once(self):
        layout = self.layout()
        digest = layout.image(layout.layer(self.tar), layout.layer(tar_with(("big", b"x" * (8 << 20)))))
        results = []
        threads = [threading.Thread(target=lambda: results.append(
            self.run_in(layout.path, "sh", "-c", "wc -c < /big"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({(0, "8388608\n")}, {(r.code, r.out) for r in results}, results)
        unpacked = self.images / digest.replace(":", "-")
        made = unpacked.stat().st_ino
        self.out(layout.path, "true")
        self.assertEqual(made, unpacked.stat().st_ino)
        self.assertEqual([], [p.name for p in self.images.iterdir() if p.name.startswith(".")])

    # ---- archives that nobody has vouched for ----

    def refuse(self, *members, words=()):
        layout = self.layout(f"{self._testMethodName}-{len(list(self.folder.iterdir()))}")
        layout.image(layout.layer(self.tar), layout.layer(tar_with(*members)))
        self.assert_refused_by_node(self.run_in(layout.path, "true"), *words)

    def test_nothing_is_written_outside(self):
        victim = self.folder / "victim"
        victim.mkdir()
        (victim / "file").write_text("untouched")
        self.refuse(("../../../../../.." + str(victim / "a"), b"x"), words=["leads out"])
        self.refuse(("a/../../b", b"x"), words=["leads out"])
        self.refuse(entry("hard", tarfile.LNKTYPE, "../../../../../../etc/passwd"), words=["leads out"])
        # Absolute names and links mean what they mean to the task: the image's own root.
        layout = self.layout("links")
        layout.image(layout.layer(self.tar), layout.layer(tar_with(
            (str(victim / "absolute"), b"in the image"),
            entry("out", tarfile.SYMTYPE, str(victim)), ("out/through", b"in the image"),
            entry("up", tarfile.SYMTYPE, "../../../../../../../.." + str(victim)), ("up/file", b"y"),
            entry("passwd", tarfile.LNKTYPE, str(victim / "absolute")))))
        out = self.out(layout.path, "sh", "-c", f"cat {victim}/absolute {victim}/through /passwd; ls {victim}")
        self.assertEqual("in the image" * 3 + "absolute\nfile\nthrough\n", out)
        self.assertEqual(["file"], [p.name for p in victim.iterdir()])
        self.assertEqual("untouched", (victim / "file").read_text())

    def test_no_devices_and_no_borrowed_rights(self):
        device = entry("disk", tarfile.BLKTYPE, mode=0o666)
        device.devmajor, device.devminor = 8, 0
        null = entry("null", tarfile.CHRTYPE, mode=0o666)
        null.devmajor, null.devminor = 1, 3
        layout = self.layout()
        digest = layout.image(layout.layer(self.tar), layout.layer(tar_with(
            device, null, entry("fifo", tarfile.FIFOTYPE), entry("su", tarfile.REGTYPE, mode=0o6755))))
        self.assertEqual("/fifo /su\n", self.out(layout.path, "sh", "-c", "echo /disk* /null* /fifo /su"
                                                 " | sed 's:/disk[*] /null[*] ::'"))
        made = self.images / digest.replace(":", "-")
        self.assertEqual(0o755, (made / "root" / "su").stat().st_mode & 0o7777)
        self.assertEqual(0o700, self.images.stat().st_mode & 0o7777)

    def test_what_is_damaged_is_refused(self):
        layout = self.layout()
        layer = layout.layer(self.tar, "gzip")
        layout.image(layer)
        blob = layout.path / "blobs" / "sha256" / layer["digest"].split(":")[1]
        whole = blob.read_bytes()
        for bytes_, words in ((whole[:1000], ["has 1000 bytes", f"says {len(whole)}"]),
                              (whole + b"more", [f"says {len(whole)}", "damaged"]),
                              (b"", ["has 0 bytes"]),
                              (bytes(len(whole)), ["not what its digest says"])):
            blob.write_bytes(bytes_)
            self.assert_refused_by_node(self.run_in(layout.path, "true"), *words)
        blob.unlink()
        os.mkfifo(blob)
        self.assert_refused_by_node(self.run_in(layout.path, "true"), "no regular file")
        blob.unlink()
        self.assert_refused_by_node(self.run_in(layout.path, "true"), "No such file")
        blob.write_bytes(whole)
        self.out(layout.path, "true")
        for text, words in (("", ["no JSON object"]), ("[[[[", ["no JSON object"]),
                            ('{"manifests": [{"digest": "sha256:../../etc"}]}', ["no sha256 digest"]),
                            ('{"manifests": []}', ["names no image"])):
            (layout.path / "index.json").write_text(text)
            self.assert_refused_by_node(self.run_in(layout.path, "true"), *words)

    # ---- registries ----

    def test_a_registrys_image(self):
        registry = self.folder / "registry"
        layout = Layout(registry / "layout")
        layout.image(layout.layer(self.tar), config={"Cmd": ["echo", "from the registry"]})
        self.assertEqual("from the registry\n", self.out("registry.example/tools:1"))
        self.assertEqual("from the registry\n", self.out("registry.example/tools:1"))
        self.assertEqual("pull\nrmi\n", (registry / "calls").read_text())
        self.assert_refused_by_node(self.run_in("registry.example/none", "true"), "no such image")
        for odd in ("--privileged", "a b", "x;y"):
            result = self.berth.run("run", "-q", *SMALL, f"--image={odd}", "--", "true")
            self.assert_refused_by_node(result, "neither an absolute path")
        for transport in ("docker-archive:/x", "dir:/root", "containers-storage:x", "oci:/x:y"):
            result = self.berth.run("run", "-q", *SMALL, f"--image={transport}", "--", "true")
            self.assert_refused_by_node(result, transport.split(":")[0], "always a registry's")
        self.assertEqual("pull\nrmi\npull\n", (registry / "calls").read_text())

    def test_what_is_slow_to_come_can_be_cancelled(self):
        seconds = f"1000.{os.getpid()}"  # nobody else sleeps so long
        hook = self.folder / "cdi" / "slow.json"
        hook.write_text(json.dumps({
            "cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [
                {"name": "GPU-0", "containerEdits": {"hooks": [
                    {"hookName": "createRuntime", "path": "/bin/sleep", "args": ["sleep", seconds]}]}}]}))
        self.addCleanup(hook.unlink)
        starting = lambda: [p for p in processes.with_argument(seconds) if processes.is_running(p)]
        task = [*SMALL, "--grace", "200ms", "--image", self.root, "--gpus", "1", "--", "true"]
        job = self.berth.submit(*task)
        self.berth.wait_for(starting, "the start to be under way")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.assertEqual({"cancelled"}, self.berth.states(job))
        self.berth.wait_for(lambda: not starting(), "the hook to be gone")

        # The runtime may be killed as well.
        job = self.berth.submit(*task)
        self.berth.wait_for(starting, "the start to be under way")
        runtimes = set(processes.with_argument("--detach"))
        runtimes &= set(processes.with_argument(self.folder / "node-a" / "bundles"))
        # Not the children that look like it still: the runtime would tell of their end as its own.
        processes.kill([pid for pid in runtimes if processes.parent(pid) not in runtimes])
        self.assertEqual(1, self.berth.run("wait", job).code)
        self.assertIn("the runtime was killed by signal 9", self.berth.ok("describe", f"{job}.0"))
        self.berth.wait_for(lambda: not starting(), "the hook to be gone")
        self.assertEqual([], self.berth.task_processes())

        # So may the shim.
        job = self.berth.submit(*task)
        self.berth.wait_for(starting, "the start to be under way")
        first = set(starting())
        processes.kill(p for p in processes.with_argument(self.folder / "node-a" / "attempts"))
        self.berth.wait_for(lambda: not first & set(starting()), "the hook to be gone")
        self.berth.ok("cancel", job)
        self.berth.run("wait", job)
        self.berth.wait_for(lambda: not starting(), "the hook to be gone")

    # ---- devices ----

    def assert_kept_waiting_by_node(self, flags, *words):
        job = self.berth.submit(*SMALL, "--image", self.root, *flags, "--", "true")
        self.berth.wait_for(lambda: self.berth.ended_attempt(job), "an attempt to fail")
        for word in words:
            self.assertIn(word, self.berth.ended_attempt(job)["message"])
        self.berth.ok("cancel", job)

    def test_gpus_by_cdi(self):
        def specify(**edits):
            (self.folder / "cdi" / "gpu.json").write_text(json.dumps({
                "cdiVersion": "0.5.0", "kind": "nvidia.com/gpu",
                "containerEdits": {"env": ["ALL=1"], "mounts": [
                    {"hostPath": str(self.root), "containerPath": "/driver",
                     "options": ["ro", "rbind", "nosuid"]}]},
                "devices": [{"name": "GPU-0", "containerEdits": edits}]}))

        gpu = ["--gpus", "1"]
        self.assert_kept_waiting_by_node(gpu, "GPU-0", "nvidia-ctk")
        specify(env=["ONE=2"], deviceNodes=[{"path": "/dev/nvidia0", "hostPath": "/dev/null"}])
        out = self.out(self.root, "sh", "-c", "echo $ALL $ONE $CUDA_VISIBLE_DEVICES; ls /driver/bin/sh;"
                       "echo x > /dev/nvidia0; [ -c /dev/nvidia0 ] && touch /driver/x || echo read-only",
                       flags=gpu)
        self.assertEqual("1 2 GPU-0\n/driver/bin/sh\nread-only\n", out)
        specify(deviceNodes=[{"path": "/dev/nvidia9"}])
        self.assert_kept_waiting_by_node(gpu, "/dev/nvidia9", "is not there")
        self.assertEqual("\n", self.out(self.root, "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"))
        (self.folder / "cdi" / "gpu.json").unlink()
        (self.folder / "cdi" / "gpu.yaml").write_text(
            "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: GPU-0\n  containerEdits:\n"
            "    env:\n    - ONE=yaml\n")
        self.assertEqual("yaml\n", self.out(self.root, "sh", "-c", "echo $ONE", flags=gpu))


@unittest.skipUnless(cgroup_tree.is_writable(), "needs root and cgroups")
class LittleRoomTest(cluster.IntegrationTest):
    def test_images_take_up_no_more_than_they_may(self):
        berth = self.new_cluster(nodes=[])
        berth.add_agent("node-a", imageStore="12Mi")
        berth.start()
        images = berth.directory / "node-a" / "images"
        root = make_root(berth.directory / "root")
        digests = []
        for i in range(4):
            layout = Layout(berth.directory / f"layout-{i}")
            digests.append(layout.image(layout.layer(tar_of(root)),
                                        layout.layer(tar_with(("big", bytes(3 << 20))))))
            berth.ok("run", "-q", *SMALL, "--image", layout.path, "--", "true")
        last = [digest.replace(":", "-") for digest in digests[-2:]]
        berth.wait_for(lambda: {p.name for p in images.iterdir()} <= set(last), "those before to go")
        self.assertIn(last[-1], [p.name for p in images.iterdir()])
        bomb = Layout(berth.directory / "bomb")
        bomb.image(bomb.layer(tar_of(root)), bomb.layer(tar_with(("zeros", bytes(64 << 20))), "gzip"))
        result = berth.run("run", "-q", *SMALL, "--image", bomb.path, "--", "true")
        self.assertEqual(125, result.code)
        self.assertIn("imageStore", result.err)
        self.assertEqual([], [p.name for p in images.iterdir() if p.name.startswith(".")])

    def test_a_node_without_a_runtime_says_so(self):
        berth = self.new_cluster(nodes=[])
        berth.add_agent("node-a", ociRuntime="/no/such/crun", podman="/no/such/podman")
        berth.start()
        result = berth.run("run", "--image", "/", "--", "true")
        self.assertEqual(125, result.code)
        for word in ("OCI runtime", "/no/such/crun", "install crun"):
            self.assertIn(word, result.err)
