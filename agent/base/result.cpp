#include "agent/base/result.h"

#include <cerrno>

namespace ringside::agent {

const char* code_name(Code code) {
    switch (code) {
        case Code::kInvalid: return "invalid";
        case Code::kNotFound: return "not found";
        case Code::kExists: return "exists";
        case Code::kDenied: return "denied";
        case Code::kPrecondition: return "precondition";
        case Code::kExhausted: return "exhausted";
        case Code::kUnavailable: return "unavailable";
        case Code::kCorrupt: return "corrupt";
        case Code::kTimeout: return "timeout";
        case Code::kIo: return "i/o";
        case Code::kInternal: return "internal";
    }
    return "unknown";
}

std::string Error::message() const {
    if (errno_value == 0) return context;
    return context + ": " + std::strerror(errno_value);
}

Error errno_error(int errno_value, std::string context) {
    Code code = Code::kIo;
    switch (errno_value) {
        case ENOENT:
        case ENOTDIR: code = Code::kNotFound; break;
        case EEXIST: code = Code::kExists; break;
        case EACCES:
        case EPERM:
        case EROFS: code = Code::kDenied; break;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM: code = Code::kExhausted; break;
        case EAGAIN:
        case EBUSY:
        case EINTR: code = Code::kUnavailable; break;
        case ETIMEDOUT: code = Code::kTimeout; break;
        default: break;
    }
    return {code, errno_value, std::move(context)};
}

}  // namespace ringside::agent
