// libvirt's client library, loaded when it is first needed: only its headers are used to build, so that one
// program serves hosts with and without it.
#pragma once

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "base/result.h"

namespace ivtrace::hypervisor {

#define IVTRACE_LIBVIRT_FUNCTIONS(X)    \
  X(virConnectClose)                    \
  X(virConnectDomainEventDeregisterAny) \
  X(virConnectDomainEventRegisterAny)   \
  X(virConnectIsAlive)                  \
  X(virConnectListAllDomains)           \
  X(virConnectOpen)                     \
  X(virConnectSetKeepAlive)             \
  X(virDomainAttachDeviceFlags)         \
  X(virDomainDetachDeviceAlias)         \
  X(virDomainFree)                      \
  X(virDomainGetName)                   \
  X(virDomainGetUUIDString)             \
  X(virDomainLookupByUUIDString)        \
  X(virEventRegisterDefaultImpl)        \
  X(virEventRunDefaultImpl)             \
  X(virGetLastError)                    \
  X(virInitialize)                      \
  X(virResetLastError)                  \
  X(virSetErrorFunc)
#define IVTRACE_LIBVIRT_QEMU_FUNCTIONS(X) \
  X(virDomainQemuAgentCommand)            \
  X(virDomainQemuMonitorCommand)

/// The functions that are used, by their own names.
struct LibvirtLibrary {
#define IVTRACE_MEMBER(function) decltype(&::function) function = nullptr;
  IVTRACE_LIBVIRT_FUNCTIONS(IVTRACE_MEMBER)
  IVTRACE_LIBVIRT_QEMU_FUNCTIONS(IVTRACE_MEMBER)
#undef IVTRACE_MEMBER
};

/// Loads it at the first call, and keeps it until the process ends: threads that hang in it are never waited
/// for. kUnsupported when this machine has none, or one that lacks a function. Any thread.
Result<const LibvirtLibrary*> load_libvirt();

/// The same for those that run only when it is loaded.
const LibvirtLibrary& vir();

}  // namespace ivtrace::hypervisor
