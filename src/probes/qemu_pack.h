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
/// - blk_aio_preadv, blk_aio_pwritev: a request enters the block layer; `backend` is the disk, `off` and
///   `bytes` are where on it, `request` is its number while it is open. Neighbours that the device has joined
///   enter as one, under the first one's number.
/// - blk_aio_flush, blk_aio_pdiscard: so does a flush, a discard.
/// - virtqueue_push: the request of that number is given back to the guest; `bytes` were written into its
///   memory, `queue` is the virtqueue.
/// - virtio_notify, virtio_notify_irqfd: the guest is told to look into that queue.
/// - block_acct_done: the device has done with the request.
Result<std::vector<std::string>> qemu_pack(const std::string& program);

}  // namespace ivtrace::probes
