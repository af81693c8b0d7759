#include "ring/loss_ledger.h"

#include <utility>

namespace ivtrace::ring {

void LossLedger::note(std::optional<CpuId> cpu, PlaneLossReason reason, std::uint64_t bytes,
                      std::string detail) {
  Entry& entry = entries_[Key{cpu, reason}];
  if (entry.held == 0) entry.detail = std::move(detail);
  ++entry.noted;
  ++entry.held;
  entry.held_bytes += bytes;
  if (entry.noted >= entry.due) any_due_ = true;
}

Status LossLedger::tell_one(PageSink& sink, const Key& key, Entry& entry) {
  PlaneLoss loss;
  loss.cpu = key.cpu;
  loss.reason = key.reason;
  loss.count = entry.held;
  loss.bytes = entry.held_bytes;
  loss.detail = entry.detail;
  IVT_RETURN_IF_ERROR(sink.on_loss(loss));
  entry.held = 0;
  entry.held_bytes = 0;
  ++entry.told;
  entry.due = entry.told < kToldAtOnce ? entry.noted + 1 : entry.noted * 2;
  return {};
}

Status LossLedger::tell(PageSink& sink) {
  if (!any_due_) return {};
  for (auto& [key, entry] : entries_) {
    if (entry.held != 0 && entry.noted >= entry.due) IVT_RETURN_IF_ERROR(tell_one(sink, key, entry));
  }
  any_due_ = false;
  return {};
}

Status LossLedger::tell_all(PageSink& sink) {
  for (auto& [key, entry] : entries_) {
    if (entry.held != 0) IVT_RETURN_IF_ERROR(tell_one(sink, key, entry));
  }
  any_due_ = false;
  return {};
}

}  // namespace ivtrace::ring
