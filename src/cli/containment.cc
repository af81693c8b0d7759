#include "cli/containment.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "cli/run_info.h"
#include "cli/run_info_load.h"
#include "cli/text_table.h"
#include "model/containment.h"
#include "run/run_writer.h"

namespace ivtrace::cli {
namespace {

using Records = std::vector<run::ContainmentRecord>;

Result<Records> measure(const run::RunReader& run, const std::function<bool()>& give_up) {
  IVT_ASSIGN_OR_RETURN(const auto measured, model::measure_containment(run, give_up));
  Records records;
  for (const model::Containment& one : measured) {
    records.push_back({run.machines()[one.vcpu.machine].info.name, one.vcpu.index, one.inside, one.outside,
                       one.in_lost_ranges, one.unknown, one.worst_ticks, one.worst_at});
  }
  return records;
}

Records journalled(const run::RunReader& run) {
  Records records;
  for (const run::Machine& machine : run.machines())
    records.insert(records.end(), machine.containment.begin(), machine.containment.end());
  return records;
}

Containments sum(const Records& records, const clock::HostClock& clock) {
  Containments sums;
  for (const run::ContainmentRecord& one : records) {
    ContainmentInfo& all = sums[one.machine];
    all.inside += one.inside;
    all.outside += one.outside;
    all.in_lost_ranges += one.in_lost_ranges;
    all.unknown += one.unknown;
    const auto worst = static_cast<double>(clock.ticks_to_ns(one.worst_ticks).value);
    if (!one.worst_at || worst < all.worst_ns) continue;
    all.worst_ns = worst;
    all.worst_at_ns = clock.to_ns(*one.worst_at).value;
  }
  return sums;
}

}  // namespace

Containments containment_of(const run::RunReader& run, const clock::HostClock& clock) {
  if (const Records known = journalled(run); !known.empty()) return sum(known, clock);
  const Result<Records> measured = measure(run, {});
  return measured ? sum(*measured, clock) : Containments{};
}

Result<Containments> journal_containment(const std::string& path, const std::function<bool()>& give_up) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, run::RunReader::open(path));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const Records records, measure(run, give_up));
  if (records.empty()) return Containments{};
  IVT_ASSIGN_OR_RETURN(const auto writer, run::RunWriter::reopen(path));
  for (const run::ContainmentRecord& record : records) IVT_RETURN_IF_ERROR(writer->append(record));
  return sum(records, clock);
}

std::string containment_text(const ContainmentInfo& containment) {
  const std::uint64_t judged = containment.inside + containment.outside;
  std::string text = fmt::format("{} of {} events lie between kvm_entry and kvm_exit of their vCPU",
                                 grouped(containment.inside), grouped(judged));
  if (containment.outside > 0) {
    text +=
        fmt::format("; WRONG CLOCK: {} do not, the worst by {:.0f} ns at {}", grouped(containment.outside),
                    containment.worst_ns, seconds_text(containment.worst_at_ns));
  }
  if (containment.in_lost_ranges > 0)
    text +=
        fmt::format("; {} where the host lost events are not judged", grouped(containment.in_lost_ranges));
  if (containment.unknown > 0) text += fmt::format("; {} cannot be judged", grouped(containment.unknown));
  return text;
}

}  // namespace ivtrace::cli
