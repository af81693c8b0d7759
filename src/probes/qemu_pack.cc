// Arguments are by register, as a distribution's QEMU has no debug information. A virtio device gives the
// block layer its VirtIOBlockReq as the callback's argument, whose first member is the element that it later
// pushes: so the two have one address, and it is the request's number while it is open. A read's or write's
// bytes are its QEMUIOVector's `size`, at byte 32 since QEMU 4.0. (QEMU: include/sysemu/block-backend-io.h,
// include/hw/virtio/virtio.h, include/hw/virtio/virtio-blk.h, include/qemu/iov.h)
#include "probes/qemu_pack.h"

#include <array>
#include <utility>

#include "probes/elf_file.h"

namespace ivtrace::probes {
namespace {

using Probe = std::pair<const char*, const char*>;
constexpr const char* kMove = "backend=%di:x64 off=%si:s64 bytes=+32(%dx):u64 request=%r9:x64";
constexpr std::array<Probe, 8> kProbes{
    {{"blk_aio_preadv", kMove},
     {"blk_aio_pwritev", kMove},
     {"blk_aio_flush", "backend=%di:x64 request=%dx:x64"},
     {"blk_aio_pdiscard", "backend=%di:x64 off=%si:s64 bytes=%dx:s64 request=%r8:x64"},
     {"block_acct_done", "cookie=%si:x64"},
     {"virtqueue_push", "queue=%di:x64 request=%si:x64 bytes=%dx:u32"},
     {"virtio_notify", "queue=%si:x64"},
     {"virtio_notify_irqfd", "queue=%si:x64"}}};

}  // namespace

Result<std::vector<std::string>> qemu_pack(const std::string& program) {
  IVT_ASSIGN_OR_RETURN(const ElfFile file, ElfFile::open(program));
  if (!file.function(kProbes.front().first)) {
    return Error(ErrorCode::kNotFound, program + " does not export its block layer's functions",
                 "a QEMU that is built with modules, as distributions do it, does");
  }
  std::vector<std::string> specs;
  for (const auto& [function, arguments] : kProbes) {
    if (file.symbol_address(function))
      specs.push_back("uprobe:" + program + ":" + function + " " + arguments);
  }
  return specs;
}

}  // namespace ivtrace::probes
