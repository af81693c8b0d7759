// ModelRows and the run's cache: which rows make a set, what belongs to them, and what they must be to be
// taken.
#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "query/model_rows.h"
#include "query/row_check.h"

namespace ivtrace::query {
namespace {

constexpr std::uint64_t kMaxItems = 1u << 20;  // of any list beside the rows

/// The name of a set's file.
const char* name_of(RowKind set) {
  switch (set) {
    case RowKind::kVcpuSlice:
      return "vcpu_slice";
    case RowKind::kQemuSlice:
      return "qemu_slice";
    case RowKind::kSchedSlice:
      return "sched_slice";
    case RowKind::kIrqSlice:
      return "irq_slice";
    case RowKind::kBlockRequest:
      return "block_request";
    case RowKind::kQemuCall:
      return "qemu_call";
    case RowKind::kMarkSlice:
      return "mark";
    case RowKind::kLoss:
      return "loss";
    default:
      return "io_request";
  }
}

// What stands beside the rows: whole numbers in eight bytes, texts as their length and their bytes, lists as
// their length and their items.

class BesideWriter {
 public:
  void put(std::uint64_t number) { text_.append(reinterpret_cast<const char*>(&number), sizeof number); }
  void put(const std::string& text) {
    put(text.size());
    text_ += text;
  }
  void put(const model::Vcpu& vcpu) {
    put(vcpu.machine);
    put(static_cast<std::uint32_t>(vcpu.index));
    put(static_cast<std::uint32_t>(vcpu.thread.value));
    put(std::uint64_t{vcpu.cpu.has_value()});
    put(vcpu.cpu.value_or(CpuId(0)).value);
  }
  void put(const model::VcpuLane& lane) {
    put(std::uint64_t{lane.exits});
    put_list(lane.vcpus);
  }
  void put(const std::pair<const std::uint32_t, std::string>& reason) {
    put(reason.first);
    put(reason.second);
  }
  void put_list(const auto& list) {
    put(list.size());
    for (const auto& item : list) put(item);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// The same backwards. What is not there reads as nothing, and makes it not good().
class BesideReader {
 public:
  BesideReader(std::string_view text, std::size_t machines) : text_(text), machines_(machines) {}

  /// All that was there has been read, and made sense.
  bool is_done() const { return good_ && text_.empty(); }
  std::uint64_t number(std::uint64_t end = std::numeric_limits<std::uint64_t>::max()) {
    std::uint64_t value = 0;
    const std::string_view bytes = take(sizeof value);
    if (good_) std::memcpy(&value, bytes.data(), sizeof value);
    good_ = good_ && value < end;
    return good_ ? value : 0;
  }
  std::uint32_t word() { return static_cast<std::uint32_t>(number(1ull << 32)); }
  bool flag() { return number(2) == 1; }
  std::string text() { return std::string(take(number())); }
  model::Vcpu vcpu() {
    model::Vcpu vcpu;
    vcpu.machine = number(machines_);
    vcpu.index = static_cast<std::int32_t>(word());
    vcpu.thread = Tid(static_cast<std::int32_t>(word()));
    const bool known = flag();
    const std::uint32_t cpu = word();
    if (known) vcpu.cpu = CpuId(cpu);
    return vcpu;
  }
  model::VcpuLane lane() {
    model::VcpuLane lane;
    lane.exits = flag();
    read_list([&] { lane.vcpus.push_back(vcpu()); });
    good_ = good_ && !lane.vcpus.empty();
    return lane;
  }
  void read_list(const auto& read_item) {
    for (std::uint64_t left = number(kMaxItems); good_ && left > 0; --left) read_item();
  }

 private:
  std::string_view take(std::uint64_t bytes) {
    good_ = good_ && bytes <= text_.size();
    if (!good_) return {};
    const std::string_view taken = text_.substr(0, bytes);
    text_.remove_prefix(bytes);
    return taken;
  }

  std::string_view text_;
  std::size_t machines_;
  bool good_ = true;
};

std::string beside_of(RowKind set, const Notices& notices, const RowWords& words) {
  BesideWriter out;
  out.put(std::uint64_t{notices.incomplete});
  out.put_list(notices.lines);
  if (set == RowKind::kVcpuSlice) {
    out.put_list(words.lanes);
    out.put_list(words.exit_reasons);
  }
  if (set == RowKind::kIrqSlice) out.put_list(words.irq_names);
  if (set == RowKind::kMarkSlice) out.put_list(words.mark_names);
  if (set == RowKind::kLoss) out.put_list(words.reasons);
  return out.text();
}
/// False when it is not what beside_of() makes.
bool read_beside(std::string_view text, RowKind set, std::size_t machines, Notices& notices,
                 RowWords& words) {
  BesideReader in(text, machines);
  notices.incomplete = in.flag();
  in.read_list([&] { notices.lines.insert(in.text()); });
  if (set == RowKind::kVcpuSlice) {
    in.read_list([&] { words.lanes.push_back(in.lane()); });
    in.read_list([&] {
      const std::uint32_t number = in.word();
      words.exit_reasons[number] = in.text();
    });
  }
  if (set == RowKind::kIrqSlice) in.read_list([&] { words.irq_names.push_back(in.text()); });
  if (set == RowKind::kMarkSlice) in.read_list([&] { words.mark_names.push_back(in.text()); });
  if (set == RowKind::kLoss) in.read_list([&] { words.reasons.push_back(in.text()); });
  return in.is_done();
}

template <class Row>
std::optional<Rows<Row>> checked(RowsFound&& found, const RowBounds& bounds, StopFlag stop) {
  RowCheck check(bounds);
  std::uint64_t sum = 0;
  const auto accept = [&](std::span<const std::byte> block) {
    if (stopped(stop)) return false;
    sum = sum_of_rows(block, sum);
    const std::span rows(reinterpret_cast<const Row*>(block.data()), block.size() / sizeof(Row));
    return std::ranges::all_of(rows, [&](const Row& row) { return check.accepts(row); });
  };
  std::optional<Rows<Row>> rows = Rows<Row>::of_bytes(std::move(found.bytes), found.count, accept);
  const bool is_right = rows && sum == found.sum && !rows->file().lost();
  return is_right ? std::move(rows) : std::nullopt;
}

template <class Row>
bool are_sound(const Rows<Row>& rows, const RowBounds& bounds) {
  RowCheck check(bounds);
  for (std::uint64_t i = 0; i < rows.file().size(); ++i) {
    if (!check.accepts(rows[i])) return false;
  }
  return true;
}

}  // namespace

/// Calls visit(kind, rows) for each kind of the set, in the order in which they are kept.
template <class Visit>
void ModelRows::visit_set(RowKind set, Visit visit) {
  switch (set) {
    case RowKind::kVcpuSlice:
      return visit(set, vcpu_slices_);
    case RowKind::kQemuSlice:
      return visit(set, qemu_slices_);
    case RowKind::kSchedSlice:
      return visit(set, sched_slices_);
    case RowKind::kIrqSlice:
      return visit(set, irq_slices_);
    case RowKind::kBlockRequest:
      return visit(set, block_requests_);
    case RowKind::kQemuCall:
      return visit(set, qemu_calls_);
    case RowKind::kMarkSlice:
      visit(RowKind::kMarkSlice, mark_slices_);
      visit(RowKind::kMarkInstant, mark_instants_);
      return visit(RowKind::kMarkCounter, mark_counters_);
    case RowKind::kLoss:
      return visit(set, losses_);
    default:
      visit(RowKind::kIoRequest, io_requests_);
      visit(RowKind::kIoPhase, io_phases_);
      visit(RowKind::kIoSlow, io_slows_);
      visit(RowKind::kIoSlowLoad, io_slow_loads_);
  }
}

void ModelRows::find_kept() {
  if (cache_use_ == CacheUse::kNone) return;
  if (!cache_) cache_.emplace(run_, clock_, stop_);
  std::set<RowKind> sets;
  for (std::size_t i = 0; i < kRowKinds; ++i) {
    if (const auto kind = static_cast<RowKind>(i); is_wanted(kind)) sets.insert(set_of(kind));
  }
  for (const RowKind set : sets) find_kept(set);
}

bool ModelRows::find_kept(RowKind set) {
  std::vector<std::size_t> row_bytes;
  visit_set(set, [&]<class Row>(RowKind, std::optional<Rows<Row>>&) { row_bytes.push_back(sizeof(Row)); });
  std::optional<SetFound> found = cache_->find(name_of(set), row_bytes);
  Notices notices;
  RowWords words;
  if (!found || !read_beside(found->beside, set, run_.machines().size(), notices, words)) return false;
  RowBounds bounds{
      run_.machines(),        words.lanes.size(), words.irq_names.size(), words.reasons.size(), 0, 0,
      words.mark_names.size()};
  if (set == RowKind::kIoRequest) {
    bounds.requests = found->rows[0].count;
    bounds.slows = found->rows[2].count;
  }
  // Into their places only when all are right.
  bool is_right = true;
  std::vector<RowsFound>::iterator next = found->rows.begin();
  visit_set(set, [&]<class Row>(RowKind, std::optional<Rows<Row>>& place) {
    place = is_right ? checked<Row>(std::move(*next++), bounds, stop_) : std::nullopt;
    is_right = place.has_value();
  });
  if (!is_right) {
    visit_set(set, []<class Row>(RowKind, std::optional<Rows<Row>>& place) { place.reset(); });
    return false;
  }
  visit_set(set, [this]<class Row>(RowKind kind, std::optional<Rows<Row>>&) {
    made_[static_cast<std::size_t>(kind)] = true;
  });
  if (set == RowKind::kVcpuSlice) {
    words_.lanes = std::move(words.lanes);
    words_.exit_reasons = std::move(words.exit_reasons);
  }
  if (set == RowKind::kIrqSlice) words_.irq_names = std::move(words.irq_names);
  if (set == RowKind::kMarkSlice) words_.mark_names = std::move(words.mark_names);
  if (set == RowKind::kLoss) words_.reasons = std::move(words.reasons);
  say(notices);
  if (watch_ != nullptr) tell_kept(set);
  return true;
}

void ModelRows::tell_kept(RowKind set) {
  watch_->begins(set);
  const auto tell_all = [this](const auto& rows, auto tell) {
    for (std::uint64_t i = 0; i < rows.file().size(); ++i) {
      if (i % RowFile::kBlock == 0) {
        if (stopped(stop_)) return;
        watch_->walked_to(rows[i].until_ns);
      }
      tell(rows[i], i + 1);
    }
  };
  switch (set) {
    case RowKind::kVcpuSlice:
      tell_all(*vcpu_slices_, [this](const VcpuSliceRow& row, std::uint64_t) {
        const model::VcpuLane& lane = words_.lanes[row.lane];
        watch_->take(row, lane, lane.exits ? exit_reason(row.reason) : std::string_view());
      });
      break;
    case RowKind::kQemuSlice:
      tell_all(*qemu_slices_, [this](const QemuSliceRow& row, std::uint64_t) { watch_->take(row); });
      break;
    case RowKind::kSchedSlice:
      tell_all(*sched_slices_, [this](const SchedSliceRow& row, std::uint64_t) { watch_->take(row); });
      break;
    case RowKind::kIrqSlice:
      tell_all(*irq_slices_, [this](const IrqSliceRow& row, std::uint64_t) {
        watch_->take(row, words_.irq_names[row.name]);
      });
      break;
    case RowKind::kBlockRequest:
      tell_all(*block_requests_,
               [this](const BlockRequestRow& row, std::uint64_t id) { watch_->take(row, id); });
      break;
    case RowKind::kMarkSlice: {
      const auto tell_named = [this](const auto& row, std::uint64_t) {
        watch_->take(row, words_.mark_names[row.name]);
      };
      tell_all(*mark_slices_, tell_named);
      tell_all(*mark_instants_, tell_named);
      tell_all(*mark_counters_, tell_named);
      break;
    }
    case RowKind::kLoss:
      tell_all(*losses_, [this](const LossRow& row, std::uint64_t) { watch_->take(row); });
      break;
    case RowKind::kIoRequest:
      tell_all(
          *io_requests_, [this, phase = std::uint64_t{0}](const IoRequestRow& row, std::uint64_t id) mutable {
            const Rows<IoPhaseRow>& phases = *io_phases_;
            const std::uint64_t first = phase;
            while (phase < phases.file().size() && phases[phase].request <= id) ++phase;
            watch_->take(
                row, id,
                phase > first ? std::span(&phases[first], phase - first) : std::span<const IoPhaseRow>());
          });
      break;
    default:
      break;
  }
  watch_->pauses();
}

void ModelRows::keep(RowKind set, const Notices& notices) {
  if (!cache_) return;
  RowBounds bounds{
      run_.machines(),         words_.lanes.size(), words_.irq_names.size(), words_.reasons.size(), 0, 0,
      words_.mark_names.size()};
  if (set == RowKind::kIoRequest) {
    bounds.requests = io_requests_->file().size();
    bounds.slows = io_slows_->file().size();
  }
  std::vector<std::vector<std::uint64_t>> used;
  std::vector<RowsToKeep> rows;
  bool is_sound = true;
  // What would not be taken is not worth keeping.
  visit_set(set, [&]<class Row>(RowKind, std::optional<Rows<Row>>& made) {
    is_sound = is_sound && are_sound(*made, bounds);
    rows.push_back({&made->file(), used.emplace_back(used_bits<Row>())});
  });
  if (is_sound) cache_->keep(name_of(set), beside_of(set, notices, words_), rows);
}

}  // namespace ivtrace::query
