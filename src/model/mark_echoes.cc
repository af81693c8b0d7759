#include "model/mark_echoes.h"

#include <algorithm>

namespace ivtrace::model {

void MarkEchoes::written(std::int32_t writer, MarkKind kind) {
  Pending* const pending = threads_.make(writer);
  if (pending == nullptr) return;
  if (pending->count == Pending::kMost) {
    std::shift_left(pending->kinds.begin(), pending->kinds.end(), 1);
    --pending->count;
  }
  pending->kinds[pending->count++] = kind;
}

bool MarkEchoes::is_echo(std::int32_t thread, MarkKind kind) {
  Pending* const pending = threads_.find(thread);
  if (pending == nullptr) return false;
  for (std::size_t i = pending->count; i-- > 0;) {
    if (pending->kinds[i] != kind) continue;
    pending->count = static_cast<std::uint8_t>(i);  // what lies behind it got no echo any more
    return true;
  }
  return false;
}

}  // namespace ivtrace::model
