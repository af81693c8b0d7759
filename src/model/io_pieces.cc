#include "model/io_pieces.h"

#include <algorithm>

namespace ivtrace::model {

void IoPieces::begin(IoPiece piece) {
  crowded_ = crowded_ || pieces_.size() == kMaxPieces;
  if (!crowded_) pieces_.push_back(std::move(piece));
}

void IoPieces::end(std::uint64_t host, HostTsc at, const std::shared_ptr<const DeviceWork>& load) {
  for (IoPiece& piece : pieces_) {
    if (piece.host != host) continue;
    piece.completed = at;
    piece.load_after = load;
  }
}

void IoPieces::take_back(std::uint64_t host) {
  std::erase_if(pieces_, [&](const IoPiece& piece) { return piece.host == host; });
}

bool IoPieces::is_served_anew(const IoPiece& piece) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const IoPiece& later) {
    return later.completed && later.queued > *piece.completed && later.range.overlaps(piece.range);
  });
}

bool IoPieces::are_all_served(const SectorRange& wanted) const {
  std::vector<SectorRange> done;
  for (const IoPiece& piece : pieces_) {
    if (piece.completed) done.push_back(piece.range);
  }
  std::sort(done.begin(), done.end(),
            [](const SectorRange& a, const SectorRange& b) { return a.first < b.first; });
  std::uint64_t at = wanted.first;
  for (const SectorRange& range : done) {
    if (range.first <= at) at = std::max(at, range.end());
  }
  return at >= wanted.end();
}

std::vector<const IoPiece*> IoPieces::serving(const SectorRange& wanted) const {
  std::vector<const IoPiece*> serving;
  if (crowded_) return serving;
  bool all_done = true;
  for (const IoPiece& piece : pieces_) {
    all_done = all_done && piece.completed;
    if (piece.completed && !is_served_anew(piece)) serving.push_back(&piece);
  }
  if (!all_done && !are_all_served(wanted)) serving.clear();
  return serving;
}

}  // namespace ivtrace::model
