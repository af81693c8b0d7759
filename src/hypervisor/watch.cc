// Coming and going of guests between two looks. Who is there, /proc tells at each look for next to nothing;
// what was plugged into a known guest is asked at every tenth, so that monitors are not held and a busy one
// does not stall us.
#include <algorithm>
#include <utility>

#include "hypervisor/inventory.h"
#include "hypervisor/process.h"

namespace ivtrace::hypervisor {
namespace {

constexpr unsigned kAskEvery = 10;
constexpr unsigned kYoungLooks =
    3;  // its first look may have come before its monitor and its memory were there

bool same_facts(const Guest& a, const Guest& b) {
  const auto same_vcpu = [](const Vcpu& x, const Vcpu& y) {
    return x.index == y.index && x.thread == y.thread && x.apic_id == y.apic_id;
  };
  const auto same_disk = [](const Disk& x, const Disk& y) {
    return x.device == y.device && x.path == y.path && x.format == y.format && x.aio == y.aio &&
           x.cache == y.cache && x.device_number == y.device_number && x.inode == y.inode &&
           x.limits == y.limits;
  };
  const auto same_ring = [](const RingBacking& x, const RingBacking& y) {
    return x.path == y.path && x.bytes == y.bytes;
  };
  return a.name == b.name && a.uuid == b.uuid && a.accel == b.accel && a.status == b.status &&
         a.cpu_limit_us == b.cpu_limit_us && a.qmp.state == b.qmp.state &&
         std::ranges::equal(a.vcpus, b.vcpus, same_vcpu) && std::ranges::equal(a.disks, b.disks, same_disk) &&
         std::ranges::equal(a.rings, b.rings, same_ring);
}

}  // namespace

bool Watch::woken() {
  if (!options_.libvirt.libvirt) return false;
  for (DomainEvent& event : options_.libvirt.libvirt->take_events()) events_.push_back(std::move(event));
  return !events_.empty();
}

Result<Guest> Watch::inspect(Pid pid) {
  InventoryOptions facts = options_;
  facts.use_qmp = false;
  IVT_ASSIGN_OR_RETURN(Guest guest, inspect_guest(pid, facts));
  if (wanted_ && !wanted_(guest)) return guest;
  if (guest.monitor_is_held && options_.later_libvirt)
    options_.libvirt = std::exchange(options_.later_libvirt, nullptr)();
  return inspect_guest(pid, options_);
}

Result<Watch::Changes> Watch::look() {
  IVT_ASSIGN_OR_RETURN(const auto pids, qemu_pids(options_.proc));
  Changes changes;
  woken();
  changes.events = std::exchange(events_, {});
  std::vector<Guest> now;
  for (const Pid pid : pids) {
    const auto started = start_time(pid, options_.proc);
    if (!started) continue;
    const auto known = std::find_if(guests_.begin(), guests_.end(), [&](const Guest& guest) {
      return guest.pid == pid && guest.start_time == *started;
    });
    const bool is_known = known != guests_.end();
    unsigned& looks = looks_[pid];
    const bool touched = is_known && std::ranges::any_of(changes.events, [&](const DomainEvent& event) {
                           return event.domain.uuid == known->uuid;
                         });
    looks = is_known && !touched ? looks + 1 : 0;
    if (looks > kYoungLooks && looks % kAskEvery != 0) {
      now.push_back(*known);
      continue;
    }
    auto guest = inspect(pid);
    if (!guest) continue;
    if (is_known && known->qmp.state == QmpState::kOk && guest->qmp.state != QmpState::kOk) {
      now.push_back(*known);  // its monitor has somebody else just now: what it told before still stands
      continue;
    }
    if (!is_known) {
      changes.came.push_back(*guest);
    } else if (!same_facts(*known, *guest)) {
      changes.changed.push_back(*guest);
    }
    now.push_back(std::move(*guest));
  }
  for (const Guest& guest : guests_) {
    const bool is_there =
        std::any_of(now.begin(), now.end(), [&](const Guest& other) { return other.same_process(guest); });
    if (!is_there) changes.gone.push_back(guest);
  }
  guests_ = std::move(now);
  std::erase_if(looks_, [&](const auto& entry) {
    return std::none_of(guests_.begin(), guests_.end(),
                        [&](const Guest& guest) { return guest.pid == entry.first; });
  });
  return changes;
}

}  // namespace ivtrace::hypervisor
