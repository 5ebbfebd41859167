// Schemas as TOML text, for the tools and the agent. A VMM that links the library needs none of this: it has its schema
// as constant data.
//
//     name = "router"                      # of the schema
//     version = 3                          # the author's own count; 1 when left out
//     label_arena_bytes = 4096             # room for label values; left out: 64 bytes a series that has labels
//
//     [[tier]]                             # finest first; all left out: 1s x 300, 10s x 360, 5m x 288
//     resolution = "1s"                    # whole number and s, m, h or d
//     slots = 300
//     columns = ["count", "sum", "min", "max", "last", "value", "buckets"]   # left out: all
//
//     [[metric]]
//     name = "router_packets_total"
//     kind = "counter"                     # counter, counter_f64, gauge, level, histogram, info
//     labels = ["port", "direction"]       # left out: none, and one series
//     max_series = 16                      # must be given where there are labels
//     unit = "packets"
//     help = "Packets forwarded."
//     shared = true                        # several threads add to one series (counter only); left out: false
//
//     [[metric]]
//     name = "router_forward_seconds"
//     kind = "histogram"
//     histogram = { scale = 1, lowest = 1e-6, highest = 10.0 }   # 2^scale buckets per factor of two
//
// An unknown key is an error, since it would silently change what is recorded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libwriter/toml/owned_schema.h"

namespace ringside {

// A schema, or why there is none.
class [[nodiscard]] SchemaResult {
  public:
    SchemaResult(OwnedSchema schema) : schema_(std::move(schema)) {}  // NOLINT: implicit on purpose
    static SchemaResult failure(std::string error) { return SchemaResult(std::move(error)); }

    bool ok() const noexcept { return schema_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }
    // Only when ok().
    OwnedSchema& value() & noexcept { return *schema_; }
    const OwnedSchema& value() const& noexcept { return *schema_; }
    OwnedSchema&& value() && noexcept { return *std::move(schema_); }
    // A sentence that begins with `source:line:column: `, or names the file. Empty when ok().
    const std::string& error() const noexcept { return error_; }

  private:
    explicit SchemaResult(std::string error) : error_(std::move(error)) {}

    std::optional<OwnedSchema> schema_;
    std::string error_;
};

// Reads a schema and checks every rule (rside_schema_check). `source` is what errors call the text, such as its path.
SchemaResult schema_from_toml(std::string_view text, std::string_view source) noexcept;

// The same from a file of at most 8 MiB.
SchemaResult schema_from_toml_file(const std::string& path) noexcept;

// A standard schema by its name ("vmm"), or else the file at that path. A name without a slash and without the ending
// .toml is never taken for a path, so that a mistyped name gets an answer about names.
SchemaResult schema_by_name_or_path(const std::string& name_or_path) noexcept;

// The text form. Reading it back gives a schema with the same hash. `schema` must obey the rules.
std::string schema_to_toml(const rside_schema& schema);

}  // namespace ringside
