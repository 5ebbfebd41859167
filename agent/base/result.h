// Result<T>: a value, or why there is none. Nothing in the agent throws across a folder boundary.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace ringside::agent {

// What kind of failure it is, so that callers can react and the API can map it to a gRPC or HTTP status.
enum class Code {
    kInvalid,  // the request or the bytes are wrong and will stay wrong
    kNotFound,
    kExists,
    kDenied,        // the caller may not
    kPrecondition,  // the thing is in a state that does not allow it
    kExhausted,     // a budget, a queue or a disk is full
    kUnavailable,   // try again: a peer, a busy segment
    kCorrupt,       // bytes on disk or in a segment contradict themselves
    kTimeout,
    kIo,  // a system call failed for another reason
    kInternal,
};

const char* code_name(Code code);

struct Error {
    Code code = Code::kInternal;
    int errno_value = 0;  // 0 when no system call was involved
    std::string context;  // a sentence: what failed, on what, and the next step where there is one

    // "context: strerror" for logs and users.
    std::string message() const;
};

inline Error error(Code code, std::string context) { return {code, 0, std::move(context)}; }
// From errno after a failed system call; picks kDenied, kNotFound, kExists, kExhausted or kIo.
Error errno_error(int errno_value, std::string context);

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // Only when ok().
    T& value() & { return *std::get_if<0>(&state_); }
    const T& value() const& { return *std::get_if<0>(&state_); }
    T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }

    // Only when !ok().
    const Error& error() const { return *std::get_if<1>(&state_); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

}  // namespace ringside::agent
