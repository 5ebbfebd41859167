"""An agent for tests of its clients: serves ringside.v1 on a Unix socket of its own and answers what a test tells it to.

    with FakeAgent() as agent:
        agent.answer("VmService/ListVms", lambda request, call: [agent.pb.vm.ListVmsResponse()])
        subprocess.run([RINGSIDECTL, "--socket", agent.socket, "ls"])
        agent.requests  # [("VmService/ListVms", request)]

Messages are generated from the project's .proto files, so that they cannot drift apart.
"""

import functools
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace

import grpc
from google.protobuf import symbol_database

SOURCE_DIR = Path(os.environ.get("RINGSIDE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
NAMES = ("admission", "error", "event", "schema", "series", "status", "vm")


@functools.lru_cache(maxsize=None)
def messages() -> SimpleNamespace:
    """The generated modules by the name of their file: messages().vm.Vm()."""
    out = tempfile.mkdtemp(prefix="ringside-proto-")
    try:
        files = [f"ringside/v1/{name}.proto" for name in NAMES]
        subprocess.run(["protoc", f"--proto_path={SOURCE_DIR / 'proto'}", f"--python_out={out}", *files], check=True)
        sys.path.insert(0, out)
        try:
            return SimpleNamespace(**{name: importlib.import_module(f"ringside.v1.{name}_pb2") for name in NAMES})
        finally:
            sys.path.remove(out)
    finally:
        shutil.rmtree(out)


class FakeAgent:
    def __init__(self):
        self.pb = messages()
        self.requests = []
        self._answers = {}
        self._stopping = threading.Event()
        self._directory = tempfile.mkdtemp(prefix="ringside-agent-")
        self.socket = os.path.join(self._directory, "agent.sock")
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        for module in vars(self.pb).values():
            for service in module.DESCRIPTOR.services_by_name.values():
                self._server.add_generic_rpc_handlers((self._handler(service),))
        self._server.add_insecure_port(f"unix:{self.socket}")

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._server.stop(None).wait()
        shutil.rmtree(self._directory)

    def answer(self, method: str, reply):
        """`reply(request, call)` gives the response, or for a stream a list or generator of them."""
        self._answers[method] = reply

    def wait_until_stopped(self):
        """For a stream that stays open."""
        self._stopping.wait()

    def fail(self, method: str, code: grpc.StatusCode, text: str, **info):
        """Ends the call with an error; `info` are fields of ErrorInfo that go into its details."""

        def reply(_request, call):
            if info:
                status = self.pb.error.ErrorStatus(code=code.value[0], message=text)
                status.details.add().Pack(self.pb.error.ErrorInfo(**info))
                call.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            call.abort(code, text)

        self._answers[method] = reply

    def _handler(self, service):
        handlers = {}
        for method in service.methods:
            name = f"{service.name}/{method.name}"
            database = symbol_database.Default()
            request_class = database.GetPrototype(method.input_type)
            make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
            serve = self._stream if method.server_streaming else self._single
            handlers[method.name] = make(
                functools.partial(serve, name),
                request_deserializer=request_class.FromString,
                response_serializer=lambda response: response.SerializeToString(),
            )
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _reply(self, name, request, call):
        self.requests.append((name, request))
        if name not in self._answers:
            call.abort(grpc.StatusCode.UNIMPLEMENTED, f"the test has no answer for {name}")
        return self._answers[name](request, call)

    def _single(self, name, request, call):
        return self._reply(name, request, call)

    def _stream(self, name, request, call):
        yield from self._reply(name, request, call)
