#include "tests/promql/script.h"

#include <re2/re2.h>

#include <algorithm>

#include "agent/promql/syntax/literals.h"
#include "agent/promql/syntax/quoted.h"
#include "tests/promql/text_cursor.h"

namespace ringside::agent::promql::script {
namespace {

using Kind = Expectation::Kind;

// Trimmed lines; a comment is an empty one.
std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t begin = line.find_first_not_of(" \t\r");
        line = begin == line.npos ? std::string_view() : line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
        lines.emplace_back(line.starts_with('#') ? std::string_view() : line);
    }
    return lines;
}

class Reader {
  public:
    explicit Reader(std::string_view text) : lines_(lines_of(text)) {}

    std::vector<Command> read() {
        std::vector<Command> commands;
        for (; at_ < lines_.size(); ++at_) {
            if (lines_[at_].empty()) continue;
            Command command;
            command.line = at_ + 1;
            auto done = read_command(command);
            if (!done) {
                command.fault = done.error().context;
                skip_block();
            }
            commands.push_back(std::move(command));
        }
        return commands;
    }

  private:
    Result<void> read_command(Command& command) {
        Cursor cursor(lines_[at_]);
        const std::string_view word = cursor.word();
        if (word.starts_with("clear")) {
            command.what = Clear{};
            return {};
        }
        if (word.starts_with("load")) {
            command.what = Load{};
            return read_load(word, cursor, std::get<Load>(command.what));
        }
        command.what = Eval{};
        if (word.starts_with("eval")) return read_eval(word, cursor, std::get<Eval>(command.what));
        return error(Code::kInvalid, "line " + std::to_string(at_ + 1) + ": neither load, clear nor eval");
    }

    // The next line of the block, or null at its end.
    const std::string* next_line() {
        if (at_ + 1 >= lines_.size() || lines_[at_ + 1].empty()) return nullptr;
        return &lines_[++at_];
    }

    void skip_block() {
        while (next_line()) {
        }
    }

    Error wrong(const std::string& why) const {
        return error(Code::kInvalid, "line " + std::to_string(at_ + 1) + ": " + why);
    }

    Result<void> read_load(std::string_view word, Cursor& cursor, Load& load) {
        load.with_custom_buckets = word == "load_with_nhcb";
        if (!load.with_custom_buckets && word != "load") return wrong("expected load or load_with_nhcb");
        if (auto done = read_duration(cursor, &load.step_ms); !done) return done;
        std::vector<SequenceValue> default_starts;
        std::optional<LoadedSeries> starts;  // of the line before
        while (const std::string* line = next_line()) {
            if (is_start_line(*line)) {
                auto read = read_starts(*line);
                if (!read) return read.error();
                if (read->series.labels.empty()) {
                    default_starts = std::move(read->starts);
                } else {
                    starts = std::move(*read);
                }
                continue;
            }
            auto series = parse_series(*line);
            if (!series) return wrong(series.error().context);
            LoadedSeries loaded{std::move(*series), {}};
            if (starts) {
                if (starts->series.labels != loaded.series.labels) return wrong("@st stands before another series");
                if (starts->starts.size() != loaded.series.values.size()) {
                    return wrong("@st has " + std::to_string(starts->starts.size()) + " values, its series " +
                                 std::to_string(loaded.series.values.size()));
                }
                loaded.starts = std::move(starts->starts);
                starts.reset();
            } else if (!default_starts.empty()) {
                for (std::size_t i = 0; i < loaded.series.values.size(); ++i) {
                    loaded.starts.push_back(default_starts[i % default_starts.size()]);
                }
            }
            replace(load.series, std::move(loaded));
        }
        if (starts) return wrong("@st stands before no series");
        return {};
    }

    static bool is_start_line(const std::string& line) {
        const std::size_t space = line.find_first_of(" \t");
        return space != line.npos && line.substr(0, space).ends_with("@st");
    }

    Result<LoadedSeries> read_starts(const std::string& line) const {
        const std::size_t space = line.find_first_of(" \t");
        LoadedSeries read;
        if (space > 3) {
            auto labels = parse_labels(line.substr(0, space - 3));
            if (!labels) return wrong(labels.error().context);
            read.series.labels = std::move(*labels);
        }
        auto starts = parse_start_offsets(line.substr(space));
        if (!starts) return wrong(starts.error().context);
        read.starts = std::move(*starts);
        return read;
    }

    static void replace(std::vector<LoadedSeries>& all, LoadedSeries one) {
        const auto same = std::ranges::find_if(
            all, [&](const LoadedSeries& series) { return series.series.labels == one.series.labels; });
        if (same == all.end()) {
            all.push_back(std::move(one));
        } else {
            *same = std::move(one);
        }
    }

    Result<void> read_eval(std::string_view word, Cursor& cursor, Eval& eval) {
        if (auto done = read_old_form(word, eval); !done) return done;
        cursor.skip_space();
        const std::string_view kind = cursor.word();
        eval.is_range = kind == "range";
        if (!eval.is_range && kind != "instant") return wrong("expected instant or range");
        auto times = eval.is_range ? read_range(cursor, eval) : read_keyword_time(cursor, "at", &eval.time_ms);
        if (!times) return times;
        cursor.skip_space();
        eval.query = std::string(cursor.rest());
        for (std::size_t position = 1; const std::string* line = next_line();) {
            auto more = read_expected(*line, position, eval);
            if (!more) return more.error();
            if (!*more) break;
        }
        return {};
    }

    Result<void> read_range(Cursor& cursor, Eval& eval) {
        if (auto done = read_keyword_time(cursor, "from", &eval.begin_ms); !done) return done;
        if (auto done = read_keyword_time(cursor, "to", &eval.end_ms); !done) return done;
        if (auto done = read_keyword_time(cursor, "step", &eval.step_ms); !done) return done;
        if (eval.end_ms < eval.begin_ms) return wrong("the range ends before it begins");
        return {};
    }

    // eval_fail, eval_warn, eval_info, eval_ordered
    Result<void> read_old_form(std::string_view word, Eval& eval) {
        static const std::map<std::string_view, Kind> kForms = {{"eval_fail", Kind::kFail},
                                                                {"eval_warn", Kind::kWarn},
                                                                {"eval_info", Kind::kInfo},
                                                                {"eval_ordered", Kind::kOrdered}};
        if (word == "eval") return {};
        const auto form = kForms.find(word);
        if (form == kForms.end()) return wrong("unknown form of eval: " + std::string(word));
        eval.expectations.push_back({form->second, std::nullopt, std::nullopt});
        return {};
    }

    Result<void> read_keyword_time(Cursor& cursor, std::string_view keyword, std::int64_t* ms) {
        cursor.skip_space();
        if (cursor.word() != keyword) return wrong("expected " + std::string(keyword));
        return read_duration(cursor, ms);
    }

    Result<void> read_duration(Cursor& cursor, std::int64_t* ms) {
        cursor.skip_space();
        auto duration = parse_duration_literal(cursor.word());
        if (!duration) return wrong(duration.error().context);
        *ms = *duration;
        return {};
    }

    // One line below `eval`. False if no further one belongs to it.
    Result<bool> read_expected(const std::string& line, std::size_t& position, Eval& eval) {
        Cursor cursor(line);
        if (cursor.accept("expected_fail_message")) return read_old_failure(cursor, false, eval);
        if (cursor.accept("expected_fail_regexp")) return read_old_failure(cursor, true, eval);
        if (cursor.accept("expect ") || cursor.accept("expect\t")) return read_expect(cursor, eval);
        Cursor number_cursor(line);
        if (auto number = read_number(number_cursor); number && number_cursor.at_end()) {
            eval.scalar = *number;
            return false;
        }
        auto series = parse_series(line);
        if (!series) return wrong(series.error().context);
        if (series->values.size() > 1 && !eval.is_range && !eval.instant_only) {
            return wrong("an instant query has one value a series");
        }
        eval.series[series->labels] = {position++, std::move(series->values)};
        return true;
    }

    static Result<bool> read_old_failure(Cursor& cursor, bool pattern, Eval& eval) {
        cursor.skip_space();
        for (Expectation& one : eval.expectations) {
            if (one.kind == Kind::kFail) (pattern ? one.pattern : one.message) = std::string(cursor.rest());
        }
        return false;
    }

    Result<bool> read_expect(Cursor& cursor, Eval& eval) {
        cursor.skip_space();
        if (cursor.accept("range vector")) {
            eval.instant_only = true;
            if (auto done = read_range(cursor, eval); !done) return done.error();
            eval.time_ms = eval.end_ms;
            return true;
        }
        if (cursor.accept("string ")) {
            eval.instant_only = true;
            std::size_t at = 0;
            auto text = unquote(cursor.rest(), &at);
            if (!text || at != cursor.rest().size()) return wrong("expected a string in quotes");
            eval.text = std::move(*text);
            return true;
        }
        return read_expectation(cursor, eval);
    }

    Result<bool> read_expectation(Cursor& cursor, Eval& eval) {
        static const std::map<std::string_view, Kind> kKinds = {
            {"ordered", Kind::kOrdered}, {"fail", Kind::kFail}, {"warn", Kind::kWarn},
            {"no_warn", Kind::kNoWarn},  {"info", Kind::kInfo}, {"no_info", Kind::kNoInfo}};
        const auto kind = kKinds.find(cursor.word());
        if (kind == kKinds.end()) return wrong("unknown expectation");
        Expectation expectation{kind->second, std::nullopt, std::nullopt};
        cursor.skip_space();
        const bool message = cursor.accept("msg:");
        const bool pattern = !message && cursor.accept("regex:");
        if (!message && !pattern && !cursor.at_end()) return wrong("expected msg: or regex: at " + cursor.context());
        cursor.skip_space();
        if (message) expectation.message = std::string(cursor.rest());
        if (pattern) {
            expectation.pattern = std::string(cursor.rest());
            if (const RE2 regex(*expectation.pattern, RE2::Quiet); !regex.ok())
                return wrong("invalid pattern: " + regex.error());
        }
        eval.expectations.push_back(std::move(expectation));
        return true;
    }

    std::vector<std::string> lines_;
    std::size_t at_ = 0;
};

}  // namespace

bool Eval::expects(Expectation::Kind kind) const {
    return std::ranges::any_of(expectations, [&](const Expectation& one) { return one.kind == kind; });
}

std::vector<Command> read_script(std::string_view text) { return Reader(text).read(); }

}  // namespace ringside::agent::promql::script
