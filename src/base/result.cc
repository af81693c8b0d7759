#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace ivtrace {
namespace {

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermission;
    case EBUSY:
    case EAGAIN:
    case EEXIST:
      return ErrorCode::kBusy;
    case EINVAL:
      return ErrorCode::kInvalid;
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
      return ErrorCode::kUnsupported;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    case ENOSPC:
    case ENOMEM:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return ErrorCode::kExhausted;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
      return ErrorCode::kGone;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

Error errno_error(int error_number, const std::string& what, std::string hint) {
  return Error(code_of(error_number), what + ": " + std::strerror(error_number), std::move(hint));
}

}  // namespace ivtrace
