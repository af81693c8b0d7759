#include <nlohmann/json.hpp>

#include "cli/limits_view.h"
#include "cli/run_info.h"
#include "cli/tracers_view.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json containment_json(const std::optional<ContainmentInfo>& containment) {
  if (!containment) return nullptr;
  return {{"inside", containment->inside},
          {"outside", containment->outside},
          {"in_lost_ranges", containment->in_lost_ranges},
          {"unknown", containment->unknown},
          {"worst_ns", containment->worst_ns},
          {"worst_at_ns", containment->worst_at_ns}};
}

Json clock_json(const ClockInfo& clock) {
  return {{"source", clock.source},
          {"epochs", clock.epochs},
          {"error_ns", or_null(clock.error_ns)},
          {"aligned", clock.aligned},
          {"uncertain_ns", clock.uncertain_ns},
          {"handshakes", clock.handshakes},
          {"contradictions", clock.contradictions},
          {"quality", clock.quality},
          {"containment", containment_json(clock.containment)}};
}

Json balance_json(const CpuBalance& balance) {
  Json entry = {
      {"buffer", balance.buffer}, {"cpu", balance.cpu}, {"events", balance.found}, {"bytes", balance.bytes}};
  if (balance.counted) {
    entry["counters"] = {{"final", balance.final_counters}, {"delivered", balance.delivered},
                         {"unread", balance.unread},        {"overrun", balance.overrun},
                         {"dropped", balance.dropped},      {"commit_overrun", balance.commit_overrun}};
  }
  return entry;
}

Json machine_json(const MachineInfo& machine) {
  Json balance = Json::array();
  for (const CpuBalance& cpu : machine.balance) balance.push_back(balance_json(cpu));
  Json limited = Json::array();
  for (const LimitedDisk& disk : machine.limited_disks) {
    limited.push_back({{"device", disk.device}, {"path", disk.path}, {"limits", limits_json(disk.limits)}});
  }
  return {{"name", machine.name},
          {"kind", machine.kind},
          {"kernel", machine.kernel},
          {"hostname", machine.hostname},
          {"uuid", machine.uuid},
          {"accel", machine.accel},
          {"feed", machine.feed},
          {"agent_version", machine.agent_version},
          {"host_only", machine.host_only},
          {"note", machine.note},
          {"cpus", machine.cpus},
          {"idle_lag_ns", machine.idle_lag_ns},
          {"events", machine.events},
          {"bytes", machine.bytes},
          {"lost", machine.lost},
          {"lost_more", machine.lost_more},
          {"clock", clock_json(machine.clock)},
          {"buffers", std::move(balance)},
          {"rejected", machine.rejected},
          {"limited_disks", std::move(limited)},
          {"cpu_limit", cpu_limit_json(machine.cpu_limit_us)}};
}

Json loss_json(const LossInfo& loss) {
  return {{"machine", loss.machine},
          {"reason", loss.reason},
          {"cpu", or_null(loss.cpu)},
          {"events", or_null(loss.events)},
          {"bytes", or_null(loss.bytes)},
          {"from_ns", or_null(loss.from_ns)},
          {"until_ns", or_null(loss.until_ns)},
          {"detail", loss.detail},
          {"remedy", loss.remedy}};
}

}  // namespace

std::string run_info_json(const RunInfo& info) {
  Json machines = Json::array();
  for (const MachineInfo& machine : info.machines) machines.push_back(machine_json(machine));
  Json losses = Json::array();
  for (const LossInfo& loss : info.losses) losses.push_back(loss_json(loss));
  Json damage = Json::array();
  for (const DamageInfo& entry : info.damage) {
    damage.push_back({{"file", entry.file}, {"reason", entry.reason}, {"bytes", entry.bytes}});
  }
  Json notes = Json::array();
  for (const NoteInfo& note : info.notes) {
    notes.push_back({{"at_ns", note.at_ns}, {"machine", note.machine}, {"text", note.text}});
  }
  const Json document = {{"run", info.path},
                         {"created", info.created},
                         {"tool_version", info.tool_version},
                         {"command_line", info.command_line},
                         {"profile", info.profile},
                         {"ended", info.ended},
                         {"recording", info.recording},
                         {"duration_ns", info.duration_ns},
                         {"bytes", info.bytes},
                         {"machines", std::move(machines)},
                         {"losses", std::move(losses)},
                         {"tracers", tracers_json(info.tracers, info.path)},
                         {"damage", std::move(damage)},
                         {"notes", std::move(notes)}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
