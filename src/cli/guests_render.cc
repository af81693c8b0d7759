#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/guests_view.h"
#include "cli/limits_view.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string vcpu_threads(const GuestView& guest) {
  std::string text;
  for (const GuestView::Vcpu& vcpu : guest.vcpus) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", vcpu.index < 0 ? "?" : std::to_string(vcpu.index),
                        vcpu.thread);
  }
  return text.empty() ? "?" : text;
}

std::string ring_text(const GuestView& guest) {
  if (!guest.ring) return "no";
  return guest.ring->usable ? format_size(guest.ring->bytes) : format_size(guest.ring->bytes) + ", not ready";
}

std::string agent_text(const GuestView& guest) {
  if (!guest.ring) return "-";
  if (!guest.agent_alive) return "no";
  return guest.being_recorded ? "alive, recorded" : "alive";
}

void append_line(std::string& out, const std::string& text) {
  append_terminal_safe(out, text);
  out += '\n';
}

std::string disk_line(const GuestView& guest, const GuestView::Disk& disk) {
  std::string traits;
  for (const std::string* trait : {&disk.format, &disk.aio, &disk.cache}) {
    traits += (traits.empty() ? "" : ", ") + (trait->empty() ? "?" : *trait);
  }
  const std::string limits = format::limits_text(disk.limits);
  return fmt::format("{}: disk {} is {} ({}){}", guest.name, disk.device.empty() ? "?" : disk.device,
                     disk.path.empty() ? "unknown" : disk.path, traits,
                     limits.empty() ? "" : ", limited to " + limits);
}

}  // namespace

std::string guests_text(const std::vector<GuestView>& guests) {
  if (guests.empty()) return "No QEMU guest runs on this host.\n";
  TextTable table({{"NAME"},
                   {"PID", TextTable::Align::kRight},
                   {"ACCEL"},
                   {"VCPU:THREAD"},
                   {"RING"},
                   {"AGENT"},
                   {"MONITOR"},
                   {"UUID"}});
  for (const GuestView& guest : guests) {
    table.add_row({guest.name, std::to_string(guest.pid), guest.accel.empty() ? "?" : guest.accel,
                   vcpu_threads(guest), ring_text(guest), agent_text(guest), guest.monitor,
                   guest.uuid.empty() ? "-" : guest.uuid});
  }
  std::string out;
  table.append_to(out);
  std::string notes;
  for (const GuestView& guest : guests) {
    for (const GuestView::Disk& disk : guest.disks) append_line(notes, disk_line(guest, disk));
    if (guest.cpu_limit_us != 0)
      append_line(notes, fmt::format("{}: {}", guest.name, cpu_limit_text(guest.cpu_limit_us)));
    if (guest.ring && guest.ring->usable) {
      append_line(notes,
                  fmt::format("{}: ring {} ({} CPUs)", guest.name, guest.ring->path, guest.ring->cpus));
    } else if (guest.ring) {
      append_line(notes, fmt::format("{}: {}", guest.name, guest.ring->problem));
    }
    for (const std::string& text : guest.unknown) append_line(notes, guest.name + ": unknown: " + text);
  }
  return notes.empty() ? out : out + "\n" + notes;
}

std::string guests_json(const std::vector<GuestView>& guests) {
  Json list = Json::array();
  for (const GuestView& guest : guests) {
    Json vcpus = Json::array();
    for (const GuestView::Vcpu& vcpu : guest.vcpus) {
      Json entry = {{"index", vcpu.index}, {"thread", vcpu.thread}};
      if (vcpu.apic_id >= 0) entry["apic_id"] = vcpu.apic_id;
      vcpus.push_back(std::move(entry));
    }
    Json disks = Json::array();
    for (const GuestView::Disk& disk : guest.disks) {
      disks.push_back({{"device", disk.device},
                       {"path", disk.path},
                       {"format", disk.format},
                       {"aio", disk.aio},
                       {"cache", disk.cache},
                       {"limits", limits_json(disk.limits)}});
    }
    Json ring = nullptr;
    if (guest.ring) {
      ring = {{"path", guest.ring->path},
              {"bytes", guest.ring->bytes},
              {"usable", guest.ring->usable},
              {"cpus", guest.ring->cpus},
              {"problem", guest.ring->problem}};
    }
    list.push_back({{"name", guest.name},
                    {"pid", guest.pid},
                    {"uuid", guest.uuid},
                    {"accel", guest.accel},
                    {"vcpus", std::move(vcpus)},
                    {"cpu_limit", cpu_limit_json(guest.cpu_limit_us)},
                    {"disks", std::move(disks)},
                    {"ring", std::move(ring)},
                    {"agent_alive", guest.agent_alive},
                    {"being_recorded", guest.being_recorded},
                    {"monitor", guest.monitor},
                    {"unknown", guest.unknown}});
  }
  return Json{{"guests", std::move(list)}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
