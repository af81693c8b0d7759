// Result<T>: the outcome of an operation that the outside world can make fail.
//
// Three kinds of trouble are kept apart in ivtrace. A failure of the outside world is an Error in a Result.
// Damaged or lost data is data, carried by the loss ledger. A broken invariant is IVT_CHECK (base/check.h).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace ivtrace {

/// What kind of failure it was, for callers that decide by it. Messages are for people.
enum class ErrorCode {
  kNotFound,     ///< the named thing does not exist
  kPermission,   ///< rights, lockdown or a security module forbid it
  kBusy,         ///< somebody else holds it
  kInvalid,      ///< the caller's or user's input makes no sense
  kCorrupt,      ///< bytes from a file, ring or guest break their format
  kUnsupported,  ///< this kernel, machine or version cannot do it
  kTimeout,      ///< no answer within the limit
  kIo,           ///< a system call failed for another reason
  kExhausted,    ///< out of disk, memory or ring space
  kGone,         ///< the peer (guest, agent, process) went away
};

/// A failure that a person can act on: what happened, to what, and what to do about it.
struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;  ///< one line, names the object: "cannot open /x: Permission denied"
  std::string hint;     ///< what to do, may be empty

  Error() = default;
  Error(ErrorCode error_code, std::string text, std::string advice = {})
      : code(error_code), message(std::move(text)), hint(std::move(advice)) {}

  /// Message and hint in one line.
  std::string to_string() const { return hint.empty() ? message : message + " (" + hint + ")"; }
};

/// An Error from errno; the code follows the errno (ENOENT → kNotFound, EACCES/EPERM → kPermission, …).
Error errno_error(int error_number, const std::string& what, std::string hint = {});

/// Either a T or an Error. Not thread-safe, moves like T.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    IVT_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    IVT_CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    IVT_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    IVT_CHECK(!ok());
    return std::get<1>(state_);
  }
  Error&& error() && {
    IVT_CHECK(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    IVT_CHECK(!ok());
    return *error_;
  }
  Error&& error() && {
    IVT_CHECK(!ok());
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace ivtrace

/// Returns the Error of `expression` from the enclosing function, if it failed.
#define IVT_RETURN_IF_ERROR(expression)                \
  do {                                                 \
    if (auto ivt_status = (expression); !ivt_status) { \
      return std::move(ivt_status).error();            \
    }                                                  \
  } while (false)

/// `IVT_ASSIGN_OR_RETURN(auto x, f());` declares x from a Result, or returns its Error.
#define IVT_ASSIGN_OR_RETURN(declaration, expression) \
  IVT_ASSIGN_OR_RETURN_IMPL(IVT_CONCAT(ivt_result_, __COUNTER__), declaration, expression)
#define IVT_ASSIGN_OR_RETURN_IMPL(name, declaration, expression) \
  auto name = (expression);                                      \
  if (!name) return std::move(name).error();                     \
  declaration = std::move(name).value()
#define IVT_CONCAT(a, b) IVT_CONCAT_IMPL(a, b)
#define IVT_CONCAT_IMPL(a, b) a##b
