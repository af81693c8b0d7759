// The connection to a libvirt daemon. libvirt's library needs a loop of events for what it is told without
// asking and for its keepalive: a thread of the process runs it. The keepalive ends a connection whose daemon
// has stopped answering, and thereby every call that waits on it.
#ifdef IVTRACE_LIBVIRT

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "hypervisor/libvirt.h"
#include "hypervisor/libvirt_library.h"
#include "hypervisor/session_calls.h"

namespace ivtrace::hypervisor {
namespace {

constexpr int kKeepaliveSeconds = 2;
constexpr unsigned kKeepaliveMisses = 2;
constexpr std::size_t kMaxEvents = 256;
constexpr std::size_t kMaxText = 300;

struct FreeDomain {
  void operator()(virDomainPtr domain) const { vir().virDomainFree(domain); }
};
using DomainHandle = std::unique_ptr<virDomain, FreeDomain>;
struct FreeText {
  void operator()(char* text) const { std::free(text); }
};
using Text = std::unique_ptr<char, FreeText>;

void start_event_loop() {
  static std::once_flag once;
  std::call_once(once, [] {
    vir().virInitialize();
    vir().virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // else it prints
    vir().virEventRegisterDefaultImpl();
    std::thread([] {
      while (vir().virEventRunDefaultImpl() == 0) continue;
    }).detach();
  });
}

ErrorCode code_of(int libvirt_code) {
  switch (libvirt_code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_DOMAIN_METADATA:
    case VIR_ERR_DEVICE_MISSING:
    case VIR_ERR_AGENT_UNRESPONSIVE:
      return ErrorCode::kNotFound;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
      return ErrorCode::kPermission;
    default:
      return ErrorCode::kIo;
  }
}

/// What libvirt said last in this thread.
Error last_error(const std::string& what) {
  const virErrorPtr error = vir().virGetLastError();
  if (error == nullptr || error->message == nullptr) return Error(ErrorCode::kIo, what);
  std::string text = std::string(error->message).substr(0, kMaxText);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Error(code_of(error->code), what + ": " + text);
}

const char* lifecycle_text(int event, int detail) {
  if (event == VIR_DOMAIN_EVENT_STARTED && detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED)
    return "started: migrated to here";
  if (event == VIR_DOMAIN_EVENT_STOPPED && detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
    return "stopped: migrated to another host";
  static constexpr const char* kTexts[] = {"defined", "undefined", "started",      "suspended", "resumed",
                                           "stopped", "shut down", "pm suspended", "crashed"};
  return event >= 0 && event < static_cast<int>(std::size(kTexts)) ? kTexts[event] : "changed";
}

/// What happened, from the thread of events to those that ask.
class EventBox {
 public:
  /// The number of a new source, which takes the place of the one before: a session that was left behind may
  /// still be told what its successor is told as well.
  unsigned new_source() {
    const std::lock_guard lock(mutex_);
    return ++source_;
  }
  void put(unsigned source, virDomainPtr domain, const std::string& what) {
    char uuid[VIR_UUID_STRING_BUFLEN] = {};
    const char* const name = vir().virDomainGetName(domain);
    if (vir().virDomainGetUUIDString(domain, uuid) != 0 || name == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (source != source_) return;
    if (events_.size() >= kMaxEvents) events_.pop_front();
    events_.push_back({{uuid, name}, what});
  }
  std::vector<DomainEvent> take() {
    const std::lock_guard lock(mutex_);
    std::vector<DomainEvent> taken(events_.begin(), events_.end());
    events_.clear();
    return taken;
  }

 private:
  std::mutex mutex_;
  unsigned source_ = 0;
  std::deque<DomainEvent> events_;
};

/// Where a session's events go; what libvirt gives back with each.
struct Subscription {
  std::shared_ptr<EventBox> box;
  unsigned source;

  static void put(void* opaque, virDomainPtr domain, const char* what) {
    const auto& subscription = *static_cast<const Subscription*>(opaque);
    subscription.box->put(subscription.source, domain, what);
  }
};

/// The connection itself; only the call thread uses it.
class Session {
 public:
  Session(std::string uri, std::shared_ptr<EventBox> events)
      : uri_(std::move(uri)), events_(std::move(events)) {}
  ~Session() { close(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Status ensure_open() {
    if (connection_ != nullptr && vir().virConnectIsAlive(connection_) == 1) return {};
    close();
    vir().virResetLastError();
    connection_ = vir().virConnectOpen(uri_.c_str());
    if (connection_ == nullptr) return last_error("cannot connect to " + uri_);
    // Drivers without a daemon have no keepalive, and some have no events: the looks find out then.
    vir().virConnectSetKeepAlive(connection_, kKeepaliveSeconds, kKeepaliveMisses);
    subscribe();
    return {};
  }

  Result<DomainHandle> find(const std::string& uuid) {
    IVT_RETURN_IF_ERROR(ensure_open());
    vir().virResetLastError();
    DomainHandle domain(vir().virDomainLookupByUUIDString(connection_, uuid.c_str()));
    if (!domain) return failed("no domain " + uuid);
    return domain;
  }

  /// kGone when it is the connection that broke.
  Error failed(const std::string& what) const {
    Error error = last_error(what);
    if (connection_ != nullptr && vir().virConnectIsAlive(connection_) != 1) error.code = ErrorCode::kGone;
    return error;
  }

  virConnectPtr get() const { return connection_; }

 private:
  template <class Callback>
  void on(unsigned source, int id, Callback* callback) {
    auto* const subscription = new Subscription{events_, source};
    const auto release = [](void* opaque) { delete static_cast<Subscription*>(opaque); };
    const int registered = vir().virConnectDomainEventRegisterAny(
        connection_, nullptr, id, VIR_DOMAIN_EVENT_CALLBACK(callback), subscription, release);
    if (registered >= 0) {
      registered_.push_back(registered);
    } else {
      release(subscription);
    }
  }

  void subscribe() {
    const unsigned source = events_->new_source();
    on(
        source, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        +[](virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
          Subscription::put(opaque, domain, lifecycle_text(event, detail));
          return 0;
        });
    on(
        source, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
        +[](virConnectPtr, virDomainPtr domain, const char*, void* opaque) {
          Subscription::put(opaque, domain, "device added");
        });
    on(
        source, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
        +[](virConnectPtr, virDomainPtr domain, const char*, void* opaque) {
          Subscription::put(opaque, domain, "device removed");
        });
  }

  void close() {
    if (connection_ == nullptr) return;
    for (const int id : registered_) vir().virConnectDomainEventDeregisterAny(connection_, id);
    registered_.clear();
    vir().virConnectClose(connection_);
    connection_ = nullptr;
  }

  std::string uri_;
  std::shared_ptr<EventBox> events_;
  virConnectPtr connection_ = nullptr;
  std::vector<int> registered_;
};

class LibvirtClient : public Libvirt {
 public:
  explicit LibvirtClient(const std::string& uri)
      : uri_(uri),
        events_(std::make_shared<EventBox>()),
        calls_([uri, events = events_] { return std::make_shared<Session>(uri, events); }) {}

  Status open(Nanoseconds limit) {
    return run<Status>(
        "", [](Session& session) { return session.ensure_open(); }, limit);
  }

  const std::string& uri() const override { return uri_; }

  Result<std::vector<Domain>> domains(Nanoseconds limit) override {
    return run<Result<std::vector<Domain>>>("", list_domains, limit);
  }

  Result<std::string> monitor_command(const std::string& domain, const std::string& text,
                                      Nanoseconds limit) override {
    return run<Result<std::string>>(
        domain,
        [domain, text](Session& session) -> Result<std::string> {
          IVT_ASSIGN_OR_RETURN(const DomainHandle handle, session.find(domain));
          char* reply = nullptr;
          if (vir().virDomainQemuMonitorCommand(handle.get(), text.c_str(), &reply, 0) != 0)
            return session.failed("libvirt did not pass the command on");
          return std::string(Text(reply).get());
        },
        limit);
  }

  Result<std::string> agent_command(const std::string& domain, const std::string& text,
                                    Nanoseconds limit) override {
    const int seconds = static_cast<int>(std::max<std::int64_t>(1, limit.value / 1'000'000'000));
    return run<Result<std::string>>(
        domain,
        [domain, text, seconds](Session& session) -> Result<std::string> {
          IVT_ASSIGN_OR_RETURN(const DomainHandle handle, session.find(domain));
          const Text reply(vir().virDomainQemuAgentCommand(handle.get(), text.c_str(), seconds, 0));
          if (!reply) return session.failed("the guest agent");
          return std::string(reply.get());
        },
        // libvirt ends it itself; we only when libvirt does not.
        Nanoseconds(limit.value + 2'000'000'000));
  }

  Status attach_device(const std::string& domain, const std::string& xml, Nanoseconds limit) override {
    return run<Status>(
        domain,
        [domain, xml](Session& session) -> Status {
          IVT_ASSIGN_OR_RETURN(const DomainHandle handle, session.find(domain));
          if (vir().virDomainAttachDeviceFlags(handle.get(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) != 0)
            return session.failed("libvirt did not attach the device");
          return {};
        },
        limit);
  }

  Status detach_device(const std::string& domain, const std::string& alias, Nanoseconds limit) override {
    return run<Status>(
        domain,
        [domain, alias](Session& session) -> Status {
          IVT_ASSIGN_OR_RETURN(const DomainHandle handle, session.find(domain));
          if (vir().virDomainDetachDeviceAlias(handle.get(), alias.c_str(), VIR_DOMAIN_AFFECT_LIVE) != 0)
            return session.failed("libvirt did not detach the device");
          return {};
        },
        limit);
  }

  std::vector<DomainEvent> take_events() override { return events_->take(); }

 private:
  static Result<std::vector<Domain>> list_domains(Session& session) {
    IVT_RETURN_IF_ERROR(session.ensure_open());
    virDomainPtr* list = nullptr;
    const int count = vir().virConnectListAllDomains(session.get(), &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (count < 0) return session.failed("libvirt did not list its domains");
    std::vector<Domain> domains;
    for (int i = 0; i < count; ++i) {
      const DomainHandle domain(list[i]);
      char uuid[VIR_UUID_STRING_BUFLEN] = {};
      const char* const name = vir().virDomainGetName(domain.get());
      if (vir().virDomainGetUUIDString(domain.get(), uuid) == 0 && name != nullptr)
        domains.push_back({uuid, name});
    }
    std::free(list);
    return domains;
  }

  /// `domain` is the one to blame when it hangs; "": the daemon.
  template <class T, class Body>
  T run(const std::string& domain, Body body, Nanoseconds limit) {
    std::optional<T> result = calls_.call<T>(domain, std::move(body), limit);
    if (result) return *std::move(result);
    return Error(ErrorCode::kTimeout, "libvirt at " + uri_ + " does not answer" +
                                          (domain.empty() ? "" : " about domain " + domain));
  }

  const std::string uri_;
  std::shared_ptr<EventBox> events_;
  SessionCalls<Session> calls_;
};

}  // namespace

bool built_with_libvirt() { return true; }

Result<std::shared_ptr<Libvirt>> connect_libvirt(const std::string& uri, Nanoseconds limit) {
  if (const auto library = load_libvirt(); !library) {
    Error error = library.error();
    error.message = "cannot connect to " + uri + ": " + error.message;
    return error;
  }
  start_event_loop();
  auto client = std::make_shared<LibvirtClient>(uri);
  IVT_RETURN_IF_ERROR(client->open(limit));
  return std::shared_ptr<Libvirt>(std::move(client));
}

}  // namespace ivtrace::hypervisor

#endif
