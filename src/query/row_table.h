// A table over the rows of a RowFile. What differs from one to the next is a `Source`, a type that is never
// made: the kind of its rows, its declaration, and what a row has in each column.
//
//     struct LossSource {
//       static constexpr RowKind kKind;
//       static constexpr double kEstimate;                 // rows
//       static const Rows<LossRow>& rows(const ModelRows&);
//       static const TableInfo& info();
//       static Cell cell(const ModelRows&, const LossRow&, std::uint64_t at, int column, std::string& text);
//       static constexpr const char* kKey;                 // optional: a column that rises with the rows,
//       static std::int64_t key(const LossRow&, std::uint64_t at);  // and its value
//       static constexpr const char* kTime;                // optional: of rows that are about a moment, its
//       column
//     };
//
// `text` is room for a cell's text that is made for it.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "query/model_rows.h"
#include "query/row_file.h"
#include "query/table.h"

namespace ivtrace::query {

/// Walks the rows of a RowFile: those blocks that may have what the conditions on the times leave, and within
/// the bounds of the key where there is one.
template <class Source>
class RowCursor : public Cursor {
 public:
  explicit RowCursor(ModelRows& rows) : rows_(rows) {}

  Status start(std::span<const Constraint> constraints, std::uint32_t) override {
    IVT_RETURN_IF_ERROR(rows_.make(Source::kKind));
    const TableInfo& info = Source::info();
    from_ = range_of(constraints, info.find("from_ns"));
    until_ = range_of(constraints, info.find("until_ns"));
    if constexpr (requires { Source::kTime; })
      from_ = until_ = range_of(constraints, info.find(Source::kTime));
    begin_ = 0;
    end_ = file().size();
    if constexpr (requires { Source::kKey; }) {
      const Range key = range_of(constraints, info.find(Source::kKey));
      begin_ = first_not_below(key.low);
      if (key.high < std::numeric_limits<std::int64_t>::max()) end_ = first_not_below(key.high + 1);
    }
    go_to(begin_);
    return {};
  }
  Status next() override {
    if (file().lost()) return Error(ErrorCode::kCorrupt, "the run's cache was cut while it was read");
    go_to(at_ + 1);
    return {};
  }
  bool at_end() const override { return at_ >= end_; }
  Cell cell(int column) override { return Source::cell(rows_, Source::rows(rows_)[at_], at_, column, text_); }
  std::int64_t row_id() const override { return static_cast<std::int64_t>(at_ + 1); }

 private:
  const RowFile& file() const { return Source::rows(rows_).file(); }
  void go_to(std::uint64_t row) {
    // Blocks are looked at when one begins; within one SQLite's own check is as quick.
    at_ = row % RowFile::kBlock == 0 || row == begin_ ? file().skip(row, from_, until_) : row;
  }
  /// Keys rise with the rows.
  std::uint64_t first_not_below(std::int64_t key) const {
    std::uint64_t low = 0;
    std::uint64_t high = file().size();
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (Source::key(Source::rows(rows_)[middle], middle) < key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  ModelRows& rows_;
  Range from_;
  Range until_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t at_ = 0;
  std::string text_;  // of a cell whose text is made for it
};

/// Borrows the rows.
template <class Source>
class RowTable : public Table {
 public:
  explicit RowTable(ModelRows& rows) : rows_(rows) {}
  const TableInfo& info() const override { return Source::info(); }
  double row_estimate() const override { return Source::kEstimate; }
  void want() override { rows_.want(Source::kKind); }
  std::unique_ptr<Cursor> open() override { return std::make_unique<RowCursor<Source>>(rows_); }

 private:
  ModelRows& rows_;
};

inline constexpr Cell kNull{};
inline Cell integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
inline Cell integer_if(bool known, std::uint64_t number) { return known ? integer(number) : kNull; }
inline Cell text_or_null(std::string_view text) { return text.empty() ? kNull : Cell(text); }
/// Of a machine's index in RunReader::machines().
inline Cell machine_name(const ModelRows& rows, std::size_t machine) {
  return std::string_view(rows.run().machines()[machine].info.name);
}
/// Of an index in that machine's disks; NULL when it is none.
inline Cell disk_name(const ModelRows& rows, std::size_t machine, std::int32_t disk) {
  const auto& disks = rows.run().machines()[machine].disks;
  const auto index = static_cast<std::size_t>(disk);
  return disk >= 0 && index < disks.size() ? Cell(std::string_view(disks[index].device)) : kNull;
}
inline constexpr auto kInteger = Type::kInteger;
inline constexpr auto kText = Type::kText;
inline constexpr auto kRange = Search::kRange;
inline constexpr auto kKeyed = Search::kKey;

}  // namespace ivtrace::query
