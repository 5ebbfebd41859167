"""The tables of libwriter/src/histogram_tables.cpp, worked out in whole numbers, so without any rounding of its own.

    python3 histogram_tables.py > libwriter/src/histogram_tables.cpp && clang-format -i libwriter/src/histogram_tables.cpp
"""

STEPS = 256  # bounds of one factor of two at scale 8
MANTISSA_BITS = 52


def root(number: int, degree: int) -> int:
    """The largest whole r with r ** degree <= number."""
    low, high = 0, 1 << (number.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**degree <= number:
            low = middle
        else:
            high = middle - 1
    return low


def bound(i: int) -> int:
    """2^(i/256) x 2^52, rounded to the nearest whole number, less 2^52: the mantissa of the nearest double."""
    # Twice the wanted number is a 256th root; what is left decides about rounding. It is a tie for no i but 0.
    twice = root(2 ** (i + (MANTISSA_BITS + 1) * STEPS), STEPS)
    return (twice + 1) // 2 - (1 << MANTISSA_BITS)


def bounds() -> list[int]:
    return [bound(i) for i in range(STEPS + 1)]


def start(of: list[int]) -> list[int]:
    shift = MANTISSA_BITS - 8
    return [next(i for i, value in enumerate(of) if value >= step << shift) for step in range(STEPS)]


def source() -> str:
    hexes = ", ".join(f"UINT64_C(0x{value:014x})" for value in bounds())
    starts = ", ".join(str(i) for i in start(bounds()))
    return f"""// Written by tests/unit/libwriter/histogram_tables.py; a test compares.
// Bounds of base-2 exponential buckets at scale 8: rside_histogram_bounds[i] is the 52-bit mantissa of 2^(i/256), rounded
// to the nearest double; entry 256 is the next power of two. rside_histogram_start[s] is the smallest i with
// bounds[i] >= s x 2^44, the first bound that can hold a mantissa whose top eight bits are s.

#include <ringside/ringside.h>

extern "C" const uint64_t rside_histogram_bounds[257] = {{{hexes}}};

extern "C" const uint16_t rside_histogram_start[256] = {{{starts}}};
"""


if __name__ == "__main__":
    print(source(), end="")
