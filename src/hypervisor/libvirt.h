// libvirt, as far as ivtrace asks it: the monitors and guest agents of its domains, which it holds itself;
// devices that it must know of; and what happens to its domains.
//
// The daemon may hang or die. Each call has a time limit here, whatever libvirt's own library does: calls run
// one after the other in a thread of the connection, and the caller waits for that thread no longer than the
// limit. While a call that was given up has not come back, others for the same domain fail at once; those for
// other domains go over a fresh connection. One that broke is made anew by the next call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::hypervisor {

/// A running domain.
struct Domain {
  std::string uuid;
  std::string name;
};

struct DomainEvent {
  Domain domain;
  std::string what;  ///< "started", "suspended", "device added", …
};

/// One connection to a libvirt daemon. Any thread. Domains are named by their UUID. Errors: kNotFound no such
/// domain, device or agent; kTimeout; kGone the connection is broken; kIo what libvirt refuses, in its words.
class Libvirt {
 public:
  virtual ~Libvirt() = default;

  virtual const std::string& uri() const = 0;
  virtual Result<std::vector<Domain>> domains(Nanoseconds limit) = 0;
  /// A QMP command's text, and its reply's: one that is an error of QEMU's is a reply as well. libvirt marks
  /// the domain as tainted (custom-monitor) by it.
  virtual Result<std::string> monitor_command(const std::string& domain, const std::string& text,
                                              Nanoseconds limit) = 0;
  /// The same for the QEMU guest agent, which libvirt synchronises. kNotFound when it does not answer; kIo
  /// with its words when it refuses.
  virtual Result<std::string> agent_command(const std::string& domain, const std::string& text,
                                            Nanoseconds limit) = 0;
  /// Of the running domain only, not of its configuration.
  virtual Status attach_device(const std::string& domain, const std::string& xml, Nanoseconds limit) = 0;
  /// Only asks for it: the guest lets go of the device later, or not.
  virtual Status detach_device(const std::string& domain, const std::string& alias, Nanoseconds limit) = 0;
  /// What happened since the last call, oldest first; a bounded number.
  virtual std::vector<DomainEvent> take_events() = 0;
};

/// Connects for reading and writing. kUnsupported when this program was built without libvirt, or the machine
/// has none.
Result<std::shared_ptr<Libvirt>> connect_libvirt(const std::string& uri, Nanoseconds limit);
bool built_with_libvirt();

/// The libvirt to ask, or why there is none.
struct LibvirtChoice {
  std::shared_ptr<Libvirt> libvirt;
  std::string problem;
};

/// The system's own daemon, where one listens and answers quickly.
LibvirtChoice local_libvirt();

}  // namespace ivtrace::hypervisor
