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
///
///   blk_aio_preadv, blk_aio_pwritev   a request enters the block layer: `off` in bytes, `request` the
///   device's own number for it blk_aio_flush                     so does a flush block_acct_done a request
///   has left it virtqueue_push                    a request, of that number, is given back to the guest
///   virtio_notify, virtio_notify_irqfd   the guest is told
Result<std::vector<std::string>> qemu_pack(const std::string& program);

}  // namespace ivtrace::probes
