#include "tools/ringsidectl/selector.h"

#include <algorithm>

#include "agent/base/labels.h"

namespace ringside::ctl {

CLI::Option* add_selector(CLI::App& command, const std::string& name, std::string& selector, const std::string& help) {
    return command
        .add_option_function<std::string>(
            name,
            [name, &selector](const std::string& text) {
                const auto parsed = agent::parse_selector(text);
                if (!parsed) throw CLI::ValidationError(name, "`" + text + "`: " + parsed.error().context);
                selector = text;
            },
            help)
        ->type_name(name.starts_with('-') ? "SELECTOR" : "");
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
