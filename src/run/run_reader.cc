#include "run/run_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <tuple>
#include <utility>

#include "base/checksum.h"
#include "base/fd.h"
#include "format/ivring.h"
#include "format/kernel_page.h"

namespace ivtrace::run {
namespace {

constexpr std::size_t kMaxMachines = 4096;

struct OpenFile {
  UniqueFd fd;
  std::uint64_t size = 0;
};

/// Opens a regular file; anything else in its place (a FIFO would block, a link could lead anywhere) is
/// kCorrupt.
Result<OpenFile> open_regular(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error(errno, "cannot stat " + path);
  if (!S_ISREG(info.st_mode)) return Error(ErrorCode::kCorrupt, path + " is not a regular file");
  return OpenFile{std::move(fd), static_cast<std::uint64_t>(info.st_size)};
}

bool valid_stream(const std::string& buffer, std::uint32_t cpu) {
  return (buffer.empty() || format::valid_machine_name(buffer)) && cpu < format::kMaxCpus;
}

}  // namespace

/// Builds a RunReader: journal line by line, then the files that its segments name, then what lies beside
/// them.
class RunLoader {
 public:
  explicit RunLoader(RunReader& run) : run_(run) {}

  Status load() {
    struct stat info {};
    if (::stat(run_.path_.c_str(), &info) != 0) return errno_error(errno, "cannot open run " + run_.path_);
    IVT_RETURN_IF_ERROR(load_manifest());
    load_journal();
    put_host_first();
    for (Machine& machine : run_.machines_) finish_machine(machine);
    return {};
  }

 private:
  using StreamKey = std::tuple<std::string, std::uint32_t>;
  struct Stream {
    std::vector<SegmentRecord> segments;
    std::vector<Mark> marks;
  };
  /// What is gathered of a machine while the journal is read.
  struct Draft {
    std::map<StreamKey, Stream> streams;
    std::map<std::int32_t, std::size_t> vcpus;
    std::map<std::string, std::size_t> disks;
    std::map<std::int32_t, std::size_t> containment;
    std::map<std::pair<std::string, std::uint32_t>, std::size_t> tracers;
    std::map<std::tuple<std::string, std::uint32_t, std::uint64_t>, std::size_t> counters;
  };

  void damage(std::string machine, std::string file, std::uint64_t offset, std::optional<std::uint64_t> bytes,
              std::string reason) {
    ++run_.damage_total_;
    if (run_.damage_.size() == RunReader::kMaxDamage) return;
    run_.damage_.push_back({std::move(machine), std::move(file), offset, bytes, std::move(reason)});
  }

  Status load_manifest() {
    auto text = read_regular(run_.path_ + "/" + format::kManifestName, kMaxManifest);
    struct stat info {};
    const std::string journal = run_.path_ + "/" + format::kJournalName;
    if (!text && ::lstat(journal.c_str(), &info) != 0) {
      return Error(ErrorCode::kInvalid, run_.path_ + " is not a run of ivtrace",
                   "give the directory that ivtrace record -o made");
    }
    if (!text) {
      damage("", format::kManifestName, 0, std::nullopt, text.error().message);
      return {};
    }
    run_.text_sum_ = checksum(std::as_bytes(std::span(*text)), run_.text_sum_);
    auto manifest = decode_manifest(*text);
    if (manifest) {
      run_.manifest_ = *std::move(manifest);
    } else if (manifest.error().code == ErrorCode::kUnsupported) {
      return manifest.error();
    } else {
      damage("", format::kManifestName, 0, text->size(), manifest.error().message);
    }
    return {};
  }

  static Result<std::string> read_regular(const std::string& path, std::size_t max_bytes) {
    IVT_ASSIGN_OR_RETURN(const OpenFile file, open_regular(path));
    if (file.size > max_bytes) return Error(ErrorCode::kExhausted, path + " is too large");
    std::string text(file.size, '\0');
    std::size_t used = 0;
    while (used < text.size()) {
      const ssize_t got =
          ::pread(file.fd.get(), text.data() + used, text.size() - used, static_cast<off_t>(used));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno_error(errno, "cannot read " + path);
      if (got == 0) break;
      used += static_cast<std::size_t>(got);
    }
    text.resize(used);
    return text;
  }
  friend class RunReader;

  void load_journal() {
    const char* name = format::kJournalName;
    auto file = open_regular(run_.path_ + "/" + name);
    if (!file) return damage("", name, 0, std::nullopt, file.error().message);
    if (file->size == 0) return;
    auto mapping = Mapping::guarded(file->fd.get(), 0, file->size, Mapping::Access::kRead, name);
    if (!mapping) return damage("", name, 0, file->size, mapping.error().message);
    run_.text_sum_ = checksum(mapping->bytes(), run_.text_sum_);
    const std::string_view text(reinterpret_cast<const char*>(mapping->data()), mapping->size());
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t newline = text.find('\n', at);
      if (newline == std::string_view::npos) break;  // torn, or being written
      // A copy: the file may change while the line is parsed.
      const std::string line(text.substr(at, std::min(newline - at, kMaxJournalLine + 1)));
      auto record = decode_record(line);
      if (record) {
        std::visit([&](auto& concrete) { take(concrete, at); }, *record);
      } else {
        damage("", name, at, newline - at + 1, record.error().message);
      }
      at = newline + 1;
    }
    if (mapping->lost()) damage("", name, 0, std::nullopt, "the journal shrank while it was read");
  }

  /// The machine of that name, made if the journal has not introduced it (a damaged line may have).
  std::pair<Machine*, Draft*> machine(const std::string& name, std::uint64_t at) {
    const auto found = index_.find(name);
    if (found != index_.end()) return {&run_.machines_[found->second], &drafts_[found->second]};
    if (!format::valid_machine_name(name) || run_.machines_.size() == kMaxMachines) {
      damage("", format::kJournalName, at, std::nullopt, "a record of an impossible machine");
      return {nullptr, nullptr};
    }
    index_[name] = run_.machines_.size();
    Machine& made = run_.machines_.emplace_back();
    made.info.name = name;
    made.info.kind = name == format::kHostMachine ? "host" : "guest";
    return {&made, &drafts_.emplace_back()};
  }

  template <class Key, class T>
  static void put_last(std::map<Key, std::size_t>& index, std::vector<T>& list, const Key& key, T& value) {
    const auto [place, fresh] = index.try_emplace(key, list.size());
    if (fresh) {
      list.push_back(std::move(value));
    } else {
      list[place->second] = std::move(value);
    }
  }

  void take(MachineRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.name, at).first) m->info = std::move(r);
  }
  void take(VcpuRecord& r, std::uint64_t at) {
    if (auto [m, draft] = machine(r.machine, at); m != nullptr) {
      const std::int32_t key = r.index;
      put_last(draft->vcpus, m->vcpus, key, r);
    }
  }
  void take(ThreadsRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.machine, at).first) m->threads.push_back(std::move(r));
  }
  void take(DiskRecord& r, std::uint64_t at) {
    if (auto [m, draft] = machine(r.machine, at); m != nullptr) {
      const std::string key = r.device;
      put_last(draft->disks, m->disks, key, r);
    }
  }
  void take(ExtentsRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.machine, at).first) m->extents.push_back(std::move(r));
  }
  void take(GoneRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.machine, at).first) m->gone.push_back(std::move(r));
  }
  void take(SegmentRecord& r, std::uint64_t at) {
    if (auto [m, draft] = machine(r.machine, at); m != nullptr) {
      const bool sane = valid_stream(r.buffer, r.cpu) && r.page_size >= 4096 &&
                        r.page_size <= format::kMaxSubBuffer && (r.page_size & (r.page_size - 1)) == 0;
      if (!sane) return damage(r.machine, format::kJournalName, at, std::nullopt, "an impossible segment");
      draft->streams[{r.buffer, r.cpu}].segments.push_back(std::move(r));
    }
  }
  void take(MarkRecord& r, std::uint64_t at) {
    for (const MarkRecord::File& file : r.files) {
      auto [m, draft] = machine(file.machine, at);
      if (m == nullptr) continue;
      const auto stream = draft->streams.find({file.buffer, file.cpu});
      if (stream == draft->streams.end()) continue;  // its segment's line is damaged, and that is said
      std::vector<Mark>& marks = stream->second.marks;
      if (!marks.empty() && (marks.back().tsc > r.tsc || marks.back().bytes > file.bytes)) {
        damage(file.machine, format::kJournalName, at, std::nullopt, "a mark that goes back");
        continue;
      }
      marks.push_back({r.tsc, file.bytes});
    }
  }
  void take(AnchorRecord& r, std::uint64_t) { run_.anchors_.push_back(r.anchor); }
  void take(EpochRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.machine, at).first) m->epochs.push_back(r.epoch);
  }
  void take(BurstRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.machine, at).first) m->bursts.push_back(std::move(r));
  }
  void take(CountersRecord& r, std::uint64_t at) {
    if (auto [m, draft] = machine(r.machine, at); m != nullptr) {
      const std::tuple key{r.buffer, r.counters.cpu, r.generation};
      put_last(draft->counters, m->counters, key, r);
    }
  }
  void take(LossRecord& r, std::uint64_t at) {
    if (Machine* m = machine(r.machine, at).first) m->losses.push_back(std::move(r));
  }
  void take(ContainmentRecord& r, std::uint64_t at) {
    if (auto [m, draft] = machine(r.machine, at); m != nullptr) {
      const std::int32_t key = r.vcpu;
      put_last(draft->containment, m->containment, key, r);
    }
  }
  void take(TracerRecord& r, std::uint64_t at) {
    if (auto [m, draft] = machine(r.machine, at); m != nullptr) {
      const std::pair key{r.kind, r.id};
      put_last(draft->tracers, m->tracers, key, r);
    }
  }
  void take(NoteRecord& r, std::uint64_t) { run_.notes_.push_back(std::move(r)); }
  void take(EndRecord& r, std::uint64_t) { run_.end_ = std::move(r); }

  void put_host_first() {
    const auto host = index_.find(format::kHostMachine);
    if (host == index_.end()) return;
    const auto middle = static_cast<std::ptrdiff_t>(host->second);
    std::rotate(run_.machines_.begin(), run_.machines_.begin() + middle, run_.machines_.begin() + middle + 1);
    std::rotate(drafts_.begin(), drafts_.begin() + middle, drafts_.begin() + middle + 1);
    index_.clear();
  }

  void finish_machine(Machine& m) {
    Draft& draft = drafts_[static_cast<std::size_t>(&m - run_.machines_.data())];
    for (auto& [key, stream] : draft.streams) {
      PagesFile file;
      file.machine = m.info.name;
      std::tie(file.buffer, file.cpu) = key;
      file.name = m.info.name + "/" + format::pages_file_name(file.buffer, file.cpu);
      finish_file(m, file, stream);
    }
    find_unnamed_files(m);
  }

  void finish_file(Machine& m, PagesFile& file, Stream& stream) {
    auto opened = open_regular(run_.path_ + "/" + file.name);
    const std::uint64_t promised = stream.marks.empty() ? 0 : stream.marks.back().bytes;
    if (opened) file.size = opened->size;
    // A segment's record precedes the file, so a file that is not there yet is no damage unless bytes were
    // promised.
    if (!opened && (promised > 0 || opened.error().code != ErrorCode::kNotFound)) {
      return damage(file.machine, file.name, 0, promised, opened.error().message);
    }
    if (file.size < promised) {
      damage(file.machine, file.name, file.size, promised - file.size, "the file was cut off");
    }
    for (const SegmentRecord& record : stream.segments) {
      const std::uint64_t least = file.segments.empty() ? 0 : file.segments.back().begin;
      if (record.offset < least || record.offset > file.size) {
        if (record.offset < least)
          damage(file.machine, file.name, record.offset, std::nullopt, "segments go back");
        continue;
      }
      if (!file.segments.empty()) file.segments.back().end = record.offset;
      file.segments.push_back({record.offset, file.size, record.layout, record.page_size, record.generation});
    }
    if (!file.segments.empty() && file.segments.front().begin > 0) {
      damage(file.machine, file.name, 0, file.segments.front().begin,
             "the journal does not say how to read it");
    }
    std::erase_if(file.segments, [](const Segment& segment) { return segment.begin == segment.end; });
    file.marks = std::move(stream.marks);
    std::erase_if(file.marks, [&](const Mark& mark) { return mark.bytes > file.size; });
    m.files.push_back(std::move(file));
  }

  /// Files with pages that no segment names: the journal was cut, or somebody put them there.
  void find_unnamed_files(const Machine& m) {
    auto names = list_directory(run_.path_ + "/" + m.info.name);
    if (!names) return;
    for (const std::string& name : *names) {
      if (!name.ends_with(".pages")) continue;
      const std::string path = m.info.name + "/" + name;
      const bool named = std::any_of(m.files.begin(), m.files.end(),
                                     [&](const PagesFile& file) { return file.name == path; });
      auto file = open_regular(run_.path_ + "/" + path);
      if (named || !file || file->size == 0) continue;
      damage(m.info.name, path, 0, file->size, "the journal does not say how to read it");
    }
  }

  RunReader& run_;
  std::map<std::string, std::size_t> index_;
  std::vector<Draft> drafts_;
};

Result<RunReader> RunReader::open(const std::string& path) {
  RunReader run;
  run.path_ = path;
  while (run.path_.size() > 1 && run.path_.back() == '/') run.path_.pop_back();
  RunLoader loader(run);
  IVT_RETURN_IF_ERROR(loader.load());
  return run;
}

const Machine* RunReader::find(const std::string& name) const {
  const auto found = std::find_if(machines_.begin(), machines_.end(),
                                  [&](const Machine& machine) { return machine.info.name == name; });
  return found == machines_.end() ? nullptr : &*found;
}

Result<Mapping> RunReader::map_pages(const PagesFile& file) const {
  IVT_ASSIGN_OR_RETURN(const OpenFile opened, open_regular(path_ + "/" + file.name));
  const std::uint64_t size = std::min(file.size, opened.size);
  if (size == 0) return Mapping();
  return Mapping::guarded(opened.fd.get(), 0, size, Mapping::Access::kRead, file.name);
}

Result<std::string> RunReader::read_text(const std::string& machine, const std::string& name,
                                         std::size_t max_bytes) const {
  IVT_CHECK(format::valid_machine_name(machine) && format::valid_machine_name(name));
  return RunLoader::read_regular(path_ + "/" + machine + "/" + name, max_bytes);
}

}  // namespace ivtrace::run
