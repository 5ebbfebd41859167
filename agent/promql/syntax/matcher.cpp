#include "agent/promql/syntax/matcher.h"

#include <re2/re2.h>

#include "agent/base/labels.h"
#include "agent/base/text.h"

namespace ringside::agent {
namespace {

Result<std::shared_ptr<const re2::RE2>> compile(const std::string& label, const std::string& pattern) {
    if (pattern.size() > kRegexMaxBytes) {
        return error(Code::kInvalid, "the pattern for label " + label + " has " + std::to_string(pattern.size()) +
                                         " bytes; at most " + std::to_string(kRegexMaxBytes) + " are allowed");
    }
    re2::RE2::Options options;
    options.set_dot_nl(true);
    options.set_never_capture(true);
    options.set_log_errors(false);
    options.set_max_mem(kRegexMaxMemory);
    auto regex = std::make_shared<const re2::RE2>(pattern, options);
    if (!regex->ok()) {
        return error(Code::kInvalid,
                     "the pattern " + quote(pattern) + " for label " + label + " is not valid: " + regex->error());
    }
    return regex;
}

}  // namespace

const char* match_op_text(MatchOp op) {
    switch (op) {
        case MatchOp::kEqual: return "=";
        case MatchOp::kNotEqual: return "!=";
        case MatchOp::kRegex: return "=~";
        case MatchOp::kNotRegex: return "!~";
    }
    return "?";
}

Matcher::Matcher(std::string label, MatchOp op, std::string value)
    : label_(std::move(label)), value_(std::move(value)), op_(op) {}

Result<Matcher> Matcher::make(std::string label, MatchOp op, std::string value) {
    if (label.empty()) return error(Code::kInvalid, "a matcher needs the name of a label");
    Matcher matcher(std::move(label), op, std::move(value));
    if (op == MatchOp::kRegex || op == MatchOp::kNotRegex) {
        auto regex = compile(matcher.label_, matcher.value_);
        if (!regex) return regex.error();
        matcher.regex_ = std::move(*regex);
    }
    matcher.matches_empty_ = matcher.matches("");
    return matcher;
}

bool Matcher::matches(std::string_view value) const {
    switch (op_) {
        case MatchOp::kEqual: return value == value_;
        case MatchOp::kNotEqual: return value != value_;
        case MatchOp::kRegex: return re2::RE2::FullMatch({value.data(), value.size()}, *regex_);
        case MatchOp::kNotRegex: return !re2::RE2::FullMatch({value.data(), value.size()}, *regex_);
    }
    return false;
}

std::size_t Matcher::cost() const { return regex_ ? static_cast<std::size_t>(regex_->ProgramSize()) : 0; }

std::string Matcher::text() const {
    std::string text = is_label_name(label_) ? label_ : quote(label_);
    return text + match_op_text(op_) + quote(value_);
}

std::string Selector::text() const {
    const Matcher* name = nullptr;
    std::string rest;
    for (const Matcher& matcher : matchers) {
        if (!name && matcher.label() == kNameLabel && matcher.op() == MatchOp::kEqual &&
            is_metric_name(matcher.value())) {
            name = &matcher;
            continue;
        }
        if (!rest.empty()) rest += ',';
        rest += matcher.text();
    }
    if (name && rest.empty()) return name->value();
    return (name ? name->value() : "") + "{" + rest + "}";
}

}  // namespace ringside::agent
