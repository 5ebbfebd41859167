// What every command prints, in one of three shapes from one description: a table for people, JSON
// and CSV for programs.
//
// O1  A field has one name. JSON and CSV use it as it is ("segment_bytes"); a table shows it in
// capitals without the unit
//     ("SEGMENT"), because there the unit stands in the cell ("2.1MiB").
// O2  What is not known is `-` in a table, null in JSON and an empty field in CSV; it is never 0.
// An empty text is `-`, ""
//     and a quoted empty field.
// O3  JSON and CSV carry raw values: bytes, nanoseconds, nanoseconds since 1970, exact numbers.
// Tables carry readable ones. O4  Every JSON document, and every line of a stream, has "version"
// (kJsonVersion) and "kind". A field is never renamed
//     or given another meaning within a version; new ones may appear.
// O5  A CSV has one header line and the same number of fields on every line (RFC 4180).
// O6  No byte that a VM chose reaches a terminal unescaped (printable()).
// O7  A table that is wider than the terminal leaves out columns, that with the greatest `spare` first. Those with 0 stay.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ringside::ctl {

inline constexpr int kJsonVersion = 1;

enum class Format { kTable, kJson, kCsv };

// How a table shows a number, and which side of the column it stands on.
enum class Unit {
    kText,      // also labels and lists
    kNumber,    // as it is; one that is not whole with six digits at most
    kCompact,   // 12.3M
    kBytes,     // 2.1MiB
    kDuration,  // ns -> 4m12s
    kSeconds,   // the same from seconds
    kTime,      // ns since 1970 -> 2026-11-21T20:40:55Z
    kTimeMs,    // the same with milliseconds
};

using Labels = std::vector<std::pair<std::string, std::string>>;
using Texts = std::vector<std::string>;
using Counts = std::vector<std::uint64_t>;
// monostate: unknown.
using Value =
    std::variant<std::monostate, std::string, std::int64_t, std::uint64_t, double, bool, Labels, Texts, Counts>;

struct Column {
    std::string name;  // as in JSON and CSV
    Unit unit = Unit::kText;
    std::string heading = {};  // of the table; empty: from the name (O1)
    std::string note = {};     // second line of a stream's heading: the unit of a metric
    int spare = 0;             // O7
};

// A table, or one record when `single`: a JSON object, "name value" lines, one CSV line.
struct Section {
    std::string name;        // key in JSON
    std::string title = {};  // over the table, where a document has several sections
    std::vector<Column> columns = {};
    std::vector<std::vector<Value>> rows = {};
    bool single = false;
    bool as_records = false;  // a list whose rows a table prints as records, each after a blank line
};

// One answer. In CSV only the section `csv` is printed (O5).
struct Document {
    std::string kind;
    std::vector<Section> sections = {};
    std::size_t csv = 0;

    // Leaves out all but the section of this name, which must be there; "" leaves all in.
    void keep(const std::string& section);
};

class Output {
  public:
    // Writes to `file`, which outlives this. Colours only where `colours`. Tables fit `width` columns where they can; 0: no
    // limit.
    Output(std::FILE* file, Format format, bool colours, std::size_t width = 0)
        : file_(file), format_(format), colours_(colours), width_(width) {}

    Format format() const { return format_; }

    void print(const Document& document);

    // A stream of rows: begin once, then one line a row, flushed. A table repeats its heading every
    // `heading_every` rows.
    void begin_stream(std::string kind, std::vector<Column> columns, std::size_t heading_every = 20);
    void stream_row(const std::vector<Value>& row);
    // How many of these columns a line of a stream has room for, at least one.
    std::size_t stream_room(const std::vector<Column>& columns) const;

    // False when a write failed (a full disk, a closed pipe). To be asked before the program says
    // that all went well.
    bool flush();

  private:
    void put(const std::string& text);
    void print_csv(const Section& section);
    void print_table(const Section& section);
    void print_record(const Section& section);
    void stream_heading();

    std::FILE* file_;
    Format format_;
    bool colours_;
    std::size_t width_;
    std::string stream_kind_;
    std::vector<Column> stream_columns_;
    std::vector<std::size_t> stream_widths_;
    std::size_t heading_every_ = 20;
    std::size_t rows_since_heading_ = 0;
};

// Whether `file` is a terminal whose cursor can be moved: no TERM=dumb.
bool is_screen(std::FILE* file);

// Whether `file` may get colours: a screen, no NO_COLOR (no-color.org: set and not empty).
bool wants_colours(std::FILE* file);

// Columns and lines of the terminal that `file` is, unless COLUMNS and LINES in the environment say otherwise; 0: there is no
// limit.
std::size_t terminal_width(std::FILE* file);
std::size_t terminal_height(std::FILE* file);

// Columns that a section takes as a table, all of its columns shown.
std::size_t table_width(const Section& section);

// One value for a table or a sentence, escaped.
std::string cell_text(const Value& value, Unit unit);

// `name="value",other="value"` in braces as PromQL writes it, or nothing for no labels. Not escaped
// for terminals.
std::string labels_text(const Labels& labels);

// Shorthand for fields where 0 means that there is none.
inline Value known_or_unknown(std::uint64_t value) { return value == 0 ? Value{} : Value{value}; }

}  // namespace ringside::ctl
