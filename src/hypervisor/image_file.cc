#include "hypervisor/image_file.h"

#include <fmt/format.h>

#include <cerrno>

namespace ivtrace::hypervisor {

Result<ImageFile> look_at_image(const std::string& path) {
  if (!path.starts_with('/')) {
    return Error(ErrorCode::kUnsupported, "\"" + path + "\" is no absolute path of an image",
                 "only local files and block devices are mapped");
  }
  ImageFile image;
  IVT_ASSIGN_OR_RETURN(image.fd, open_file(path, O_PATH));
  if (::fstat(image.fd.get(), &image.status) != 0) return errno_error(errno, "cannot look at " + path);
  if (!S_ISREG(image.status.st_mode) && !image.is_block_device())
    return Error(ErrorCode::kUnsupported, path + " is neither a regular file nor a block device");
  return image;
}

Result<ImageFile> open_image(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(ImageFile image, look_at_image(path));
  const std::string seen = fmt::format("/proc/self/fd/{}", image.fd.get());
  UniqueFd fd(::open(seen.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return errno_error(errno, "cannot open " + path);
  image.fd = std::move(fd);
  return image;
}

}  // namespace ivtrace::hypervisor
