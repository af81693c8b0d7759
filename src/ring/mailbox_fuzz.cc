// Hostile texts and sizes in the mailbox: the input is a reply as the recorder finds it, and a request as the
// agent does.
#include "ring/mailbox.h"
#include "ring/ring_fixture.h"

namespace {

using namespace ivtrace;
using namespace ivtrace::ring;

TestRing& shared_ring() {
  static TestRing ring(1);
  return ring;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 8) return 0;
  TestRing& ring = shared_ring();
  const SharedMemory& memory = ring.host->memory();
  format::MailboxControl& mailbox = memory.mailbox();
  std::uint32_t sizes[2];
  std::memcpy(sizes, data, sizeof sizes);
  const std::string_view text(reinterpret_cast<const char*>(data) + 8, size - 8);
  // An even first word is a lie about the sizes, an odd one the truth.
  const bool truth = sizes[0] % 2 == 1;

  MailboxClient client(*ring.host);
  IVT_CHECK(client.post(format::Request{}).ok());
  const std::size_t reply_bytes = std::min(text.size(), format::kReplyBytes);
  std::memcpy(memory.reply_area().data(), text.data(), reply_bytes);
  mailbox.reply_bytes = truth ? static_cast<std::uint32_t>(reply_bytes) : sizes[0];
  mailbox.reply_raw_bytes = truth ? 0 : sizes[1];
  mailbox.reply_session = ring.host->session();
  mailbox.reply_seq = mailbox.request_seq.load();
  std::string raw;
  const auto reply = client.take(&raw);
  IVT_CHECK(raw.size() <= format::kReplyBytes);
  if (reply && reply->has_value()) {
    IVT_CHECK((*reply)->cpus.size() <= format::kMaxCpus && (*reply)->counters.size() <= format::kMaxCpus);
    // What was understood can be said again, and is then understood the same.
    const std::string again = format::encode_reply(**reply);
    if (again.size() <= format::kReplyBytes)
      IVT_CHECK(format::encode_reply(*format::decode_reply(again)) == again);
  }

  MailboxServer server(memory);
  const std::size_t request_bytes = std::min(text.size(), format::kRequestBytes);
  std::memcpy(memory.request_area().data(), text.data(), request_bytes);
  mailbox.request_bytes = truth ? static_cast<std::uint32_t>(request_bytes) : sizes[1];
  mailbox.request_seq = mailbox.request_seq + 1;
  IVT_CHECK(server.poll([](const format::Request& request, std::string& out) {
    out = format::encode_request(request);
    format::Reply answer;
    answer.events = request.events;
    return answer;
  }));
  IVT_CHECK(mailbox.reply_seq == mailbox.request_seq);
  return 0;
}
