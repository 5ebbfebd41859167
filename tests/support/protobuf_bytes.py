"""Messages of protobuf as the bytes that they are, for readers that know the field numbers and nothing of ours."""


def varint(data, at):
    """(value, where it ends)"""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            assert shift <= 70 and value < 1 << 64
            return value, at


def fields(data):
    """(number, value) of each field, values as integers or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 in (1, 2), key
            size, at = (8, at) if key & 7 == 1 else varint(data, at)
            value, at = data[at : at + size], at + size
            assert len(value) == size
        yield key >> 3, value
