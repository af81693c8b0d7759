#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "ring/mailbox.h"

namespace ivtrace::ring {
namespace {

using Clock = std::chrono::steady_clock;
using format::Reply;
using format::Request;

Error gone(const HostRing& host, const char* why) {
  return Error(ErrorCode::kGone, fmt::format("{}: {}", host.name(), why),
               "is ivtrace-agent running in the guest? it may be started at any time");
}

// First sleeps shortly (most replies come at once), then longer (kStop of a busy guest takes its time).
class Backoff {
 public:
  void sleep(Clock::time_point deadline) {
    std::this_thread::sleep_for(
        std::min<Clock::duration>(step_, std::max(deadline - Clock::now(), Clock::duration(0))));
    step_ = std::min(step_ * 2, Clock::duration(std::chrono::milliseconds(5)));
  }

 private:
  Clock::duration step_ = std::chrono::microseconds(50);
};

}  // namespace

Status MailboxClient::post(const Request& request) {
  sequence_ = 0;
  if (host_->lost()) return gone(*host_, "the file shrank or went away");
  const auto geometry = read_geometry(host_->memory().bytes(), host_->name());
  if (!geometry) {
    return geometry.error().code == ErrorCode::kNotFound ? gone(*host_, "no agent has formatted it")
                                                         : geometry.error();
  }
  const std::string text = format::encode_request(request);
  if (text.size() > format::kRequestBytes) {
    return Error(
        ErrorCode::kInvalid,
        fmt::format("the request takes {} bytes, the mailbox has {}", text.size(), format::kRequestBytes),
        "ask for fewer events, or by glob");
  }
  generation_ = geometry->generation;
  host_->beat();
  format::MailboxControl& control = host_->memory().mailbox();
  // relaxed: only the host writes it, and that is us
  std::uint64_t sequence = control.request_seq.load(std::memory_order_relaxed) + 1;
  if (sequence == 0) sequence = 1;
  std::memcpy(host_->memory().request_area().data(), text.data(), text.size());
  control.request_bytes.store(static_cast<std::uint32_t>(text.size()), std::memory_order_relaxed);
  control.request_session.store(host_->session(), std::memory_order_relaxed);
  // release: pairs with the acquire load of request_seq in MailboxServer::poll
  control.request_seq.store(sequence, std::memory_order_release);
  sequence_ = sequence;
  return {};
}

Result<Reply> MailboxClient::copy_reply(std::string* raw) const {
  const format::MailboxControl& control = host_->memory().mailbox();
  const std::span<const std::byte> area = host_->memory().reply_area();
  // Each size is loaded once, then bounded; relaxed: behind the acquire load of reply_seq.
  const std::uint32_t text_bytes = control.reply_bytes.load(std::memory_order_relaxed);
  const std::uint32_t raw_bytes = control.reply_raw_bytes.load(std::memory_order_relaxed);
  if (text_bytes > area.size() || raw_bytes > area.size() - text_bytes) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("{}: a reply of {} + {} bytes is more than the mailbox holds", host_->name(),
                             text_bytes, raw_bytes));
  }
  std::string copy(area.size(), '\0');
  copy_words(copy.data(), area.data(), (std::size_t{text_bytes} + raw_bytes + 7) & ~std::size_t{7});
  if (raw != nullptr) raw->assign(copy, text_bytes, raw_bytes);
  return format::decode_reply(std::string_view(copy).substr(0, text_bytes));
}

Result<std::optional<Reply>> MailboxClient::take(std::string* raw) {
  IVT_CHECK(sequence_ != 0);
  if (host_->lost()) return gone(*host_, "the file shrank or went away");
  if (!host_->memory().holds(generation_)) return gone(*host_, "the agent was started again, or went away");
  host_->beat();
  const format::MailboxControl& control = host_->memory().mailbox();
  // acquire: pairs with the release store of reply_seq in MailboxServer::answer
  if (control.reply_seq.load(std::memory_order_acquire) != sequence_) return std::optional<Reply>();
  if (control.reply_session.load(std::memory_order_relaxed) != host_->session())
    return std::optional<Reply>();
  sequence_ = 0;
  IVT_ASSIGN_OR_RETURN(Reply reply, copy_reply(raw));
  return std::optional<Reply>(std::move(reply));
}

Result<Reply> MailboxClient::call(const Request& request, Nanoseconds timeout, std::string* raw,
                                  const GiveUp& give_up) {
  const Clock::time_point deadline = Clock::now() + std::chrono::nanoseconds(timeout.value);
  IVT_RETURN_IF_ERROR(post(request));
  Backoff backoff;
  while (true) {
    IVT_ASSIGN_OR_RETURN(std::optional<Reply> reply, take(raw));
    if (reply) return *std::move(reply);
    if (Clock::now() >= deadline || (give_up && give_up())) {
      return Error(ErrorCode::kTimeout,
                   fmt::format("{}: the agent did not answer within {:.1f} s", host_->name(),
                               static_cast<double>(timeout.value) / 1e9),
                   "is the guest paused or busy, or ivtrace-agent not running in it?");
    }
    backoff.sleep(deadline);
  }
}

Result<std::string> MailboxClient::read_bulk(format::Bulk bulk, std::uint64_t max_bytes, Nanoseconds timeout,
                                             const GiveUp& give_up) {
  const Clock::time_point deadline = Clock::now() + std::chrono::nanoseconds(timeout.value);
  const auto corrupt = [&](const char* how) {
    return Error(ErrorCode::kCorrupt, fmt::format("{}: a bulk reply {}", host_->name(), how));
  };
  Request request;
  request.op = format::Op::kRead;
  request.bulk = bulk;
  std::string text;
  std::optional<std::uint64_t> total;
  while (!total || text.size() < *total) {
    request.offset = text.size();
    std::string window;
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now());
    IVT_ASSIGN_OR_RETURN(
        const Reply reply,
        call(request, Nanoseconds(std::max<std::int64_t>(left.count(), 0)), &window, give_up));
    if (!reply.ok) return Error(format::error_code_of(reply.code), reply.message, reply.hint);
    if (reply.total > max_bytes) {
      return Error(ErrorCode::kExhausted,
                   fmt::format("{}: a bulk text of {} bytes is more than the {} that are taken",
                               host_->name(), reply.total, max_bytes));
    }
    if (total && *total != reply.total) return corrupt("changed its size half-way");
    total = reply.total;
    const std::uint64_t rest = *total - text.size();
    if (window.size() > rest) return corrupt("is longer than announced");
    // The guest cannot keep us here: each window brings kBulkWindow, or it is the last.
    if (window.size() < std::min<std::uint64_t>(rest, kBulkWindow)) return corrupt("comes in crumbs");
    text += window;
  }
  return text;
}

}  // namespace ivtrace::ring
