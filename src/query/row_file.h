// Rows of a table that may be longer than memory: in a file without a name, which the kernel may write out
// and read back as it likes, and which is gone with its descriptor.
//
// Every row begins with the stretch of time that it is about. A small index has, for each block of rows, the
// bounds of their times, so that a search for a short time skips the blocks of all others. Rows need no order
// for that; they mostly come in one nearly, which is what makes it good.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "query/table.h"

namespace ivtrace::query {

/// The head of each row: nanoseconds from the run's start.
struct Span {
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
};

/// For what is gone with its descriptor: in $TMPDIR, or else /var/tmp, since /tmp is often memory. kExhausted
/// or kIo when that cannot be.
Result<UniqueFd> nameless_file();

/// First appended to, then sealed, then read. One thread while it is written, any afterwards.
class RowFile {
 public:
  static constexpr std::size_t kBlock = 1024;  ///< rows

  static Result<RowFile> create(std::size_t row_bytes);
  /// `count` rows that lie in `bytes`. Nothing when `accept` says no to a block of them; it is asked for
  /// each, in order, before anybody else sees it.
  static std::optional<RowFile> of_bytes(Mapping bytes, std::size_t row_bytes, std::uint64_t count,
                                         const std::function<bool(std::span<const std::byte>)>& accept);

  /// Room for one more row, which begins with these times, to be filled before anything else is asked. A
  /// failure (a full disk, say) is kept for seal().
  std::byte* add(const Span& times) {
    if (used_ + row_bytes_ > buffer_.size()) [[unlikely]]
      make_room();
    index(times);
    std::byte* const room = buffer_.data() + used_;
    used_ += row_bytes_;
    ++count_;
    return room;
  }
  /// Ends the appending; the rows can be read now.
  Status seal();

  std::uint64_t size() const { return count_; }
  const Span* row(std::uint64_t index) const {
    return reinterpret_cast<const Span*>(mapping_.data() + index * row_bytes_);
  }
  /// The first row at or behind `index` whose block may have a row of both ranges; size() when there is none.
  std::uint64_t skip(std::uint64_t index, const Range& from, const Range& until) const;
  /// The file of others that the rows lie in was cut: they read as 0 from then on.
  bool lost() const { return mapping_.lost(); }

 private:
  struct Block {
    Range from;
    Range until;
  };
  RowFile(UniqueFd fd, std::size_t row_bytes) : fd_(std::move(fd)), row_bytes_(row_bytes) {}
  static void widen(Range& range, std::int64_t value) {
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  void make_room();
  void write_out();
  /// Of the next row, `count_`.
  void index(const Span& times) {
    if (count_ % kBlock == 0) {
      blocks_.push_back({{times.from_ns, times.from_ns}, {times.until_ns, times.until_ns}});
    } else {
      widen(blocks_.back().from, times.from_ns);
      widen(blocks_.back().until, times.until_ns);
    }
  }

  UniqueFd fd_;
  std::size_t row_bytes_;
  std::uint64_t count_ = 0;
  std::vector<Block> blocks_;
  std::vector<std::byte> buffer_;  ///< rows that are not in the file yet
  std::size_t used_ = 0;           ///< bytes of it
  Status status_;
  Mapping mapping_;
};

/// A RowFile of one kind of row.
template <class Row>
class Rows {
  static_assert(std::is_trivially_copyable_v<Row> && std::is_base_of_v<Span, Row> && alignof(Row) <= 8);

 public:
  static Result<Rows> create() {
    IVT_ASSIGN_OR_RETURN(RowFile file, RowFile::create(sizeof(Row)));
    return Rows(std::move(file));
  }
  static std::optional<Rows> of_bytes(Mapping bytes, std::uint64_t count,
                                      const std::function<bool(std::span<const std::byte>)>& accept) {
    std::optional<RowFile> file = RowFile::of_bytes(std::move(bytes), sizeof(Row), count, accept);
    return file ? std::optional(Rows(*std::move(file))) : std::nullopt;
  }
  void append(const Row& row) { std::memcpy(file_.add(row), &row, sizeof row); }
  Status seal() { return file_.seal(); }
  const RowFile& file() const { return file_; }
  const Row& operator[](std::uint64_t index) const { return static_cast<const Row&>(*file_.row(index)); }

 private:
  explicit Rows(RowFile file) : file_(std::move(file)) {}

  RowFile file_;
};

}  // namespace ivtrace::query
