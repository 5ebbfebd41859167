"""What a made-up agent (fake_agent.py) is given to say: VMs of one schema."""

S = 10**9
T0 = 1795293600 * S  # 2026-11-21T20:40:00Z, a multiple of 10 s
EPOCH = "00112233445566778899aabbccddeeff"
NASTY = 'a"b,c\n\x1b[2J'


def tiers(pb, columns=None):
    C = pb.schema
    every = [C.COLUMN_COUNT, C.COLUMN_SUM, C.COLUMN_MIN, C.COLUMN_MAX, C.COLUMN_LAST, C.COLUMN_VALUE]
    return [
        C.Tier(resolution_s=1, slots=300, columns=columns or every),
        C.Tier(resolution_s=10, slots=360, columns=every + [C.COLUMN_BUCKETS]),
    ]


def schema(pb):
    S_ = pb.schema
    metric = S_.Metric
    layout = S_.HistogramLayout(scale=0, bucket_first=1, bucket_count=3)  # (1,2] (2,4] (4,8], zero bucket up to 1
    return S_.Schema(
        name="router",
        version=2,
        hash="00000000deadbeef",
        tiers=tiers(pb),
        series_capacity=8,
        metric_count=6,
        metrics=[
            metric(name="r_info", kind=S_.METRIC_KIND_INFO, label_names=["image"], max_series=1),
            metric(name="r_bytes_total", kind=S_.METRIC_KIND_COUNTER, unit="bytes", label_names=["op"], max_series=2),
            metric(name="r_busy_seconds_total", kind=S_.METRIC_KIND_COUNTER_F64, unit="seconds", max_series=1),
            metric(name="r_temperature", kind=S_.METRIC_KIND_GAUGE, unit="celsius", max_series=1),
            metric(name="r_memory_bytes", kind=S_.METRIC_KIND_LEVEL, unit="bytes", max_series=1),
            metric(name="r_latency_seconds", kind=S_.METRIC_KIND_HISTOGRAM, unit="seconds", max_series=1, histogram=layout),
        ],
    )


def live_vm(pb, vm_id="vm-1", component="", **fields):
    V = pb.vm
    fields = {"state": V.VM_STATE_RUNNING, "created_ns": T0, "last_write_ns": T0 + 30 * S, "lag_ns": 250_000_000, **fields}
    return V.Vm(
        ref=V.VmRef(vm_id=vm_id, component=component, epoch=EPOCH),
        uid=1000,
        segment_bytes=2202010,
        series_count=5,
        schema=schema(pb),
        writer_counters=V.WriterCounters(rejected_samples=3),
        **fields,
    )


def dead_vm(pb, **fields):
    V = pb.vm
    fields = {"state": V.VM_STATE_DRAINED, "exit_cause": V.EXIT_CAUSE_CLOSED, "close_code": 0, "close_text": NASTY,
              "created_ns": T0, "ended_ns": T0 + 30 * S, "archive_bytes": 4096, **fields}  # fmt: skip
    return V.Vm(ref=V.VmRef(vm_id="vm-1", epoch=EPOCH), uid=1000, segment_bytes=2202010, schema=schema(pb), **fields)


def serve_vm(agent, vm):
    agent.answer("VmService/GetVm", lambda request, call: agent.pb.vm.GetVmResponse(vms=[vm]))
