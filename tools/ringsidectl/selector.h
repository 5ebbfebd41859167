// Selectors as PromQL writes them, checked here and sent to the agent as label matchers.
#pragma once

#include <ringside/v1/series.pb.h>

#include <string>

#include "agent/promql/syntax/matcher.h"
#include "tools/ringsidectl/command.h"

namespace ringside::ctl {

namespace v1 = ringside::v1;
using agent::Result;

// An option or a positional that takes a selector; one that does not parse is an error of usage.
void add_selector(Command& command, const std::string& name, std::string& selector, const std::string& help);

// Says what is wrong with the text of a selector.
Result<void> check_selector(const std::string& text);

v1::LabelMatcher to_message(const agent::Matcher& matcher);

template <typename Request>
Result<void> add_matchers(Request& request, const std::string& selector) {
    const auto parsed = agent::parse_selector(selector);
    if (!parsed) return parsed.error();
    for (const agent::Matcher& matcher : parsed->matchers) *request.add_matchers() = to_message(matcher);
    return {};
}

// Whether a series of this metric with these labels is selected.
bool selects(const agent::Selector& selector, const std::string& metric, const Labels& labels);

}  // namespace ringside::ctl
