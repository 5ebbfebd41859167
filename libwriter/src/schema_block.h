// The form of a schema inside a segment, and views of it.
#pragma once

#include <ringside/ringside.h>

namespace ringside::writer {

// Where the parts of a schema block lie. Trusts the counts in it.
struct BlockView {
    rside_schema_block* head;
    rside_tier_record* tiers;
    rside_metric_record* metrics;
    char* strings;
};

inline BlockView block_view(uint8_t* at) {
    BlockView view;
    view.head = reinterpret_cast<rside_schema_block*>(at);
    view.tiers = reinterpret_cast<rside_tier_record*>(at + sizeof(rside_schema_block));
    view.metrics = reinterpret_cast<rside_metric_record*>(view.tiers + view.head->tier_count);
    view.strings = reinterpret_cast<char*>(view.metrics + view.head->metric_count);
    return view;
}

// Both take a schema that rside_schema_check accepted; `out` has room for schema_block_bytes.
uint64_t schema_block_bytes(const rside_schema& schema);
void schema_block_write(const rside_schema& schema, uint8_t* out);

// A schema block in memory of its own, for set-up.
class Scratch {
  public:
    explicit Scratch(const rside_schema& schema);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    uint8_t* data() const { return data_; }  // null when there was no memory
    uint64_t bytes() const { return bytes_; }
    // 0, -ENOMEM, or -E2BIG when the segment would be over the limits.
    int geometry(rside_geometry* out, rside_error* error) const;

  private:
    uint64_t bytes_;
    uint8_t* data_ = nullptr;
};

}  // namespace ringside::writer
