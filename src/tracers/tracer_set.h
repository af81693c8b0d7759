// The tracers that run on one machine for one recording: by the agent in a guest, by the recorder on the
// host.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/mailbox_message.h"
#include "tracers/own_compiler.h"
#include "tracers/tracer.h"

namespace ivtrace::tracers {

inline constexpr std::size_t kMaxTracers = 64;
inline constexpr std::uint64_t kMaxTracerFile = 64u << 20;

/// Removes the folders of sets whose process is dead.
void remove_left_folders();

/// Owns the tracers and a private folder with their files, which goes with it. Made, used and destroyed by
/// one thread that lives as long as it does: a tracer dies with the thread that started it.
class TracerSet {
 public:
  TracerSet() = default;
  ~TracerSet();
  TracerSet(const TracerSet&) = delete;
  TracerSet& operator=(const TracerSet&) = delete;

  /// A piece of a tracer's file; offset 0 begins it anew, other pieces follow without a gap. `name` is its
  /// name in the folder, "" for one of our choice.
  Status put_file(std::uint32_t id, const std::string& name, std::uint64_t offset, std::string_view bytes);
  /// Compiles its file, a SystemTap script, on this machine. What becomes of that is told by poll().
  Status compile(std::uint32_t id, const std::vector<std::string>& options);
  /// Starts it with its file; one of kind "stap-script" with the module that was compiled of it. What becomes
  /// of it later is told by poll().
  Status start(std::uint32_t id, const std::string& kind, const std::vector<std::string>& arguments);
  /// Every tracer's state, and lines of about kTracerLinesBytes: those behind the first `have`, which whoever
  /// asks has already.
  void poll(std::uint64_t have, format::Reply& reply);
  /// Asks all to end, compilations as well.
  void stop();
  bool empty() const { return tracers_.empty(); }

 private:
  struct File {
    std::string path;
    std::uint64_t size = 0;
  };
  Status make_folder();
  Result<std::string> file_of(std::uint32_t id) const;
  void drop_known(std::uint64_t have);

  std::string folder_;
  std::map<std::uint32_t, File> files_;
  OwnCompiler compiler_;
  std::map<std::uint32_t, std::unique_ptr<Tracer>> tracers_;
  std::vector<format::TracerLine> sent_;  // and not known to have arrived
  std::uint64_t dropped_ = 0;             // lines before those
};

}  // namespace ivtrace::tracers
