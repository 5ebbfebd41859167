// Functions that write labels or sort by them.
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include "agent/base/text.h"
#include "agent/promql/engine/function.h"
#include "agent/promql/engine/natural_order.h"
#include "agent/promql/syntax/matcher.h"

namespace ringside::agent::promql {
namespace {

// A function over its own result doubles a label with each level of nesting.
constexpr std::size_t kLabelBytesMax = 64 * 1024;

Result<void> check_label(const GridCall& call, const char* side, const std::string& name) {
    if (!name.empty() && is_utf8(name)) return {};  // Any text may name a label.
    return error(Code::kInvalid, std::string("invalid ") + side + " label name in " +
                                     std::string(call.call.function->name) + "(): " + name);
}

// The row gets a value for one label; with "" it loses the label.
// `bytes` are those that the call has written so far, which take room like samples do. kInvalid for a label that is too
// long.
Result<void> write_label(const GridCall& call, Grid& grid, std::size_t row, const std::string& name,
                         std::string_view value, std::uint64_t& bytes) {
    if (value.size() > kLabelBytesMax) {
        return error(Code::kInvalid, std::string(call.call.function->name) + "() would make a label of more than " +
                                         std::to_string(kLabelBytesMax) + " bytes");
    }
    LabelsBuilder builder(grid.labels(row));
    builder.set(name, value);
    grid.set_labels(row, builder.labels());
    // A name given here is meant to stay.
    if (name == kNameLabel) grid.set_drop_name(row, false);
    bytes += value.size();
    return call.evaluator.check(bytes / kSampleBytes);
}

// What a pattern captured, as a replacement refers to it: $1, ${1}, $name, ${name}; $$ is a dollar.
class Replacement {
  public:
    Replacement(std::string text, const RE2& regex) : text_(std::move(text)), names_(regex.NamedCapturingGroups()) {}

    // Up to where it is known to be too long.
    std::string expand(std::span<const re2::StringPiece> groups) const {
        std::string out;
        for (std::string_view rest = text_; !rest.empty() && out.size() <= kLabelBytesMax;) {
            const std::size_t dollar = std::min(rest.find('$'), rest.size());
            out += rest.substr(0, dollar);
            rest.remove_prefix(dollar);
            if (rest.empty()) break;
            if (rest.starts_with("$$")) {
                out += '$';
                rest.remove_prefix(2);
            } else if (const auto reference = read_reference(rest)) {
                out += captured(reference->name, groups);
                rest.remove_prefix(reference->length);
            } else {
                out += '$';
                rest.remove_prefix(1);
            }
        }
        return out;
    }

  private:
    struct Reference {
        std::string_view name;
        std::size_t length = 0;
    };

    // The longest name of letters, digits and _ at the front, `$` and braces included in its length.
    static std::optional<Reference> read_reference(std::string_view text) {
        const bool braces = text.starts_with("${");
        const std::size_t begin = braces ? 2 : 1;
        std::size_t end = begin;
        while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) ++end;
        if (end == begin || (braces && (end >= text.size() || text[end] != '}'))) return std::nullopt;
        return Reference{text.substr(begin, end - begin), braces ? end + 1 : end};
    }

    // What is not captured, or named by nobody, is empty.
    std::string captured(std::string_view name, std::span<const re2::StringPiece> groups) const {
        std::size_t index = groups.size();
        const auto done = std::from_chars(name.data(), name.data() + name.size(), index);
        if (done.ec != std::errc() || done.ptr != name.data() + name.size()) {
            const auto named = names_.find(std::string(name));
            index = named == names_.end() ? groups.size() : static_cast<std::size_t>(named->second);
        }
        return index < groups.size() ? groups[index].as_string() : std::string();
    }

    std::string text_;
    std::map<std::string, int> names_;
};

// label_replace(v, dst, replacement, src, regex)
Result<Grid> label_replace(const GridCall& call) {
    const std::string& to = call.text(1);
    const std::string& from = call.text(3);
    const std::string& pattern = call.text(4);
    if (pattern.size() > kRegexMaxBytes) {
        return error(Code::kInvalid, "the regular expression in label_replace() has more than " +
                                         std::to_string(kRegexMaxBytes) + " bytes");
    }
    RE2::Options options;
    options.set_dot_nl(true);
    options.set_log_errors(false);
    options.set_max_mem(kRegexMaxMemory);
    const RE2 regex(pattern, options);
    if (!regex.ok()) {
        return error(Code::kInvalid,
                     "invalid regular expression in label_replace(): " + pattern + ": " + regex.error());
    }
    if (auto done = check_label(call, "destination", to); !done) return done.error();
    Result<Grid> vector = call.grid(0);
    if (!vector) return vector;
    const Replacement replacement(call.text(2), regex);
    std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) + 1);
    std::uint64_t bytes = 0;
    for (std::size_t row = 0; row < vector->rows(); ++row) {
        const std::string value(vector->labels(row).get(from));
        if (regex.Match(value, 0, value.size(), RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size()))) {
            auto written = write_label(call, *vector, row, to, replacement.expand(groups), bytes);
            if (!written) return written.error();
        }
    }
    if (auto merged = call.evaluator.merge_same_labels(*vector); !merged) return merged.error();
    return vector;
}

// label_join(v, dst, separator, src...)
Result<Grid> label_join(const GridCall& call) {
    const std::string& to = call.text(1);
    const std::string& separator = call.text(2);
    if (auto done = check_label(call, "destination", to); !done) return done.error();
    for (std::size_t i = 3; i < call.argument_count(); ++i) {
        if (auto done = check_label(call, "source", call.text(i)); !done) return done.error();
    }
    Result<Grid> vector = call.grid(0);
    if (!vector) return vector;
    std::uint64_t bytes = 0;
    for (std::size_t row = 0; row < vector->rows(); ++row) {
        std::string joined;
        for (std::size_t i = 3; i < call.argument_count(); ++i) {
            if (joined.size() > kLabelBytesMax) break;
            if (i > 3) joined += separator;
            joined += vector->labels(row).get(call.text(i));
        }
        auto written = write_label(call, *vector, row, to, joined, bytes);
        if (!written) return written.error();
    }
    if (auto merged = call.evaluator.merge_same_labels(*vector); !merged) return merged.error();
    return vector;
}

// sort_by_label(v, label...): rows that agree in all these labels come by all of theirs.
template <bool kDescending>
Result<Grid> sort_by_label(const GridCall& call) {
    Result<Grid> vector = call.grid(0);
    if (!vector) return vector;
    if (call.evaluator.times.step_ms != 0 && call.steps.count > 1) {
        call.evaluator.notes.warn(call.expr.span.begin, note::kSortInRange);
    }
    auto less = [&](const Labels& a, const Labels& b) {
        for (std::size_t i = 1; i < call.argument_count(); ++i) {
            const std::string_view left = a.get(call.text(i));
            const std::string_view right = b.get(call.text(i));
            if (natural_less(left, right)) return true;
            if (natural_less(right, left)) return false;
        }
        return a < b;
    };
    std::vector<std::size_t> order(vector->rows());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
        return kDescending ? less(vector->labels(b), vector->labels(a)) : less(vector->labels(a), vector->labels(b));
    });
    vector->arrange(order);
    return vector;
}

constexpr FunctionBody kFunctions[] = {
    {"label_join", GridFunction(&label_join)},
    {"label_replace", GridFunction(&label_replace)},
    {"sort_by_label", GridFunction(&sort_by_label<false>)},
    {"sort_by_label_desc", GridFunction(&sort_by_label<true>)},
};

}  // namespace

std::span<const FunctionBody> label_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
