// Where things stand in an archive file, format 1. docs/archive.md has the same tables in prose, and a test reads a file
// by them. All integers are little-endian; all offsets count bytes from the start of the file:
//
//     header | runs, one per series and tier | VM | schema | series | directory | directory's index | footer
//
// A run is one or more blocks, each a stretch of windows column by column.
//
// Invariants:
//  A1  Every byte of the file is under one CRC-32C: that of the header, of a block, of a section, of a page of the
//      directory, of an entry of its index or of the footer.
//  A2  The footer names the file's length, so a file that was cut or grew is known by its last bytes.
//  A3  Pages of the directory stand by rising series index, and the entries of their index have one length, so one
//      series is found by halving and read without the rest. A block's checksum covers whose it is as well.
//  A4  A file never changes after it got its name.
//  A5  Packed bytes can stand for many more than they are. What a reader holds at once is bounded by the numbers below,
//      not by the length of the file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringside::agent {

inline constexpr std::uint32_t kArchiveFormat = 1;
inline constexpr char kArchiveSuffix[] = ".rsa";

// For people and file(1); readers compare the first 16 bytes, the version is the u32 at kHeaderFormatAt.
inline constexpr char kArchiveText[] = "RINGSIDE ARCHIVE v1\n";
inline constexpr std::size_t kArchiveMagicBytes = 16;
inline constexpr std::size_t kArchiveTextBytes = 24;
inline constexpr std::size_t kHeaderFormatAt = 24;
inline constexpr std::size_t kArchiveHeaderBytes = 64;

inline constexpr std::size_t kArchiveFooterBytes = 128;
inline constexpr std::uint64_t kFooterMagic = 0x0a444e4552415352;  // "RSAREND\n" in file order

// Columns of a block, in the order in which they stand in the file. The first two are always there.
enum class BlockColumn : std::uint8_t {
    kEnd = 0,      // u64 ns
    kFlags = 1,    // u8
    kCount = 2,    // u64
    kSum = 3,      // f64
    kMin = 4,      // f64
    kMax = 5,      // f64
    kLast = 6,     // f64
    kValue = 7,    // u64
    kBuckets = 8,  // u64, `stride` a window
};
inline constexpr std::size_t kBlockColumns = 9;

// How the bytes of a column are packed. A reader refuses what it does not know, so a later way of packing is one more
// number here and no new file format.
enum class Encoding : std::uint8_t {
    kPlain = 0,     // values as they are
    kIntegers = 1,  // a list of integers (integers.h)
    kDecimals = 2,  // floats as digits and what these leave
    kSame = 3,      // the values of an earlier column
    kBuckets = 4,   // the first window and the steps of each bucket
    kTimes = 5,     // numbers of windows, and how much earlier they ended
};
inline constexpr unsigned kDecimalsMax = 18;

// What a block holds at most: readers hold one block of a long run at a time. The second is of one column and so of the
// buckets; it has room for one window of any histogram.
inline constexpr std::uint32_t kBlockPointsMax = 4096;
inline constexpr std::uint32_t kBlockValuesMax = 1 << 17;
inline constexpr std::size_t kBlockTailBytes = 4;  // u32 CRC
// Packed: above what all columns take as they are, with the times in their worst case.
inline constexpr std::uint64_t kBlockBytesMax = 2 << 20;

// The directory: pages, each with the entries of some series, and an index of them.
inline constexpr std::uint32_t kPageSeries = 64;
inline constexpr std::size_t kPageBytesTarget = 32 << 10;  // a page is closed when it has grown to this
inline constexpr std::size_t kPageBytesMax = 16 << 20;
inline constexpr std::size_t kPageEntryBytes = 24;  // u32 first series, u32 bytes, u64 offset, u32 CRC, u32 own CRC

enum class RunState : std::uint32_t {
    kStored = 0,
    kUnreadable = 1,  // the segment's bytes contradicted themselves when the VM was drained; blocks may be missing
    kAbsent = 2,      // no window: nothing was recorded, or the tier keeps nothing of this kind
};

// Bounds of what a reader takes, far above what a segment can hold.
inline constexpr std::size_t kArchiveTiersMax = 64;
inline constexpr std::size_t kArchiveNameBytesMax = 4096;
inline constexpr std::uint64_t kVmSectionBytesMax = 1 << 16;
inline constexpr std::uint64_t kSchemaSectionBytesMax = 16 << 20;  // unpacked, as the next
inline constexpr std::uint64_t kSeriesSectionBytesMax = 64 << 20;

// The window of a tier in which a time lies, counted from 1970 and by its end: window w is over at w * resolution_ns.
constexpr std::uint64_t window_of(std::uint64_t end_ns, std::uint64_t resolution_ns) {
    return end_ns / resolution_ns + (end_ns % resolution_ns != 0 ? 1 : 0);
}

}  // namespace ringside::agent
