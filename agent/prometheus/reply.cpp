#include "agent/prometheus/reply.h"

#include <algorithm>

#include "agent/promql/run/json.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kNotesMax = 10;  // of each kind
constexpr const char* kJson = "application/json";

void append_notes(std::string& out, const char* name, const char* kind, std::vector<std::string> notes) {
    if (notes.empty()) return;
    std::ranges::sort(notes);
    notes.erase(std::unique(notes.begin(), notes.end()), notes.end());
    if (notes.size() > kNotesMax) {
        const std::string omitted = std::to_string(notes.size() - kNotesMax) + " more " + kind + " annotations omitted";
        notes.resize(kNotesMax);
        notes.push_back(omitted);
    }
    const char* before = ":[";
    out += std::string(",\"") + name + "\"";
    for (const std::string& note : notes) {
        out += before;
        append_json(out, std::string_view(note));
        before = ",";
    }
    out += ']';
}

struct ErrorKind {
    const char* name;
    int status;
};
ErrorKind kind_of(ErrorType type) {
    switch (type) {
        case ErrorType::kBadData: return {"bad_data", 400};
        case ErrorType::kExecution: return {"execution", 422};
        case ErrorType::kCanceled: return {"canceled", 499};
        case ErrorType::kTimeout: return {"timeout", 503};
        case ErrorType::kInternal: return {"internal", 500};
        case ErrorType::kUnavailable: return {"unavailable", 503};
    }
    return {"internal", 500};
}

}  // namespace

std::string begin_reply() { return "{\"status\":\"success\",\"data\":"; }

HttpAnswer finish_reply(std::string begun, const ReplyNotes& notes) {
    append_notes(begun, "warnings", "warning", notes.warnings);
    append_notes(begun, "infos", "info", notes.infos);
    begun += '}';
    return {.status = 200, .content_type = kJson, .body = std::move(begun)};
}

HttpAnswer error_reply(ErrorType type, std::string_view text) {
    const ErrorKind kind = kind_of(type);
    HttpAnswer answer{.status = kind.status, .content_type = kJson};
    answer.body = std::string("{\"status\":\"error\",\"errorType\":\"") + kind.name + "\",\"error\":";
    append_json(answer.body, text);
    answer.body += '}';
    return answer;
}

HttpAnswer error_reply(const Error& error) {
    switch (error.code) {
        case Code::kInvalid: return error_reply(ErrorType::kBadData, error.message());
        case Code::kExhausted: return error_reply(ErrorType::kExecution, error.message());
        case Code::kTimeout: return error_reply(ErrorType::kTimeout, error.message());
        case Code::kUnavailable: return error_reply(ErrorType::kUnavailable, error.message());
        default: return error_reply(ErrorType::kInternal, error.message());
    }
}

}  // namespace ringside::agent
