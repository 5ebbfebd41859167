#include "agent/upstream/otlp_status.h"

#include <algorithm>
#include <array>

#include "opentelemetry/error_details.pb.h"

namespace ringside::agent {
namespace {

struct Meaning {
    const char* name;
    Verdict verdict;
};

// By code. The protocol names those that may be tried again; of the others two may be about a part of the request.
constexpr std::array kMeanings = {
    Meaning{"OK", Verdict::kAccepted},
    Meaning{"CANCELLED", Verdict::kRetry},
    Meaning{"UNKNOWN", Verdict::kRefused},
    Meaning{"INVALID_ARGUMENT", Verdict::kRefusedParts},
    Meaning{"DEADLINE_EXCEEDED", Verdict::kRetry},
    Meaning{"NOT_FOUND", Verdict::kRefused},
    Meaning{"ALREADY_EXISTS", Verdict::kRefused},
    Meaning{"PERMISSION_DENIED", Verdict::kRefused},
    Meaning{"RESOURCE_EXHAUSTED", Verdict::kRefusedParts},  // too large: halves may fit
    Meaning{"FAILED_PRECONDITION", Verdict::kRefused},
    Meaning{"ABORTED", Verdict::kRetry},
    Meaning{"OUT_OF_RANGE", Verdict::kRetry},
    Meaning{"UNIMPLEMENTED", Verdict::kRefused},
    Meaning{"INTERNAL", Verdict::kRefused},
    Meaning{"UNAVAILABLE", Verdict::kRetry},
    Meaning{"DATA_LOSS", Verdict::kRetry},
    Meaning{"UNAUTHENTICATED", Verdict::kRefused},
};
constexpr int kResourceExhausted = 8;

const Meaning& meaning_of(int code) {
    const bool known = code >= 0 && static_cast<std::size_t>(code) < kMeanings.size();
    return kMeanings[known ? static_cast<std::size_t>(code) : 2];  // The rest is UNKNOWN.
}

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::int64_t kFarSeconds = 365 * 24 * 3600;

}  // namespace

Verdict judge_grpc(int code, bool throttled) {
    if (code == kResourceExhausted && throttled) return Verdict::kRetry;
    return meaning_of(code).verdict;
}

std::string grpc_code_name(int code) { return meaning_of(code).name; }

std::string grpc_reason(int code) {
    std::string reason = "grpc_" + grpc_code_name(code);
    for (char& c : reason) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return reason;
}

std::optional<std::uint64_t> retry_delay_ns(const std::string& details) {
    otlp::ErrorStatus status;
    if (!status.ParseFromString(details)) return std::nullopt;
    for (const otlp::ErrorDetail& detail : status.details()) {
        otlp::RetryInfo info;
        if (!detail.type_url().ends_with("/google.rpc.RetryInfo") || !info.ParseFromString(detail.value())) continue;
        const std::int64_t seconds = std::clamp<std::int64_t>(info.retry_delay().seconds(), 0, kFarSeconds);
        const std::int64_t nanos = std::clamp<std::int64_t>(info.retry_delay().nanos(), 0, kSecond - 1);
        return static_cast<std::uint64_t>(seconds) * kSecond + static_cast<std::uint64_t>(nanos);
    }
    return std::nullopt;
}

}  // namespace ringside::agent
