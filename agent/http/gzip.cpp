#include "agent/http/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace ringside::agent {
namespace {

constexpr int kGzipWindow = 15 + 16;            // the largest window; 16 asks for gzip's frame
constexpr std::size_t kPieceBytes = 64 * 1024;  // zlib counts in 32 bits, and the answer grows by these
constexpr std::size_t kInputBytes = 1u << 30;

// The stream's own memory, also where the answer's ends.
struct Deflate {
    z_stream stream{};
    bool ok = false;

    // The fastest level: JSON of numbers shrinks to a seventh with it, and the highest saves a tenth more for ten times
    // the time.
    Deflate() : ok(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK) {}
    ~Deflate() { deflateEnd(&stream); }
    Deflate(const Deflate&) = delete;
    Deflate& operator=(const Deflate&) = delete;
};

std::string packed_with(z_stream& stream, std::string_view plain) {
    std::string packed;
    int state = Z_OK;
    while (state == Z_OK) {
        const std::size_t input = std::min(plain.size(), kInputBytes);
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
        stream.avail_in = static_cast<uInt>(input);
        const bool last = input == plain.size();
        const std::size_t used = packed.size();
        if (packed.capacity() < used + kPieceBytes) packed.reserve(2 * used + kPieceBytes);
        packed.resize(used + kPieceBytes);
        stream.next_out = reinterpret_cast<Bytef*>(packed.data() + used);
        stream.avail_out = static_cast<uInt>(kPieceBytes);
        state = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
        plain.remove_prefix(input - stream.avail_in);
        packed.resize(used + kPieceBytes - stream.avail_out);
    }
    return state == Z_STREAM_END ? packed : std::string();
}

}  // namespace

std::string gzipped(std::string_view plain) {
    Deflate deflate;
    if (!deflate.ok) return {};
    try {
        return packed_with(deflate.stream, plain);
    } catch (const std::bad_alloc&) {
        return {};
    }
}

}  // namespace ringside::agent
