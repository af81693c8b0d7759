// The mailbox: one request of the recorder and its reply at a time, through the shared memory. What they say
// is format/mailbox_message.h; how the words are used is docs/format/mailbox.md.
//
//   host                                            agent
//   IDLE ── request area, bytes, session,
//           request_seq (release) ──▶ ASKED ──────▶ sees another request_seq (acquire), copies, checks that
//                                                   request_seq still stands, works
//   TAKEN ◀── reply_seq (acquire) ── ANSWERED ◀──── reply area, sizes, session, fence, reply_seq (release)
//
// Either side may die in each state. A new recorder asks with a number that differs from the one that stands
// there, and its own nonce: a late reply to its predecessor is not for it. A new agent formats the memory:
// the number becomes 0, and the recorder sees another generation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "format/mailbox_message.h"
#include "ring/host_ring.h"
#include "ring/shared_memory.h"

namespace ivtrace::ring {

/// The recorder's side. Borrows the HostRing; used by one thread at a time (which may be another one than
/// CopyRing's). Replies come from the guest: sizes are checked, texts are decoded from a private copy by a
/// bounded decoder.
class MailboxClient {
 public:
  explicit MailboxClient(HostRing& host) : host_(&host) {}

  /// Asks and waits, sleeping in between, at most `timeout`. Raw bytes of a bulk reply go to `raw`, if given.
  ///   kGone      there is no agent: the memory is not formatted, was formatted anew meanwhile, or its file
  ///   went away kTimeout   no reply; the request may still be carried out later, its reply is then ignored
  ///   kCorrupt   the reply breaks the format
  /// A reply with ok == false is a Reply, not an Error: Reply says what the agent found.
  /// `give_up` is asked while waiting: true ends the wait as the timeout does.
  using GiveUp = std::function<bool()>;
  Result<format::Reply> call(const format::Request& request, Nanoseconds timeout, std::string* raw = nullptr,
                             const GiveUp& give_up = {});

  /// The same in two halves, for callers that have something to do meanwhile: post() asks, taking back
  /// whatever was asked before; take() gives the reply once it is there, nullopt until then.
  Status post(const format::Request& request);
  Result<std::optional<format::Reply>> take(std::string* raw = nullptr);

  /// The whole of a bulk text, window by window. `max_bytes` bounds what is taken (more is kExhausted),
  /// `timeout` the whole read. A guest that announces one size and sends another, or sends in crumbs, is
  /// kCorrupt; an agent that answers with ok == false is an Error of that code.
  Result<std::string> read_bulk(format::Bulk bulk, std::uint64_t max_bytes, Nanoseconds timeout,
                                const GiveUp& give_up = {});

 private:
  Result<format::Reply> copy_reply(std::string* raw) const;

  HostRing* host_;
  std::uint64_t generation_ = 0;  // at post()
  std::uint64_t sequence_ = 0;    // of the request in flight; 0: none
};

/// Window of a bulk read; a reply that does not end the text carries at least this much.
inline constexpr std::size_t kBulkWindow = 128u << 10;

/// Fills a kRead reply: `raw` becomes the window of `whole` at `offset`, the reply tells the total. An offset
/// behind the end gives an empty window. The agent keeps `whole` from the window with offset 0 to the last,
/// so that they fit.
format::Reply bulk_reply(std::string_view whole, std::uint64_t offset, std::string& raw);

/// The agent's side. Borrows the memory, which Producer::format has just formatted: a request that came since
/// then is answered by the first poll. Used by one thread.
class MailboxServer {
 public:
  /// Answers a request; raw bytes behind the reply go to `raw` (cut to what fits behind the reply's text).
  using Handler = std::function<format::Reply(const format::Request& request, std::string& raw)>;

  explicit MailboxServer(const SharedMemory& memory);

  /// Answers the request that waits, if any; true when there was one. Each is carried out once. One that
  /// cannot be understood is answered with an error, one that changes while it is copied is left for the next
  /// poll.
  bool poll(const Handler& handler);

 private:
  std::string copy_request(std::uint32_t bytes) const;
  void answer(std::uint64_t sequence, std::uint64_t session, const format::Reply& reply,
              std::string_view raw);

  SharedMemory memory_;
  // request_seq of the last request that was answered. Producer::format left 0 there, so what stands in the
  // mailbox when this is made was asked of us already.
  std::uint64_t answered_ = 0;
};

}  // namespace ivtrace::ring
