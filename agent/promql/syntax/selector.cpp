// The parser of selectors: a few lines of recursive descent over one string.
#include <utility>

#include "agent/base/labels.h"
#include "agent/promql/syntax/matcher.h"
#include "agent/promql/syntax/quoted.h"

namespace ringside::agent {
namespace {

class SelectorParser {
  public:
    explicit SelectorParser(std::string_view text) : text_(text) {}

    Result<Selector> parse() {
        skip_space();
        if (std::string name = read_name(true); !name.empty()) {
            if (auto added = add(kNameLabel, MatchOp::kEqual, std::move(name)); !added) return added.error();
            named_ = true;
        }
        skip_space();
        if (take('{')) {
            if (auto body = parse_body(); !body) return body.error();
            skip_space();
        }
        if (at_ < text_.size()) return wrong("expected the end of the selector");
        return std::move(selector_);
    }

  private:
    // Everything between the braces and the closing one. A comma may follow the last matcher.
    Result<void> parse_body() {
        for (;;) {
            skip_space();
            if (take('}')) return {};
            if (auto one = parse_matcher(); !one) return one;
            skip_space();
            if (take(',')) continue;
            if (!take('}')) return wrong("expected , or }");
            return {};
        }
    }

    Result<void> parse_matcher() {
        const bool in_quotes = at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'' || text_[at_] == '`');
        const std::size_t begin = at_;
        std::string label;
        if (in_quotes) {
            auto name = unquote(text_, &at_);
            if (!name) return wrong(name.error().context);
            label = std::move(*name);
            skip_space();
            if (at_ >= text_.size() || text_[at_] == ',' || text_[at_] == '}') {
                // {"name", ...}: a string alone is the metric's name.
                if (named_) return wrong_at(begin, "the metric's name stands here a second time");
                named_ = true;
                return add(kNameLabel, MatchOp::kEqual, std::move(label));
            }
        } else {
            label = read_name(false);
            if (label.empty()) return wrong("expected the name of a label");
        }
        if (label == kNameLabel && named_) {
            return wrong_at(begin, "the metric's name stands here a second time");
        }
        skip_space();
        MatchOp op = MatchOp::kEqual;
        if (!read_op(&op)) return wrong("expected =, !=, =~ or !~");
        skip_space();
        auto value = unquote(text_, &at_);
        if (!value) return wrong(value.error().context);
        return add(std::move(label), op, std::move(*value));
    }

    Result<void> add(std::string label, MatchOp op, std::string value) {
        if (selector_.matchers.size() == kSelectorMaxMatchers) {
            return wrong("a selector has at most " + std::to_string(kSelectorMaxMatchers) + " matchers");
        }
        auto matcher = Matcher::make(std::move(label), op, std::move(value));
        if (!matcher) return wrong(matcher.error().context);
        selector_.matchers.push_back(std::move(*matcher));
        return {};
    }

    std::string read_name(bool metric) {
        std::string_view rest = text_.substr(at_);
        std::string name(rest.substr(0, metric ? metric_name_length(rest) : label_name_length(rest)));
        at_ += name.size();
        return name;
    }

    bool read_op(MatchOp* op) {
        static constexpr std::pair<std::string_view, MatchOp> kOps[] = {
            {"=~", MatchOp::kRegex}, {"!~", MatchOp::kNotRegex}, {"!=", MatchOp::kNotEqual}, {"=", MatchOp::kEqual}};
        for (auto [symbol, value] : kOps) {
            if (text_.substr(at_, symbol.size()) != symbol) continue;
            at_ += symbol.size();
            *op = value;
            return true;
        }
        return false;
    }

    bool take(char c) {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    void skip_space() {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
            ++at_;
        }
    }

    Error wrong(const std::string& what) const { return wrong_at(at_, what); }
    Error wrong_at(std::size_t at, const std::string& what) const {
        return error(Code::kInvalid, "selector, character " + std::to_string(at + 1) + ": " + what +
                                         "; a selector looks like name{label=\"value\"}");
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool named_ = false;
    Selector selector_;
};

}  // namespace

Result<Selector> parse_selector(std::string_view text) {
    if (text.size() > kSelectorMaxBytes) {
        return error(Code::kInvalid, "the selector has " + std::to_string(text.size()) + " bytes; at most " +
                                         std::to_string(kSelectorMaxBytes) + " are allowed");
    }
    return SelectorParser(text).parse();
}

}  // namespace ringside::agent
