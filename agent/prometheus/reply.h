// The envelope of the query API: what every answer has around its data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/http/message.h"

namespace ringside::agent {

// Beside the data: where it may be wrong or is not whole.
struct ReplyNotes {
    std::vector<std::string> warnings;
    std::vector<std::string> infos;

    void truncated() { warnings.emplace_back("results truncated due to limit"); }
};

// Opens an answer, to be followed by the data and finish_reply().
std::string begin_reply();
HttpAnswer finish_reply(std::string begun, const ReplyNotes& notes = {});

// What went wrong, as Prometheus names it.
enum class ErrorType { kBadData, kExecution, kCanceled, kTimeout, kInternal, kUnavailable };
HttpAnswer error_reply(ErrorType type, std::string_view text);
// kInvalid is bad data here; in evaluation it is the execution's.
HttpAnswer error_reply(const Error& error);

}  // namespace ringside::agent
