"""Root file systems and OCI layouts for tests, made of this machine's static busybox."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile

REF_NAME = "org.opencontainers.image.ref.name"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def busybox():
    """The static busybox of this machine, or None."""
    return shutil.which("busybox")


def make_root(path):
    """A root file system with busybox and its applets."""
    (path / "bin").mkdir(parents=True)
    shutil.copy(busybox(), path / "bin" / "busybox")
    applets = subprocess.run([busybox(), "--list"], capture_output=True, text=True, check=True)
    for name in applets.stdout.split():
        if name != "busybox":
            (path / "bin" / name).symlink_to("busybox")
    (path / "tmp").mkdir()
    (path / "tmp").chmod(0o1777)
    (path / "etc").mkdir()
    path.chmod(0o755)
    return path


def tar_of(path):
    """The folder as a tar archive, as a layer has it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(path, arcname=".")
    return data.getvalue()


def tar_with(*members):
    """A tar archive of (name, content) or TarInfo members, whatever they say."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def entry(name, kind, link="", mode=0o777):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


class Layout:
    """An OCI layout that is being made."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        (self.path / "blobs" / "sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []

    def blob(self, data, media_type, **more):
        """Adds it; its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def document(self, value, media_type, **more):
        return self.blob(json.dumps(value).encode(), media_type, **more)

    def layer(self, tar, compression=""):
        kind = "application/vnd.oci.image.layer.v1.tar"
        if compression == "gzip":
            return self.blob(gzip.compress(tar, 1), kind + "+gzip")
        if compression == "zstd":
            packed = subprocess.run(["zstd", "-1", "-c"], input=tar, capture_output=True, check=True)
            return self.blob(packed.stdout, kind + "+zstd")
        return self.blob(tar, kind)

    def manifest(self, layers, config=None, architecture=ARCHITECTURE, **more):
        """A manifest of such layers; its descriptor."""
        document = {"os": "linux", "architecture": architecture, "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": []}}
        return self.document(
            {"schemaVersion": 2, "layers": layers,
             "config": self.document(document, "application/vnd.oci.image.config.v1+json")},
            "application/vnd.oci.image.manifest.v1+json", **more)

    def image(self, *layers, tag="", config=None):
        """Adds an image to the index, and writes it; the digest of its manifest."""
        more = {"annotations": {REF_NAME: tag}} if tag else {}
        descriptor = self.manifest(list(layers), config, **more)
        return self.add(descriptor)

    def add(self, descriptor):
        self.manifests.append(descriptor)
        (self.path / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": self.manifests}))
        return descriptor["digest"]
