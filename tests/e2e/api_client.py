"""An independent client of the API: Debian's grpcio over what protoc makes of our .proto files.

As a program it asks once and prints the answer as JSON, so that it can be run as another user:
    api_client.py STUBS SOCKET see-all | connect COUNT
"""

import json
import socket
import sys


def load(stubs):
    """The generated modules, by the names of their .proto files."""
    import importlib

    sys.path.insert(0, str(stubs))
    names = ["admission", "error", "event", "schema", "series", "status", "vm"]
    modules = {name: importlib.import_module(f"ringside.v1.{name}_pb2") for name in names}
    for name in ["admission", "event", "series", "status", "vm"]:
        modules[f"{name}_grpc"] = importlib.import_module(f"ringside.v1.{name}_pb2_grpc")
    return modules


class Client:
    def __init__(self, stubs, path):
        import grpc

        self.pb = load(stubs)
        self.channel = grpc.insecure_channel(f"unix:{path}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.vm = self.pb["vm_grpc"].VmServiceStub(self.channel)
        self.series = self.pb["series_grpc"].SeriesServiceStub(self.channel)
        self.event = self.pb["event_grpc"].EventServiceStub(self.channel)
        self.admission = self.pb["admission_grpc"].AdmissionServiceStub(self.channel)
        self.status = self.pb["status_grpc"].StatusServiceStub(self.channel)

    def get_status(self):
        return self.status.GetStatus(self.pb["status"].GetStatusRequest(), wait_for_ready=True, timeout=60)

    def vm_ids(self):
        answers = self.vm.ListVms(self.pb["vm"].ListVmsRequest(), wait_for_ready=True, timeout=60)
        return [vm.ref.vm_id for answer in answers for vm in answer.vms]

    def error_info(self, error):
        """What an RpcError carries for programs."""
        trailers = dict(error.trailing_metadata())
        status = self.pb["error"].ErrorStatus.FromString(trailers["grpc-status-details-bin"])
        assert status.code == error.code().value[0]
        assert status.message == error.details()
        info = self.pb["error"].ErrorInfo()
        assert status.details[0].Unpack(info)
        return info


def see_all(stubs, path):
    client = Client(stubs, path)
    status = client.get_status()
    series = client.series.ListSeries(client.pb["series"].ListSeriesRequest())
    events = client.event.Watch(client.pb["event"].WatchRequest())
    return {
        "uid": status.caller.uid,
        "is_operator": status.caller.is_operator,
        "vms": client.vm_ids(),
        "series_of": sorted({vm.vm.vm_id for answer in series for vm in answer.vms}),
        "events_of": sorted({event.vm.vm_id for event in events}),
        "quarantined": [bad.file for bad in status.quarantined],
        "budgets": len(status.budgets),
    }


def connect(path, count):
    """Connects again and again, and says how often the server hung up at once without a byte."""
    refused = 0
    for _ in range(count):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path)
            one.settimeout(60)
            try:
                refused += one.recv(1) == b""
            except ConnectionResetError:
                refused += 1
    return {"refused": refused}


def main():
    stubs, path, verb, *rest = sys.argv[1:]
    print(json.dumps(see_all(stubs, path) if verb == "see-all" else connect(path, int(rest[0]))))


if __name__ == "__main__":
    main()
