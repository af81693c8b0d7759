#include "hypervisor/libvirt.h"

#include <unistd.h>

namespace ivtrace::hypervisor {
namespace {

constexpr const char* kLocalUri = "qemu:///system";
/// Of the daemon for everything, and of the newer one for QEMU alone.
constexpr const char* kLocalSockets[] = {"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"};
constexpr Nanoseconds kQuickly{2'000'000'000};

}  // namespace

LibvirtChoice local_libvirt() {
  if (!built_with_libvirt()) return {nullptr, "this build has no libvirt"};
  bool listens = false;
  for (const char* socket : kLocalSockets) listens = listens || ::access(socket, R_OK | W_OK) == 0;
  if (!listens) return {nullptr, "no libvirt daemon listens here; --connect URI names another"};
  auto libvirt = connect_libvirt(kLocalUri, kQuickly);
  if (!libvirt) return {nullptr, libvirt.error().message};
  return {*std::move(libvirt), {}};
}

#ifndef IVTRACE_LIBVIRT

bool built_with_libvirt() { return false; }

Result<std::shared_ptr<Libvirt>> connect_libvirt(const std::string& uri, Nanoseconds) {
  return Error(ErrorCode::kUnsupported, "cannot connect to " + uri + ": this build of ivtrace has no libvirt",
               "build it with libvirt-dev installed");
}

#endif

}  // namespace ivtrace::hypervisor
