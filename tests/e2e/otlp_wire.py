"""OTLP metric requests read from their bytes, by the field numbers of the protocol's own files and nothing of ours.

No package of Debian decodes OTLP metrics, so this stands in for one: it knows every field of the messages that a metric
request consists of, also those that the agent never sends, and refuses what it does not know.
"""

import struct

from protobuf_bytes import varint

# Per message: field number -> (name, type, repeated). A type is a scalar, or the name of a message.
MESSAGES = {
    "ExportMetricsServiceRequest": {1: ("resource_metrics", "ResourceMetrics", True)},
    "ResourceMetrics": {1: ("resource", "Resource", False), 2: ("scope_metrics", "ScopeMetrics", True), 3: ("schema_url", "string", False)},
    "Resource": {1: ("attributes", "KeyValue", True), 2: ("dropped_attributes_count", "uint32", False)},
    "ScopeMetrics": {1: ("scope", "InstrumentationScope", False), 2: ("metrics", "Metric", True), 3: ("schema_url", "string", False)},
    "InstrumentationScope": {
        1: ("name", "string", False), 2: ("version", "string", False), 3: ("attributes", "KeyValue", True),
        4: ("dropped_attributes_count", "uint32", False),
    },
    "KeyValue": {1: ("key", "string", False), 2: ("value", "AnyValue", False)},
    "AnyValue": {
        1: ("string_value", "string", False), 2: ("bool_value", "bool", False), 3: ("int_value", "int64", False),
        4: ("double_value", "double", False), 7: ("bytes_value", "bytes", False),
    },
    "Metric": {
        1: ("name", "string", False), 2: ("description", "string", False), 3: ("unit", "string", False),
        5: ("gauge", "Gauge", False), 7: ("sum", "Sum", False), 9: ("histogram", "Histogram", False),
        10: ("exponential_histogram", "ExponentialHistogram", False), 11: ("summary", "Summary", False),
        12: ("metadata", "KeyValue", True),
    },
    "Gauge": {1: ("data_points", "NumberDataPoint", True)},
    "Sum": {1: ("data_points", "NumberDataPoint", True), 2: ("aggregation_temporality", "enum", False), 3: ("is_monotonic", "bool", False)},
    "ExponentialHistogram": {1: ("data_points", "ExponentialHistogramDataPoint", True), 2: ("aggregation_temporality", "enum", False)},
    "NumberDataPoint": {
        2: ("start_time_unix_nano", "fixed64", False), 3: ("time_unix_nano", "fixed64", False), 4: ("as_double", "double", False),
        6: ("as_int", "sfixed64", False), 7: ("attributes", "KeyValue", True), 8: ("flags", "uint32", False),
    },
    "ExponentialHistogramDataPoint": {
        1: ("attributes", "KeyValue", True), 2: ("start_time_unix_nano", "fixed64", False), 3: ("time_unix_nano", "fixed64", False),
        4: ("count", "fixed64", False), 5: ("sum", "double", False), 6: ("scale", "sint32", False), 7: ("zero_count", "fixed64", False),
        8: ("positive", "Buckets", False), 9: ("negative", "Buckets", False), 10: ("flags", "uint32", False),
        12: ("min", "double", False), 13: ("max", "double", False), 14: ("zero_threshold", "double", False),
    },
    "Buckets": {1: ("offset", "sint32", False), 2: ("bucket_counts", "uint64", True)},
}  # fmt: skip
VARINTS = {"uint32", "uint64", "int64", "sint32", "bool", "enum"}
EIGHT_BYTES = {"fixed64": "<Q", "sfixed64": "<q", "double": "<d"}


def scalar(kind, raw):
    if kind == "sint32":
        return raw >> 1 ^ -(raw & 1)
    if kind == "int64":
        return raw - (1 << 64) if raw >> 63 else raw
    return bool(raw) if kind == "bool" else raw


def decode(name, data):
    """{field: value or list of values} of one message; fields that are not there are missing."""
    message, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        assert number in MESSAGES[name], f"{name} has no field {number}"
        field, kind, repeated = MESSAGES[name][number]
        if wire == 0:
            assert kind in VARINTS, f"{name}.{field} is no varint"
            raw, at = varint(data, at)
            values = [scalar(kind, raw)]
        elif wire == 1:
            values = list(struct.unpack_from(EIGHT_BYTES[kind], data, at))
            at += 8
        else:
            assert wire == 2, f"{name}.{field}: wire type {wire}"
            size, at = varint(data, at)
            payload, at = data[at : at + size], at + size
            assert len(payload) == size, f"{name}.{field} is cut"
            values = of_length(kind, payload, repeated)
        if repeated:
            message.setdefault(field, []).extend(values)
        else:
            assert field not in message, f"{name}.{field} stands twice"
            (message[field],) = values
    return message


def of_length(kind, payload, repeated):
    if kind == "string":
        return [payload.decode()]
    if kind == "bytes":
        return [payload]
    if kind in MESSAGES:
        return [decode(kind, payload)]
    assert repeated and kind in VARINTS, f"a {kind} of a length"
    values, at = [], 0
    while at < len(payload):  # packed
        raw, at = varint(payload, at)
        values.append(scalar(kind, raw))
    return values


def attributes(message):
    """{key: text} of a resource or point, which has each key once."""
    pairs = [(pair["key"], pair["value"]["string_value"]) for pair in message.get("attributes", [])]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
