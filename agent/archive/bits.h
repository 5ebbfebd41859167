// Bits in a string of bytes, the lowest bit of the first byte first. Internal to agent/archive.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ringside::agent {

class BitWriter {
  public:
    // The low `count` bits of `value`; at most 64. The others have to be zero.
    void put(std::uint64_t value, unsigned count) {
        pending_ |= value << held_;
        if (held_ + count < 64) {
            held_ += count;
            return;
        }
        flush_word();
        unsigned taken = 64 - held_;
        held_ = held_ + count - 64;
        pending_ = taken < 64 ? value >> taken : 0;
    }

    // `count` ones and a zero.
    void unary(std::uint64_t count) {
        for (; count >= 32; count -= 32) put(0xffffffff, 32);
        put((std::uint64_t{1} << count) - 1, static_cast<unsigned>(count) + 1);
    }

    // The bytes so far, the last one filled up with zeros.
    std::string take() {
        for (; held_ > 0; held_ -= held_ < 8 ? held_ : 8) {
            bytes_.push_back(static_cast<char>(pending_));
            pending_ >>= 8;
        }
        return std::move(bytes_);
    }

  private:
    void flush_word() {
        for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>(pending_ >> (8 * i)));
    }

    std::string bytes_;
    std::uint64_t pending_ = 0;
    unsigned held_ = 0;  // bits in pending_, below 64
};

// Takes any bytes. A read past the end gives zeros and sets failed() for good.
class BitReader {
  public:
    // Does not own the bytes.
    explicit BitReader(std::string_view bytes) : rest_(bytes) {}

    // At most 64 bits.
    std::uint64_t get(unsigned count) {
        if (count > 32) {
            std::uint64_t low = get(32);
            return low | get(count - 32) << 32;
        }
        if (held_ < count) refill();
        if (held_ < count) {
            failed_ = true;
            return 0;
        }
        std::uint64_t value = pending_ & ((std::uint64_t{1} << count) - 1);
        drop(count);
        return value;
    }

    // Ones up to the next zero, which is taken too.
    std::uint64_t unary() {
        std::uint64_t count = 0;
        for (;;) {
            if (held_ == 0) refill();
            if (held_ == 0) {
                failed_ = true;
                return 0;
            }
            auto ones = static_cast<unsigned>(std::countr_one(pending_));
            if (ones < held_) {
                drop(ones + 1);
                return count + ones;
            }
            count += held_;
            drop(held_);
        }
    }

    bool failed() const { return failed_; }
    // Nothing is left but the zeros that fill up the last byte.
    bool finished() const { return !failed_ && rest_.empty() && held_ < 8 && pending_ == 0; }

  private:
    // To at least 57 bits, or all there are.
    void refill() {
        while (held_ <= 56 && !rest_.empty()) {
            pending_ |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_.front())) << held_;
            held_ += 8;
            rest_.remove_prefix(1);
        }
    }
    void drop(unsigned count) {
        pending_ = count < 64 ? pending_ >> count : 0;
        held_ -= count;
    }

    std::string_view rest_;
    std::uint64_t pending_ = 0;  // zeros above the bits held
    unsigned held_ = 0;          // at most 64
    bool failed_ = false;
};

}  // namespace ringside::agent
