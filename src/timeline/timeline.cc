#include "timeline/timeline.h"

#include "timeline/reading.h"

namespace ivtrace::timeline {

Result<std::unique_ptr<Timeline>> Timeline::open(const run::RunReader& run, const clock::HostClock& clock,
                                                 query::CacheUse cache) {
  IVT_ASSIGN_OR_RETURN(SliceStore store, SliceStore::create());
  auto reading = std::make_unique<Reading>(run, clock, cache, std::move(store));
  reading->start();
  return std::unique_ptr<Timeline>(new Timeline(std::move(reading)));
}

Timeline::Timeline(std::unique_ptr<Reading> reading) : reading_(std::move(reading)) {}
Timeline::~Timeline() = default;

Progress Timeline::progress() const { return reading_->progress(); }
std::vector<std::string> Timeline::notices() const { return reading_->notices(); }
std::vector<Track> Timeline::tracks() const { return reading_->tracks(); }
std::int64_t Timeline::duration_ns() const { return reading_->duration_ns(); }
std::int64_t Timeline::base_span_ns() const { return reading_->base_span_ns(); }
Result<std::vector<TileTrack>> Timeline::tiles(TileKey key, std::span<const std::uint32_t> tracks,
                                               query::StopFlag stop) const {
  return reading_->tiles(key, tracks, stop);
}
query::ModelRows& Timeline::rows() { return reading_->rows(); }

}  // namespace ivtrace::timeline
