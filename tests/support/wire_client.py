"""A Python client of Berth, made from the .proto files of this repository by protoc and gRPC's
Python plugin, as a stranger would make one. Nothing of it is kept in the repository.

    wire = wire_client.connect(cluster.address)
    wire.jobs.SubmitJob(wire.scheduler.SubmitJobRequest(job=...))
"""
import atexit
import collections
import functools
import importlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ["berth/v1/types", "berth/v1/scheduler", "berth/v1/agent", "berth/v1/admin",
        "berth/v1/scorer"]
DETAILS = ["google/rpc/status", "google/rpc/error_details"]

# What gRPC's own services say on the wire, as far as it is asked here.
HEALTH = """
syntax = "proto3";
package grpc.health.v1;
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }
"""
REFLECTION = """
syntax = "proto3";
package grpc.reflection.v1alpha;
service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
message ServerReflectionRequest {
  oneof message_request { string file_containing_symbol = 4; string list_services = 7; }
}
message ServerReflectionResponse {
  oneof message_response {
    FileDescriptors file_descriptor_response = 4;
    ServiceList list_services_response = 6;
  }
}
message FileDescriptors { repeated bytes file_descriptor_proto = 1; }
message ServiceList { repeated Service service = 1; }
message Service { string name = 1; }
"""


@functools.lru_cache(maxsize=1)
def generate():
    """Generates the client into a temporary folder, which is in sys.path from then on."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-wire-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own = folder / "own"
    for name, text in (("grpc_health", HEALTH), ("grpc_reflection", REFLECTION)):
        own.mkdir(exist_ok=True)
        (own / f"{name}.proto").write_text(text)
    files = [f"{name}.proto" for name in OURS + DETAILS]
    plugin = shutil.which("grpc_python_plugin")
    if plugin is None:
        raise AssertionError("grpc_python_plugin is missing: run tools/setup.sh")
    subprocess.run(
        ["protoc", f"--python_out={folder}", f"--grpc_out={folder}",
         f"--plugin=protoc-gen-grpc={plugin}", f"-I{ROOT / 'proto'}", f"-I{own}", *files,
         "grpc_health.proto", "grpc_reflection.proto"], check=True)
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    return folder


Wire = collections.namedtuple(
    "Wire", "channel types scheduler admin jobs nodes administration health reflection")


def module(name):
    generate()
    return importlib.import_module(name)


def connect(address):
    """Stubs and message modules, over one channel to `address`."""
    types = module("berth.v1.types_pb2")
    scheduler = module("berth.v1.scheduler_pb2")
    scheduler_grpc = module("berth.v1.scheduler_pb2_grpc")
    admin_grpc = module("berth.v1.admin_pb2_grpc")
    channel = grpc.insecure_channel(address)
    return Wire(channel=channel, types=types, scheduler=scheduler,
                admin=module("berth.v1.admin_pb2"),
                jobs=scheduler_grpc.JobServiceStub(channel),
                nodes=scheduler_grpc.NodeServiceStub(channel),
                administration=admin_grpc.AdminServiceStub(channel),
                health=module("grpc_health_pb2_grpc").HealthStub(channel),
                reflection=module("grpc_reflection_pb2_grpc").ServerReflectionStub(channel))


def details(error):
    """The details of a failed call, by the name of their type: {"ErrorInfo": ..., ...}."""
    status_type = module("google.rpc.status_pb2").Status
    error_details = module("google.rpc.error_details_pb2")
    found = {}
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_type.FromString(value).details:
            name = detail.TypeName().rpartition(".")[2]
            message = getattr(error_details, name)()
            detail.Unpack(message)
            found[name] = message
    return found
