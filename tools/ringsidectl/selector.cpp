#include "tools/ringsidectl/selector.h"

#include <algorithm>

#include "agent/base/labels.h"

namespace ringside::ctl {

Result<void> check_selector(const std::string& text) {
    const auto parsed = agent::parse_selector(text);
    if (parsed) return {};
    return agent::error(parsed.error().code, "`" + text + "`: " + parsed.error().context);
}

void add_selector(Command& command, const std::string& name, std::string& selector, const std::string& help) {
    Option option = command.parsed(name, help, [&selector](const std::string& text) {
        selector = text;
        return check_selector(text);
    });
    if (name.starts_with('-')) option.type("SELECTOR");
}

v1::LabelMatcher to_message(const agent::Matcher& matcher) {
    v1::LabelMatcher message;
    message.set_name(matcher.label());
    message.set_value(matcher.value());
    switch (matcher.op()) {
        case agent::MatchOp::kEqual: message.set_op(v1::LabelMatcher::OP_EQUAL); break;
        case agent::MatchOp::kNotEqual: message.set_op(v1::LabelMatcher::OP_NOT_EQUAL); break;
        case agent::MatchOp::kRegex: message.set_op(v1::LabelMatcher::OP_REGEX); break;
        case agent::MatchOp::kNotRegex: message.set_op(v1::LabelMatcher::OP_NOT_REGEX); break;
    }
    return message;
}

bool selects(const agent::Selector& selector, const std::string& metric, const Labels& labels) {
    return std::all_of(selector.matchers.begin(), selector.matchers.end(), [&](const agent::Matcher& matcher) {
        if (matcher.label() == agent::kNameLabel) return matcher.matches(metric);
        const auto label =
            std::find_if(labels.begin(), labels.end(), [&](const auto& pair) { return pair.first == matcher.label(); });
        return matcher.matches(label == labels.end() ? std::string_view() : std::string_view(label->second));
    });
}

}  // namespace ringside::ctl
