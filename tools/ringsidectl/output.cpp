#include "tools/ringsidectl/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>

#include "tools/ringsidectl/output_json.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr const char* kBold = "\033[1m";
constexpr const char* kPlain = "\033[0m";

bool is_number(Unit unit) {
    return unit == Unit::kNumber || unit == Unit::kCompact || unit == Unit::kBytes || unit == Unit::kDuration ||
           unit == Unit::kSeconds;
}

double as_double(const Value& value) {
    if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
    if (const auto* u = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*u);
    return std::get<double>(value);
}

bool holds_number(const Value& value) {
    return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<std::uint64_t>(value) ||
           std::holds_alternative<double>(value);
}

template <typename List, typename ToText>
std::string joined(const List& list, const char* between, ToText to_text) {
    std::string out;
    bool first = true;
    for (const auto& item : list) {
        if (!first) out += between;
        out += to_text(item);
        first = false;
    }
    return out;
}

// The text of a value as it is, for CSV and for what a table shows unchanged.
std::string raw_text(const Value& value) {
    struct Visitor {
        std::string operator()(std::monostate) const { return {}; }
        std::string operator()(const std::string& text) const { return text; }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(std::uint64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const { return exact_text(number); }
        std::string operator()(bool truth) const { return truth ? "true" : "false"; }
        std::string operator()(const Labels& labels) const { return labels_text(labels); }
        std::string operator()(const Texts& texts) const {
            return joined(texts, ",", [](const std::string& text) { return text; });
        }
        std::string operator()(const Counts& counts) const {
            return joined(counts, " ", [](std::uint64_t count) { return std::to_string(count); });
        }
    };
    return std::visit(Visitor{}, value);
}

std::string heading_of(const Column& column) {
    if (!column.heading.empty()) return column.heading;
    std::string_view name = column.name;
    for (std::string_view suffix : {"_bytes", "_ns"}) {
        if (name.size() > suffix.size() && name.ends_with(suffix)) name.remove_suffix(suffix.size());
    }
    std::string heading(name);
    std::transform(heading.begin(), heading.end(), heading.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return heading;
}

std::string padded(std::string text, std::size_t width, bool right) {
    const std::size_t has = width_of(text);
    if (has >= width) return text;
    return right ? std::string(width - has, ' ') + text : text + std::string(width - has, ' ');
}

// RFC 4180: fields with a comma, a quote or a line break are quoted, quotes doubled. So is an empty
// text (O2).
std::string csv_field(const Value& value) {
    std::string text = raw_text(value);
    const bool empty_text = text.empty() && !std::holds_alternative<std::monostate>(value);
    if (!empty_text && text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

// Which columns of a table fit into `room` (O7). A column takes two places more than its width.
std::vector<std::size_t> fitting_columns(const std::vector<Column>& columns, const std::vector<std::size_t>& widths,
                                         std::size_t room) {
    std::vector<std::size_t> shown(columns.size());
    std::iota(shown.begin(), shown.end(), std::size_t{0});
    std::size_t total = std::accumulate(widths.begin(), widths.end(), 2 * widths.size());
    while (total > room + 2) {
        const auto most = std::max_element(shown.begin(), shown.end(), [&](std::size_t a, std::size_t b) {
            return columns[a].spare < columns[b].spare;
        });
        if (most == shown.end() || columns[*most].spare == 0) break;
        total -= widths[*most] + 2;
        shown.erase(most);
    }
    return shown;
}

// The width of a column whose values are not known yet: a time has 20 or 24 places, a number at most 7.
std::size_t stream_width(const Column& column) {
    const std::size_t least = column.unit == Unit::kTime     ? 20
                              : column.unit == Unit::kTimeMs ? 24
                              : is_number(column.unit)       ? 7
                                                             : 1;
    return std::max({least, width_of(heading_of(column)), width_of(column.note)});
}

std::string csv_line(const std::vector<Value>& row) { return joined(row, ",", csv_field) + "\r\n"; }

std::string csv_header(const std::vector<Column>& columns) {
    return joined(columns, ",", [](const Column& column) { return csv_field(column.name); }) + "\r\n";
}

// The cells of a table as texts, and how wide each column is.
struct Laid {
    std::vector<std::vector<std::string>> lines;
    std::vector<std::size_t> widths;
};
Laid lay_out(const Section& section) {
    Laid laid;
    for (const Column& column : section.columns) laid.widths.push_back(width_of(heading_of(column)));
    for (const auto& row : section.rows) {
        std::vector<std::string>& line = laid.lines.emplace_back();
        for (std::size_t i = 0; i < row.size(); ++i) {
            line.push_back(cell_text(row[i], section.columns[i].unit));
            laid.widths[i] = std::max(laid.widths[i], width_of(line.back()));
        }
    }
    return laid;
}

// 0: there is none.
unsigned long number_in_environment(const char* name) {
    const char* text = std::getenv(name);
    return text ? std::strtoul(text, nullptr, 10) : 0;
}

}  // namespace

void Document::keep(const std::string& section) {
    if (section.empty()) return;
    std::erase_if(sections, [&](const Section& one) { return one.name != section; });
    csv = 0;
}

std::string labels_text(const Labels& labels) {
    if (labels.empty()) return {};
    std::string out = "{";
    for (const auto& [name, value] : labels) {
        if (out.size() > 1) out += ',';
        out += name + "=\"";
        for (char c : value) {
            if (c == '"' || c == '\\') out += '\\';
            out += c == '\n' ? "\\n" : std::string(1, c);
        }
        out += '"';
    }
    return out + "}";
}

std::string cell_text(const Value& value, Unit unit) {
    if (holds_number(value)) {
        const double number = as_double(value);
        const auto* whole = std::get_if<std::uint64_t>(&value);
        switch (unit) {
            case Unit::kCompact: return compact_text(number);
            case Unit::kBytes: return bytes_text(number);
            case Unit::kDuration: return duration_text(number);
            case Unit::kSeconds: return duration_text(number * 1e9);
            case Unit::kTime: return whole ? time_text(*whole) : "-";
            case Unit::kTimeMs: return whole ? time_text(*whole, 3) : "-";
            case Unit::kNumber: return std::holds_alternative<double>(value) ? number_text(number) : raw_text(value);
            case Unit::kText: return raw_text(value);
        }
    }
    if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "yes" : "no";
    std::string text = printable(raw_text(value));
    return text.empty() ? "-" : text;
}

bool is_screen(std::FILE* file) {
    const char* term = std::getenv("TERM");
    return term && std::strcmp(term, "dumb") != 0 && isatty(fileno(file)) == 1;
}

bool wants_colours(std::FILE* file) {
    const char* no_color = std::getenv("NO_COLOR");
    return !(no_color && *no_color) && is_screen(file);
}

std::size_t terminal_width(std::FILE* file) {
    if (const unsigned long wanted = number_in_environment("COLUMNS")) return wanted;
    winsize size{};
    return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::size_t terminal_height(std::FILE* file) {
    if (const unsigned long wanted = number_in_environment("LINES")) return wanted;
    winsize size{};
    return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

std::size_t table_width(const Section& section) {
    const std::vector<std::size_t> widths = lay_out(section).widths;
    return std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
}

void Output::put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), file_); }

bool Output::flush() { return std::fflush(file_) == 0 && std::ferror(file_) == 0; }

void Output::print(const Document& document) {
    switch (format_) {
        case Format::kJson: put(json_text(document)); return;
        case Format::kCsv: print_csv(document.sections[document.csv]); return;
        case Format::kTable: break;
    }
    bool first = true;
    for (const Section& section : document.sections) {
        if (!first) put("\n");
        first = false;
        if (!section.title.empty()) put(printable(section.title) + "\n");
        section.single || section.as_records ? print_record(section) : print_table(section);
    }
}

void Output::print_csv(const Section& section) {
    put(csv_header(section.columns));
    for (const auto& row : section.rows) put(csv_line(row));
}

void Output::print_table(const Section& section) {
    const auto [lines, widths] = lay_out(section);
    const std::vector<std::size_t> shown =
        fitting_columns(section.columns, widths, width_ ? width_ : std::numeric_limits<std::size_t>::max() - 2);
    const auto print_line = [&](const std::vector<std::string>& line) {
        std::string out;
        for (std::size_t i : shown) {
            const bool right = is_number(section.columns[i].unit);
            const bool last = i == shown.back();
            if (i != shown.front()) out += "  ";
            out += last && !right ? line[i] : padded(line[i], widths[i], right);
        }
        return out;
    };
    std::vector<std::string> headings;
    for (const Column& column : section.columns) headings.push_back(heading_of(column));
    const std::string heading = print_line(headings);
    put(colours_ ? kBold + heading + kPlain + "\n" : heading + "\n");
    for (const auto& line : lines) put(print_line(line) + "\n");
}

void Output::print_record(const Section& section) {
    std::size_t width = 0;
    for (const Column& column : section.columns) width = std::max(width, width_of(heading_of(column)));
    for (const auto& row : section.rows) {
        if (&row != &section.rows.front()) put("\n");
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string heading = padded(heading_of(section.columns[i]), width + 2, false);
            put(colours_ ? kBold + heading + kPlain : heading);
            put(cell_text(row[i], section.columns[i].unit) + "\n");
        }
    }
}

void Output::begin_stream(std::string kind, std::vector<Column> columns, std::size_t heading_every) {
    stream_kind_ = std::move(kind);
    stream_columns_ = std::move(columns);
    heading_every_ = heading_every;
    rows_since_heading_ = 0;
    stream_widths_.clear();
    for (const Column& column : stream_columns_) stream_widths_.push_back(stream_width(column));
    if (format_ == Format::kCsv) put(csv_header(stream_columns_));
}

std::size_t Output::stream_room(const std::vector<Column>& columns) const {
    if (width_ == 0 || format_ != Format::kTable) return columns.size();
    std::size_t count = 0, total = 0;
    for (; count < columns.size(); ++count) {
        total += stream_width(columns[count]) + (count > 0 ? 1 : 0);
        if (total > width_ && count > 0) break;
    }
    return count;
}

void Output::stream_heading() {
    std::string names, notes;
    bool has_notes = false;
    for (std::size_t i = 0; i < stream_columns_.size(); ++i) {
        const Column& column = stream_columns_[i];
        const bool right = is_number(column.unit);
        has_notes = has_notes || !column.note.empty();
        names += (i > 0 ? " " : "") + padded(heading_of(column), stream_widths_[i], right);
        notes += (i > 0 ? " " : "") + padded(column.note, stream_widths_[i], right);
    }
    for (std::string line : {names, has_notes ? notes : std::string()}) {
        line.erase(line.find_last_not_of(' ') + 1);
        if (!line.empty()) put(colours_ ? kBold + line + kPlain + "\n" : line + "\n");
    }
}

void Output::stream_row(const std::vector<Value>& row) {
    if (format_ == Format::kCsv) {
        put(csv_line(row));
    } else if (format_ == Format::kJson) {
        put(json_line(stream_kind_, stream_columns_, row));
    } else {
        if (rows_since_heading_ == 0 || (heading_every_ > 0 && rows_since_heading_ % heading_every_ == 0)) {
            stream_heading();
        }
        ++rows_since_heading_;
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const Column& column = stream_columns_[i];
            line +=
                (i > 0 ? " " : "") + padded(cell_text(row[i], column.unit), stream_widths_[i], is_number(column.unit));
        }
        line.erase(line.find_last_not_of(' ') + 1);
        put(line + "\n");
    }
    std::fflush(file_);
}

}  // namespace ringside::ctl
