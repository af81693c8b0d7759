// Where a machine's tracers run: in this process's children on the host, at the agent in a guest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "format/mailbox_message.h"
#include "tracers/tracer_set.h"

namespace ivtrace::record {

/// The commands that tracers are run with. One thread.
class TracerPort {
 public:
  virtual ~TracerPort() = default;
  /// Whoever runs the tracers knows nothing of earlier ones.
  virtual void restart() = 0;
  /// Brings a whole file, script or module, to the machine.
  virtual Status put_file(std::uint32_t id, const std::string& name, std::string_view bytes) = 0;
  /// Has the machine compile a script that is there; poll() tells what became of it.
  virtual Status compile(std::uint32_t id, const std::vector<std::string>& options) = 0;
  virtual Status start(std::uint32_t id, const std::string& kind,
                       const std::vector<std::string>& arguments) = 0;
  /// States, and lines since the last poll; Reply::more: there are more lines.
  virtual Result<format::Reply> poll() = 0;
  /// Asks all tracers to end, and polls.
  virtual Result<format::Reply> stop() = 0;
};

/// On this host. The thread that starts tracers must live as long as they do.
class LocalTracers : public TracerPort {
 public:
  void restart() override;
  Status put_file(std::uint32_t id, const std::string& name, std::string_view bytes) override;
  Status compile(std::uint32_t id, const std::vector<std::string>& options) override;
  Status start(std::uint32_t id, const std::string& kind, const std::vector<std::string>& arguments) override;
  Result<format::Reply> poll() override;
  Result<format::Reply> stop() override;

 private:
  std::unique_ptr<tracers::TracerSet> set_ = std::make_unique<tracers::TracerSet>();
  std::uint64_t received_ = 0;  // lines
};

/// In a guest, through its mailbox.
class GuestTracers : public TracerPort {
 public:
  /// As MailboxClient::call; what it borrows outlives this.
  using Ask = std::function<Result<format::Reply>(const format::Request&, Nanoseconds limit)>;
  explicit GuestTracers(Ask ask) : ask_(std::move(ask)) {}

  void restart() override { received_ = 0; }
  Status put_file(std::uint32_t id, const std::string& name, std::string_view bytes) override;
  Status compile(std::uint32_t id, const std::vector<std::string>& options) override;
  Status start(std::uint32_t id, const std::string& kind, const std::vector<std::string>& arguments) override;
  Result<format::Reply> poll() override;
  Result<format::Reply> stop() override;

 private:
  /// A reply that says no is an error.
  Result<format::Reply> request(const format::Request& request);
  Result<format::Reply> take(format::Op op);

  Ask ask_;
  std::uint64_t received_ = 0;  // lines
};

}  // namespace ivtrace::record
