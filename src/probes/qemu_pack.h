// The probes that mark a disk request's way through QEMU: `--probe host:qemu`.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::probes {

/// What it is asked for by.
inline constexpr const char* kQemuPack = "qemu";

/// Specs for this QEMU program: of the functions below, those that it exports. kNotFound when it has no block
/// layer that can be probed.
/// - blk_aio_preadv, blk_aio_pwritev: a request enters the block layer; `off` is in bytes, `request` is its
///   number while it is open.
/// - blk_aio_flush: so does a flush.
/// - virtqueue_push: the request of that number is given back to the guest.
/// - virtio_notify, virtio_notify_irqfd: the guest is told.
/// - block_acct_done: the device has done with the request.
Result<std::vector<std::string>> qemu_pack(const std::string& program);

}  // namespace ivtrace::probes
