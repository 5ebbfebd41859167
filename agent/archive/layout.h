// Where things stand in an archive file, format 0. docs/archive.md has the same tables in prose, and a test compares
// both. All integers are little-endian; all offsets count bytes from the start of the file:
//
//     header | runs, one per series and tier | VM | schema | series | directory | footer
//
// A run is one or more chunks, each a stretch of windows column by column.
//
// Invariants:
//  A1  Every byte of the file is under one CRC-32C: that of the header, of a chunk's head, of a chunk's column, of
//      a section, of a directory entry or of the footer.
//  A2  The footer names the file's length, so a file that was cut or grew is known by its last bytes.
//  A3  Directory entries stand by rising series index and have one length, so one series is found by halving and read
//      without the rest. An entry and a chunk both say whose they are.
//  A4  A file never changes after it got its name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringside::agent {

inline constexpr std::uint32_t kArchiveFormat = 0;
inline constexpr char kArchiveSuffix[] = ".rsa";

// For people and file(1); readers compare the first 16 bytes, the version is the u32 at kHeaderFormatAt.
inline constexpr char kArchiveText[] = "RINGSIDE ARCHIVE v0\n";
inline constexpr std::size_t kArchiveMagicBytes = 16;
inline constexpr std::size_t kArchiveTextBytes = 24;
inline constexpr std::size_t kHeaderFormatAt = 24;
inline constexpr std::size_t kArchiveHeaderBytes = 64;

inline constexpr std::size_t kArchiveFooterBytes = 128;
inline constexpr std::uint64_t kFooterMagic = 0x0a444e4552415352;  // "RSAREND\n" in file order

// A chunk: a stretch of the windows of one series in one tier. Time rises from chunk to chunk, and each head says
// from when to when, so that a reader of one hour passes over the rest of the day.
inline constexpr std::uint32_t kChunkMagic = 0x304b4843;  // "CHK0"
inline constexpr std::size_t kChunkHeadBytes = 40;        // then the columns' records, then u32 CRC and u32 0
inline constexpr std::size_t kChunkColumnBytes = 16;
inline constexpr std::size_t kChunkTailBytes = 8;
inline constexpr std::size_t kChunkColumnsMax = 9;
inline constexpr std::size_t kChunkHeadBytesMax =
    kChunkHeadBytes + kChunkColumnsMax * kChunkColumnBytes + kChunkTailBytes;
// What a writer puts in one chunk at most, before packing, unless one window alone takes more: readers hold one chunk
// of a long run at a time.
inline constexpr std::size_t kChunkBytesTarget = 1 << 20;

// Columns of a chunk, in the order in which they stand in the file. The first two are always there.
enum class ChunkColumn : std::uint8_t {
    kEnd = 0,      // u64 ns
    kFlags = 1,    // u8
    kCount = 2,    // u64
    kSum = 3,      // f64
    kMin = 4,      // f64
    kMax = 5,      // f64
    kLast = 6,     // f64
    kValue = 7,    // u64
    kBuckets = 8,  // u64, `stride` a point
};

// How the bytes of a column are packed. A reader refuses what it does not know, so a later way of packing is one more
// number here and no new file format.
enum class Encoding : std::uint8_t {
    kPlain = 0,
};

// Directory: one entry a series.
inline constexpr std::size_t kEntryHeadBytes = 8;   // u32 series index, u32 metric
inline constexpr std::size_t kEntryTierBytes = 24;  // u64 offset, u64 bytes, u32 points, u32 state
inline constexpr std::size_t kEntryTailBytes = 8;   // u32 CRC, u32 0
inline constexpr std::size_t entry_bytes(std::size_t tier_count) {
    return kEntryHeadBytes + kEntryTierBytes * tier_count + kEntryTailBytes;
}

enum class RunState : std::uint32_t {
    kStored = 0,
    kUnreadable = 1,  // the segment's bytes contradicted themselves when the VM was drained; chunks may be missing
    kAbsent = 2,      // no window: nothing was recorded, or the tier keeps nothing of this kind
};

// Bounds of what a reader takes, far above what a segment can hold.
inline constexpr std::size_t kArchiveTiersMax = 64;
inline constexpr std::size_t kArchiveNameBytesMax = 4096;
inline constexpr std::uint64_t kVmSectionBytesMax = 1 << 16;
inline constexpr std::uint64_t kSchemaSectionBytesMax = 64 << 20;
inline constexpr std::uint64_t kSeriesSectionBytesMax = 256 << 20;

}  // namespace ringside::agent
