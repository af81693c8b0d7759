#include "record/guest_set.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::record {
namespace {

using std::chrono::milliseconds;

bool matches(const hypervisor::Guest& guest, const std::string& wanted) {
  return glob_match(wanted, guest.name) || (!guest.uuid.empty() && wanted == guest.uuid) ||
         wanted == std::to_string(guest.pid.value);
}

bool is_wanted(const RecordConfig& config, const hypervisor::Guest& guest) {
  return config.guests.empty() || std::any_of(config.guests.begin(), config.guests.end(),
                                              [&](const std::string& name) { return matches(guest, name); });
}

}  // namespace

hypervisor::Watch GuestSet::watch(const RecordConfig& config) {
  return hypervisor::Watch(config.inventory,
                           [config](const hypervisor::Guest& guest) { return is_wanted(config, guest); });
}

Result<std::vector<hypervisor::Guest>> GuestSet::find(const RecordConfig& config, hypervisor::Watch& watch) {
  if (!config.find_guests) return std::vector<hypervisor::Guest>();
  IVT_ASSIGN_OR_RETURN(const auto changes, watch.look());
  std::vector<std::string> names;
  for (const hypervisor::Guest& guest : changes.came) names.push_back(guest.name);
  for (const std::string& wanted : config.guests) {
    const bool found = std::any_of(changes.came.begin(), changes.came.end(),
                                   [&](const hypervisor::Guest& guest) { return matches(guest, wanted); });
    if (found) continue;
    if (auto unseen = hypervisor::unseen_domain(config.inventory, wanted, changes.came)) return *unseen;
    std::string hint =
        names.empty() ? "no QEMU guest runs on this host" : "ivtrace guests lists those that run";
    const auto nearest = nearest_names(wanted, names);
    if (!nearest.empty()) hint = "did you mean " + nearest.front() + "? " + hint;
    return Error(ErrorCode::kNotFound, "there is no guest \"" + wanted + "\"", hint);
  }
  std::vector<hypervisor::Guest> wanted;
  std::copy_if(changes.came.begin(), changes.came.end(), std::back_inserter(wanted),
               [&](const hypervisor::Guest& guest) { return is_wanted(config, guest); });
  return wanted;
}

GuestSet::GuestSet(const RecordConfig& config, SessionSettings settings, RunLog& log,
                   Registration& registration)
    : config_(config), settings_(std::move(settings)), log_(log), registration_(registration), images_(log) {
  names_.insert(format::kHostMachine);
}

GuestSet::~GuestSet() { stop(); }

void GuestSet::start(hypervisor::Watch watch, const std::vector<hypervisor::Guest>& wanted) {
  watch_ = std::move(watch);
  for (const hypervisor::Guest& guest : wanted) {
    add(guest.name, guest.rings.empty() ? "" : guest.rings.front().path, guest);
  }
  for (const ExtraRing& ring : config_.extra_rings) add(ring.name, ring.path, std::nullopt);
  thread_ = std::thread([this] { follow(); });
}

std::string GuestSet::unique_name(const std::string& wanted) {
  const std::string base = format::to_machine_name(wanted);
  std::string name = base;
  for (int number = 2; !names_.insert(name).second; ++number) name = base + "-" + std::to_string(number);
  return name;
}

void GuestSet::add(const std::string& name, const std::string& ring,
                   const std::optional<hypervisor::Guest>& guest) {
  std::shared_ptr<GuestSession> session;
  {
    const std::lock_guard lock(mutex_);
    session = std::make_shared<GuestSession>(unique_name(name), ring, guest, settings_, log_, registration_);
    sessions_.push_back(session);
  }
  session->start();
  if (guest) journal_facts(session->machine(), *guest);
}

void GuestSet::journal_facts(const std::string& machine, const hypervisor::Guest& guest) {
  for (const hypervisor::Vcpu& vcpu : guest.vcpus) {
    log_.put(run::VcpuRecord{machine, vcpu.index, vcpu.thread.value,
                             vcpu.apic_id ? static_cast<std::int32_t>(*vcpu.apic_id) : -1});
  }
  for (const hypervisor::Disk& disk : guest.disks) {
    log_.put(run::DiskRecord{machine, disk.device, disk.path, disk.format, disk.aio, disk.cache,
                             disk.device_number, HostTsc(read_tsc()), disk.limits});
    note_changed_limits(machine, disk);
    images_.add(machine, disk);
  }
  for (const std::string& unknown : guest.unknown) log_.note(machine, unknown);
}

// Who reads the run's end finds the last limits: what held before is told to people.
void GuestSet::note_changed_limits(const std::string& machine, const hypervisor::Disk& disk) {
  const auto [known, is_new] = limits_.try_emplace({machine, disk.device}, disk.limits);
  if (is_new || known->second == disk.limits) return;
  const auto words = [](const format::DiskLimits& limits) {
    return limits.any() ? format::limits_text(limits) : std::string("none");
  };
  log_.note(machine, "limits of disk " + disk.device + " changed: " + words(known->second) + ", now " +
                         words(disk.limits));
  known->second = disk.limits;
}

// Rings are opened by the sessions' own threads; here they get a poller as soon as they are.
void GuestSet::poll_new_links() {
  const std::lock_guard lock(mutex_);
  for (const auto& session : sessions_) {
    const auto link = session->link();
    if (!link || polled_.contains(session.get())) continue;
    polled_.insert(session.get());
    const bool placed =
        std::any_of(pollers_.begin(), pollers_.end(), [&](const auto& poller) { return poller->add(link); });
    if (placed) continue;
    pollers_.push_back(std::make_unique<RingPoller>());
    pollers_.back()->add(link);
  }
}

void GuestSet::follow() {
  auto looked = std::chrono::steady_clock::now();
  while (!stopping_) {
    poll_new_links();
    images_.collect();
    std::this_thread::sleep_for(milliseconds(50));
    if (!config_.find_guests) continue;
    if (!watch_.woken() && std::chrono::steady_clock::now() - looked < std::chrono::seconds(1)) continue;
    looked = std::chrono::steady_clock::now();
    if (auto changes = watch_.look(); changes && changes->any()) apply(*changes);
  }
}

/// Other domains' doings are none of the run's business.
bool GuestSet::is_ours(const hypervisor::Domain& domain) const {
  hypervisor::Guest guest;
  guest.name = domain.name;
  guest.uuid = domain.uuid;
  if (is_wanted(config_, guest)) return true;
  const auto all = sessions();
  return std::any_of(all.begin(), all.end(), [&](const auto& session) {
    return session->guest() && session->guest()->uuid == domain.uuid;
  });
}

void GuestSet::apply(const hypervisor::Watch::Changes& changes) {
  for (const hypervisor::DomainEvent& event : changes.events) {
    if (is_ours(event.domain)) log_.note("", "libvirt: " + event.domain.name + " " + event.what);
  }
  for (const hypervisor::Guest& guest : changes.came) {
    if (!is_wanted(config_, guest)) continue;
    log_.note("", "guest " + guest.name + " came");
    if (settings_.notice) settings_.notice("guest " + guest.name + " came");
    add(guest.name, guest.rings.empty() ? "" : guest.rings.front().path, guest);
  }
  for (const auto& session : sessions()) {
    if (!session->guest()) continue;
    for (const hypervisor::Guest& guest : changes.changed) {
      if (!guest.same_process(*session->guest())) continue;
      journal_facts(session->machine(), guest);
      session->set_cpu_limit(guest.cpu_limit_us);
      if (!guest.rings.empty() && !session->has_ring()) session->adopt_ring(guest.rings.front().path);
    }
    for (const hypervisor::Guest& guest : changes.gone) {
      if (!guest.same_process(*session->guest())) continue;
      log_.note(session->machine(), "guest " + guest.name + " is gone");
      if (settings_.notice) settings_.notice("guest " + guest.name + " is gone");
      session->end_gone("the QEMU process " + std::to_string(guest.pid.value) + " ended");
      const std::lock_guard lock(mutex_);
      ended_.insert(session.get());
      for (const auto& poller : pollers_) poller->remove(session->link());
    }
  }
}

void GuestSet::wait_settled(const std::atomic<bool>& stop) const {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (const auto& session : sessions()) {
    while (!session->settled() && !stop && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
}

bool GuestSet::tracers_busy() const {
  const auto all = sessions();
  return std::any_of(all.begin(), all.end(), [](const auto& session) { return session->tracers_busy(); });
}

void GuestSet::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  poll_new_links();
  std::vector<std::thread> stops;
  for (const auto& session : sessions()) stops.emplace_back([session] { session->stop(); });
  for (std::thread& thread : stops) thread.join();
  images_.finish();
  const std::lock_guard lock(mutex_);
  pollers_.clear();
}

std::vector<std::shared_ptr<GuestSession>> GuestSet::sessions() const {
  const std::lock_guard lock(mutex_);
  return sessions_;
}

std::vector<Tid> GuestSet::look_at_threads() {
  std::vector<Tid> all;
  for (const auto& session : sessions()) {
    {
      const std::lock_guard lock(mutex_);
      if (!session->guest() || ended_.contains(session.get())) continue;
    }
    auto threads = hypervisor::list_threads(session->guest()->pid);
    if (!threads) continue;
    run::ThreadsRecord fresh{session->machine(), HostTsc(read_tsc()), {}};
    std::vector<Tid>& known = threads_[session.get()];  // rising, as the list is
    std::vector<Tid> now;
    for (const hypervisor::ProcessThread& thread : *threads) {
      now.push_back(thread.tid);
      if (!std::binary_search(known.begin(), known.end(), thread.tid))
        fresh.threads.push_back(thread.tid.value);
    }
    all.insert(all.end(), now.begin(), now.end());
    known = std::move(now);
    if (!fresh.threads.empty()) log_.put(fresh);
  }
  return all;
}

void GuestSet::on_tsc_write(Tid thread, std::uint32_t apic_id, std::int64_t offset, HostTsc at) {
  for (const auto& session : sessions()) {
    if (!session->guest()) continue;
    const auto& vcpus = session->guest()->vcpus;
    const bool its = std::any_of(vcpus.begin(), vcpus.end(),
                                 [&](const hypervisor::Vcpu& vcpu) { return vcpu.thread == thread; });
    if (its) session->on_tsc_write(apic_id, offset, at);
  }
}

}  // namespace ivtrace::record
