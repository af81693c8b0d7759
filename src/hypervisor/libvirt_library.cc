#ifdef IVTRACE_LIBVIRT

#include "hypervisor/libvirt_library.h"

#include <dlfcn.h>

#include "base/check.h"

namespace ivtrace::hypervisor {
namespace {

constexpr const char* kHint = "apt install libvirt0, or what holds libvirt.so.0 on this system";

Result<void*> open_library(const char* name) {
  if (void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  return Error(ErrorCode::kUnsupported, "this machine has no libvirt (" + std::string(name) + ")", kHint);
}

template <class Function>
Status find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function != nullptr) return {};
  return Error(ErrorCode::kUnsupported, "this machine's libvirt is too old: it has no " + std::string(name),
               kHint);
}

Result<const LibvirtLibrary*> load() {
  IVT_ASSIGN_OR_RETURN(void* const common, open_library("libvirt.so.0"));
  IVT_ASSIGN_OR_RETURN(void* const qemu, open_library("libvirt-qemu.so.0"));
  static LibvirtLibrary library;
#define IVTRACE_FIND(function) IVT_RETURN_IF_ERROR(find(common, #function, library.function));
  IVTRACE_LIBVIRT_FUNCTIONS(IVTRACE_FIND)
#undef IVTRACE_FIND
#define IVTRACE_FIND(function) IVT_RETURN_IF_ERROR(find(qemu, #function, library.function));
  IVTRACE_LIBVIRT_QEMU_FUNCTIONS(IVTRACE_FIND)
#undef IVTRACE_FIND
  return &library;
}

}  // namespace

Result<const LibvirtLibrary*> load_libvirt() {
  static const auto* const loaded = new Result<const LibvirtLibrary*>(load());
  return *loaded;
}

const LibvirtLibrary& vir() {
  static const LibvirtLibrary* const library = [] {
    const auto loaded = load_libvirt();
    IVT_CHECK(loaded.ok());
    return *loaded;
  }();
  return *library;
}

}  // namespace ivtrace::hypervisor

#endif
