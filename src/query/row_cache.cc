#include "query/row_cache.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/build_id.h"
#include "base/checksum.h"
#include "base/sha256.h"

namespace ivtrace::query {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMaxKinds = 4;
constexpr std::size_t kMaxBeside = 64u << 20;
constexpr std::size_t kKeyDigits = 64;
constexpr std::size_t kNameDigits = 16;  // of the key, in a file's name
constexpr const char* kRowsSuffix = ".rows";
constexpr const char* kDraftSuffix = ".draft";
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

// How much may be kept: so many times the run's own bytes, or this of a tiny one; and so much of the disk
// stays free.
constexpr std::uint64_t kTimesTheRun = 2;
constexpr std::uint64_t kAlwaysGranted = 1u << 20;
constexpr std::uint64_t kFreeBytes = 1u << 30;
constexpr std::uint64_t kFreeShare = 10;

struct RowsHead {
  std::uint64_t row_bytes;
  std::uint64_t count;
  std::uint64_t sum;
};
struct Head {
  std::array<char, 8> magic;
  std::array<char, kKeyDigits> key;
  std::uint64_t kinds;
  std::uint64_t beside_bytes;
  std::uint64_t beside_sum;
  std::array<RowsHead, kMaxKinds> rows;
  std::uint64_t sum;  ///< of all before it
};
static_assert(sizeof(Head) == 8 + kKeyDigits + 8 * (4 + 3 * kMaxKinds));
constexpr std::array<char, 8> kMagic = {'I', 'V', 'R', 'O', 'W', 'S', '1', '\n'};

std::uint64_t sum_of(const Head& head) {
  return checksum(std::as_bytes(std::span(&head, 1)).first(offsetof(Head, sum)));
}
std::uint64_t at_page(std::uint64_t offset) { return (offset + kPage - 1) / kPage * kPage; }

/// Where the rows of each kind begin, and behind the last the file's end.
std::array<std::uint64_t, kMaxKinds + 1> places(const Head& head) {
  std::array<std::uint64_t, kMaxKinds + 1> offsets{};
  std::uint64_t end = sizeof(Head) + head.beside_bytes;
  for (std::size_t i = 0; i < head.kinds; ++i) {
    offsets[i] = head.rows[i].count > 0 ? at_page(end) : end;
    end = offsets[i] + head.rows[i].count * head.rows[i].row_bytes;
  }
  offsets[head.kinds] = end;
  return offsets;
}

bool pread_all(int fd, std::span<std::byte> into, std::uint64_t offset) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

/// Nobody but its owner can change it.
bool is_of(const struct stat& info, bool or_roots) {
  const bool right = info.st_uid == ::geteuid() || (or_roots && info.st_uid == 0);
  return right && (info.st_mode & kOthersWrite) == 0;
}

/// The run's .cache, which is no link; not valid when there is none.
UniqueFd open_folder(const std::string& run) {
  Result<UniqueFd> folder = open_file(run + "/" + format::kCacheName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return folder ? *std::move(folder) : UniqueFd();
}
/// The same to write in: only in one's own run, so that nobody has a folder that he cannot remove.
UniqueFd make_folder(const std::string& run) {
  const Result<UniqueFd> directory = open_file(run, O_RDONLY | O_DIRECTORY);
  struct stat info {};
  if (!directory || ::fstat(directory->get(), &info) != 0 || info.st_uid != ::geteuid()) return {};
  ::mkdirat(directory->get(), format::kCacheName, 0755);
  UniqueFd folder = open_folder(run);
  if (!folder.valid() || ::fstat(folder.get(), &info) != 0 || !is_of(info, false)) return {};
  // Who does not get the lock leaves it to the other.
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return folder;
}

/// All that the run's rows depend on, as text; "" while it is being recorded or when it is not what was
/// opened. The journal's and the manifest's content stand for themselves, the other files' sizes and times
/// for theirs.
std::string describe(const run::RunReader& run, const clock::HostClock& clock, std::uint64_t& bytes) {
  if (!run.end() || build_id().empty()) return {};
  const HostTsc start = run.manifest().start_tsc;
  std::string text = fmt::format("{}\n{:016x}\n{} {}\n", build_id(), run.text_sum(), clock.to_ns(start).value,
                                 clock.to_tsc(Nanoseconds(1'000'000'000)).value);
  bytes = 0;
  for (const run::Machine& machine : run.machines()) {
    const Result<UniqueFd> folder =
        open_file(run.path() + "/" + machine.info.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const auto names = folder ? list_directory_at(folder->get(), ".")
                              : Result<std::vector<std::string>>(std::vector<std::string>());
    if (!names) return {};
    for (const std::string& name : *names) {
      struct stat info {};
      if (::fstatat(folder->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
      const auto size = static_cast<std::uint64_t>(info.st_size);
      bytes += size;
      text += fmt::format("{}/{}\n{:o} {} {}.{:09}\n", machine.info.name, name, info.st_mode & S_IFMT, size,
                          info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
      const auto pages =
          std::ranges::find(machine.files, machine.info.name + "/" + name, &run::PagesFile::name);
      if (pages != machine.files.end() && pages->size != size) return {};
    }
  }
  return text;
}
std::string key_of(const std::string& description) {
  return description.empty() ? "" : sha256_hex(std::as_bytes(std::span(description)));
}

}  // namespace

std::uint64_t sum_of_rows(std::span<const std::byte> block, std::uint64_t before) {
  return checksum(block, before);
}

RowCache::RowCache(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop)
    : run_(run), clock_(clock), stop_(stop), key_(key_of(describe(run, clock, run_bytes_))) {}

std::string RowCache::file_name(std::string_view set) const {
  return fmt::format("{}.{}{}", set, key_.substr(0, kNameDigits), kRowsSuffix);
}

std::optional<SetFound> RowCache::find(std::string_view set, std::span<const std::size_t> row_bytes) const {
  if (key_.empty()) return std::nullopt;
  const UniqueFd folder = open_folder(run_.path());
  if (!folder.valid()) return std::nullopt;
  // O_NONBLOCK: a FIFO would wait for a writer.
  const Result<UniqueFd> file = open_at(folder.get(), file_name(set), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat info {};
  if (!file || ::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode) || !is_of(info, true))
    return std::nullopt;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  Head head;
  if (!pread_all(file->get(), std::as_writable_bytes(std::span(&head, 1)), 0)) return std::nullopt;
  if (head.magic != kMagic || head.sum != sum_of(head) ||
      std::string_view(head.key.data(), kKeyDigits) != key_)
    return std::nullopt;
  if (head.kinds != row_bytes.size() || head.beside_bytes > std::min<std::uint64_t>(size, kMaxBeside))
    return std::nullopt;
  for (std::size_t i = 0; i < head.kinds; ++i) {
    if (head.rows[i].row_bytes != row_bytes[i] || head.rows[i].count > size / row_bytes[i])
      return std::nullopt;
  }
  const auto offsets = places(head);
  if (offsets[head.kinds] != size) return std::nullopt;
  SetFound found;
  found.beside.resize(head.beside_bytes);
  const auto beside = std::as_writable_bytes(std::span(found.beside));
  if (!pread_all(file->get(), beside, sizeof head) || checksum(beside) != head.beside_sum)
    return std::nullopt;
  for (std::size_t i = 0; i < head.kinds; ++i) {
    RowsFound& rows = found.rows.emplace_back();
    rows.count = head.rows[i].count;
    rows.sum = head.rows[i].sum;
    if (rows.count == 0) continue;
    Result<Mapping> mapped = Mapping::guarded(file->get(), offsets[i], rows.count * row_bytes[i],
                                              Mapping::Access::kRead, "the run's cache");
    if (!mapped) return std::nullopt;
    rows.bytes = *std::move(mapped);
  }
  return found;
}

/// Removes what is of no use any more. How many bytes the cache has but for the file `but`.
std::optional<std::uint64_t> RowCache::tidy(const UniqueFd& directory, std::string_view but) const {
  const auto names = list_directory_at(directory.get(), ".");
  if (!names) return std::nullopt;
  const std::string ours = "." + key_.substr(0, kNameDigits) + kRowsSuffix;
  std::uint64_t bytes = 0;
  for (const std::string& name : *names) {
    const bool old = name.ends_with(kRowsSuffix) && !name.ends_with(ours);
    if (old || name.ends_with(kDraftSuffix)) {
      ::unlinkat(directory.get(), name.c_str(), 0);
      continue;
    }
    struct stat info {};
    if (name != but && ::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
      bytes += static_cast<std::uint64_t>(info.st_size);
  }
  return bytes;
}

bool RowCache::has_room(const UniqueFd& directory, std::uint64_t bytes) const {
  struct statvfs disk {};
  if (::fstatvfs(directory.get(), &disk) != 0) return false;
  const std::uint64_t free = disk.f_bavail * disk.f_frsize;
  const std::uint64_t all = disk.f_blocks * disk.f_frsize;
  return free >= bytes && free - bytes >= std::max(kFreeBytes, all / kFreeShare);
}

void RowCache::keep(std::string_view set, std::string_view beside, std::span<const RowsToKeep> rows) const {
  std::uint64_t bytes = sizeof(Head) + beside.size() + rows.size() * kPage;
  for (const RowsToKeep& kind : rows) bytes += kind.file->size() * kind.used.size_bytes();
  const std::uint64_t granted = std::max(kTimesTheRun * run_bytes_, kAlwaysGranted);
  // The run must still be what it was when it was opened, or the rows may be of neither.
  std::uint64_t now_bytes = 0;
  if (key_.empty() || bytes > granted || beside.size() > kMaxBeside ||
      key_of(describe(run_, clock_, now_bytes)) != key_)
    return;
  const UniqueFd folder = make_folder(run_.path());
  if (!folder.valid()) return;
  const std::string name = file_name(set);
  const std::optional<std::uint64_t> others = tidy(folder, name);
  if (!others || *others + bytes > granted || !has_room(folder, bytes)) return;
  const std::string draft = std::string(set) + kDraftSuffix;
  const Result<UniqueFd> file = open_at(folder.get(), draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  if (!file) return;
  const bool kept = write(*file, beside, rows).ok() &&
                    ::renameat(folder.get(), draft.c_str(), folder.get(), name.c_str()) == 0;
  if (!kept) ::unlinkat(folder.get(), draft.c_str(), 0);
}

Status RowCache::write(const UniqueFd& file, std::string_view beside,
                       std::span<const RowsToKeep> rows) const {
  constexpr const char* kWhat = "the run's cache";
  IVT_CHECK(rows.size() <= kMaxKinds);
  Head head{};
  head.magic = kMagic;
  key_.copy(head.key.data(), kKeyDigits);
  head.kinds = rows.size();
  head.beside_bytes = beside.size();
  head.beside_sum = checksum(std::as_bytes(std::span(beside)));
  for (std::size_t i = 0; i < rows.size(); ++i)
    head.rows[i] = {rows[i].used.size_bytes(), rows[i].file->size(), 0};
  const auto offsets = places(head);
  std::vector<std::uint64_t> block;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RowFile& from = *rows[i].file;
    const std::size_t words = rows[i].used.size();
    for (std::uint64_t at = 0; at < from.size(); at += RowFile::kBlock) {
      if (stopped(stop_)) return interrupted_error();
      const std::uint64_t count = std::min<std::uint64_t>(RowFile::kBlock, from.size() - at);
      block.resize(count * words);
      std::memcpy(block.data(), from.row(at), count * words * sizeof(std::uint64_t));
      for (std::size_t word = 0; word < block.size(); word += words) {
        for (std::size_t j = 0; j < words; ++j) block[word + j] &= rows[i].used[j];
      }
      const auto bytes = std::as_bytes(std::span(block));
      head.rows[i].sum = sum_of_rows(bytes, head.rows[i].sum);
      IVT_RETURN_IF_ERROR(pwrite_all(file.get(), bytes, offsets[i] + at * rows[i].used.size_bytes(), kWhat));
    }
  }
  head.sum = sum_of(head);
  IVT_RETURN_IF_ERROR(pwrite_all(file.get(), std::as_bytes(std::span(beside)), sizeof head, kWhat));
  return pwrite_all(file.get(), std::as_bytes(std::span(&head, 1)), 0, kWhat);
}

}  // namespace ivtrace::query
