#include "timeline/track_slices.h"

#include <algorithm>

namespace ivtrace::timeline {

void TrackSlices::add(const Slice& slice, std::uint16_t series, const Detail* detail) {
  slices_.push_back(slice);
  if (detailed_) details_.push_back(detail != nullptr ? *detail : Detail());
  last_.first_ns = std::min(last_.first_ns, slice.from_ns);
  last_.last_ns = std::max(last_.last_ns, slice.until_ns);
  if (series >= last_sums_.size()) last_sums_.resize(series + 1u);
  last_sums_[series] += static_cast<std::uint64_t>(slice.until_ns - slice.from_ns);
  ++count_;
  if (slices_.size() == kChunk) store_chunk();
}

void TrackSlices::store_chunk() {
  last_.offset = store_.append(std::as_bytes(std::span(slices_)));
  if (detailed_) store_.append(std::as_bytes(std::span(details_)));
  last_.sums_begin = sums_.size();
  for (std::size_t i = 0; i < last_sums_.size(); ++i) {
    if (last_sums_[i] > 0) sums_.push_back({static_cast<std::uint16_t>(i), last_sums_[i]});
    last_sums_[i] = 0;
  }
  if (chunks_.size() % kGroup == 0) groups_.emplace_back();
  groups_.back().first_ns = std::min(groups_.back().first_ns, last_.first_ns);
  groups_.back().last_ns = std::max(groups_.back().last_ns, last_.last_ns);
  chunks_.push_back(last_);
  last_ = {};
  slices_.clear();
  details_.clear();
}

std::size_t TrackSlices::next(std::size_t chunk, std::int64_t from, std::int64_t until) const {
  const auto meets = [&](const auto& bounds) { return bounds.first_ns <= until && bounds.last_ns >= from; };
  if (chunk > chunks_.size()) return chunks();
  while (chunk < chunks_.size()) {
    if (meets(chunks_[chunk])) return chunk;
    const bool skips = !meets(groups_[chunk / kGroup]);
    chunk = skips ? (chunk / kGroup + 1) * kGroup : chunk + 1;
  }
  return meets(last_) ? chunks_.size() : chunks();
}

std::span<const TrackSlices::Part> TrackSlices::sums(std::size_t chunk) const {
  const std::uint64_t begin = chunks_[chunk].sums_begin;
  const std::uint64_t end = chunk + 1 < chunks_.size() ? chunks_[chunk + 1].sums_begin : sums_.size();
  return std::span(sums_).subspan(begin, end - begin);
}

Result<std::span<const Slice>> TrackSlices::slices(std::size_t chunk, Room& room) const {
  if (!is_stored(chunk)) return std::span<const Slice>(slices_);
  room.slices.resize(kChunk);
  IVT_RETURN_IF_ERROR(store_.read(chunks_[chunk].offset, std::as_writable_bytes(std::span(room.slices))));
  return std::span<const Slice>(room.slices);
}

Result<std::span<const Detail>> TrackSlices::details(std::size_t chunk, Room& room) const {
  if (!is_stored(chunk)) return std::span<const Detail>(details_);
  room.details.resize(kChunk);
  IVT_RETURN_IF_ERROR(store_.read(chunks_[chunk].offset + kChunk * sizeof(Slice),
                                  std::as_writable_bytes(std::span(room.details))));
  return std::span<const Detail>(room.details);
}

}  // namespace ivtrace::timeline
