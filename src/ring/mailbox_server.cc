#include <algorithm>
#include <cstring>

#include "ring/mailbox.h"

namespace ivtrace::ring {

using format::Reply;

Reply bulk_reply(std::string_view whole, std::uint64_t offset, std::string& raw) {
  Reply reply;
  reply.total = whole.size();
  raw = offset < whole.size() ? whole.substr(offset, kBulkWindow) : std::string_view();
  return reply;
}

MailboxServer::MailboxServer(const SharedMemory& memory) : memory_(memory) {}

std::string MailboxServer::copy_request(std::uint32_t bytes) const {
  std::string copy((bytes + 7u) & ~7u, '\0');
  copy_words(copy.data(), memory_.request_area().data(), copy.size());
  copy.resize(bytes);
  return copy;
}

bool MailboxServer::poll(const Handler& handler) {
  format::MailboxControl& control = memory_.mailbox();
  // acquire: pairs with the release store of request_seq in MailboxClient::post
  const std::uint64_t sequence = control.request_seq.load(std::memory_order_acquire);
  if (sequence == answered_ || sequence == 0) return false;
  const std::uint64_t session =
      control.request_session.load(std::memory_order_relaxed);  // behind the acquire above
  const std::uint32_t bytes = control.request_bytes.load(std::memory_order_relaxed);
  const std::string text = bytes <= format::kRequestBytes ? copy_request(bytes) : std::string();
  // relaxed: the acquire loads of copy_words keep this one behind them
  if (control.request_seq.load(std::memory_order_relaxed) != sequence) {
    return false;  // overwritten: the next poll
  }

  Reply reply;
  std::string raw;
  if (auto request = format::decode_request(text); request) {
    reply = handler(*request, raw);
  } else {
    reply.ok = false;
    reply.code = format::error_code_name(request.error().code);
    reply.message = request.error().message;
  }
  answer(sequence, session, reply, raw);
  return true;
}

void MailboxServer::answer(std::uint64_t sequence, std::uint64_t session, const Reply& reply,
                           std::string_view raw) {
  std::string text = format::encode_reply(reply);
  if (text.size() > format::kReplyBytes) {
    Reply too_long;
    too_long.ok = false;
    too_long.code = format::error_code_name(ErrorCode::kExhausted);
    too_long.message = "the reply is longer than the mailbox; ask for less";
    text = format::encode_reply(too_long);
    raw = {};
  }
  raw = raw.substr(0, format::kReplyBytes - text.size());
  format::MailboxControl& control = memory_.mailbox();
  std::byte* area = memory_.reply_area().data();
  std::memcpy(area, text.data(), text.size());
  if (!raw.empty()) std::memcpy(area + text.size(), raw.data(), raw.size());
  control.reply_bytes.store(static_cast<std::uint32_t>(text.size()), std::memory_order_relaxed);
  control.reply_raw_bytes.store(static_cast<std::uint32_t>(raw.size()), std::memory_order_relaxed);
  control.reply_session.store(session, std::memory_order_relaxed);
  store_fence();  // the area may be write-combining memory, which a release store does not order
  // release: pairs with the acquire load of reply_seq in MailboxClient::take
  control.reply_seq.store(sequence, std::memory_order_release);
  store_fence();
  answered_ = sequence;
}

}  // namespace ivtrace::ring
