#include "record/tracer_preparation.h"

#include <utility>

#include "base/text.h"
#include "tracers/tracer.h"

namespace ivtrace::record {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBetweenPolls = std::chrono::milliseconds(500);

/// A guest may say what it likes.
std::string safe(const std::string& text) {
  std::string shown;
  append_terminal_safe(shown, text);
  return shown;
}

}  // namespace

TracerPreparation::TracerPreparation(std::uint32_t id, TracerRequest request, TracerMachine machine,
                                     Notice notice)
    : id_(id), request_(std::move(request)), notice_(std::move(notice)) {
  thread_ = std::thread([this, machine = std::move(machine)] {
    made_ = prepare_tracer(request_, machine, notice_, [this] { return give_up_.load(); });
    done_ = true;
  });
}

TracerPreparation::~TracerPreparation() {
  give_up_ = true;
  if (thread_.joinable()) thread_.join();
}

std::optional<Result<PreparedTracer>> TracerPreparation::look(TracerPort& port) {
  if (thread_.joinable() && done_) {
    thread_.join();
    if (made_ && made_->kind == tracers::kScriptKind) {
      leave_to_machine(port);
    } else {
      settled_ = std::move(made_);
    }
  }
  if (there_ && give_up_ && !settled_) settled_ = Error(ErrorCode::kGone, "its compilation was given up");
  return std::exchange(settled_, std::nullopt);
}

void TracerPreparation::leave_to_machine(TracerPort& port) {
  Status begun = port.put_file(id_, made_->file_name, made_->bytes);
  if (begun) begun = port.compile(id_, made_->arguments);
  if (!begun) {
    settled_ = both_cannot(begun.error());
    return;
  }
  there_ = true;
}

bool TracerPreparation::wants_poll() {
  if (!there_ || Clock::now() < next_poll_) return false;
  next_poll_ = Clock::now() + kBetweenPolls;
  return true;
}

void TracerPreparation::take(const format::TracerState& state) {
  if (!there_ || state.tracer != id_) return;
  // Not of what it has compiled before, for this recording or another one.
  if (state.state != "compiled" && !std::exchange(said_, true))
    notice_(request_.path + ": the guest compiles it, as this host cannot: " + made_->obstacle->message);
  if (state.state == "compiled") {
    settled_ = std::move(made_);
  } else if (state.state == "failed") {
    settled_ = Error(ErrorCode::kInvalid, "in the guest: " + state.message, state.hint);
  } else if (!state.message.empty() && state.message != told_) {
    told_ = state.message;
    notice_(safe("in the guest: " + told_));
  }
  if (settled_) there_ = false;
}

/// A guest without stap, or an agent that knows no such request: what to install here is the shorter way.
Error TracerPreparation::both_cannot(const Error& there) const {
  const Error& here = *made_->obstacle;
  return Error(here.code, here.message + "; nor in the guest: " + there.message, here.hint);
}

}  // namespace ivtrace::record
