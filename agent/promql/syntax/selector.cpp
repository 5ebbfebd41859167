// Selectors that stand alone: on a command line, in a request.
#include <algorithm>

#include "agent/base/labels.h"
#include "agent/promql/syntax/matcher.h"
#include "agent/promql/syntax/parse_state.h"

namespace ringside::agent {

Result<Selector> parse_selector(std::string_view text) {
    if (text.size() > kSelectorMaxBytes) {
        return error(Code::kInvalid, "the selector has " + std::to_string(text.size()) + " bytes; at most " +
                                         std::to_string(kSelectorMaxBytes) + " are allowed");
    }
    promql::ParseState state(text, {});
    promql::VectorSelector selector;
    if (!state.lone_selector(&selector)) {
        return error(Code::kInvalid,
                     "selector, " + state.error().context + "; a selector looks like name{label=\"value\"}");
    }
    return Selector{std::move(selector.matchers)};
}

}  // namespace ringside::agent
