// Opening what a QEMU, or an image's header, names as an image.
//
// Either may be in the hands of a guest, and opening alone can act: /dev/watchdog starts it, a FIFO wakes its
// writer, "nbd:…" connects to a host. So a name is a path, and is looked at before it is opened.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace ivtrace::hypervisor {

struct ImageFile {
  UniqueFd fd;
  struct stat status {};

  bool is_block_device() const { return S_ISBLK(status.st_mode); }
};

/// Looks without opening: `fd` is an O_PATH one. kUnsupported unless it is an absolute path of a regular file
/// or a block device; links are followed.
Result<ImageFile> look_at_image(const std::string& path);
/// Opens for reading exactly what look_at_image() has seen, whatever the path leads to by then.
Result<ImageFile> open_image(const std::string& path);

}  // namespace ivtrace::hypervisor
