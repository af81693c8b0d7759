#include "timeline/tile_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace ivtrace::timeline {
namespace {

constexpr std::size_t kMaxNamed = 8;  // shares of a bin that keep their labels, the greatest

class TileMaker {
 public:
  TileMaker(const TrackData& track, const Categories& categories, TileSpan span, query::StopFlag stop)
      : track_(track), categories_(categories), span_(span), stop_(stop) {
    tile_.track = track.track.id;
    tile_.kind = track.track.kind;
  }

  Result<TileTrack> make() {
    IVT_ASSIGN_OR_RETURN(const bool few, gather());
    if (few) {
      put_slices();
      return std::move(tile_);
    }
    found_.clear();
    tile_.is_shares = true;
    if (is_counter()) {
      IVT_RETURN_IF_ERROR(put_means());
      return std::move(tile_);
    }
    sums_.resize(track_.series.size() * kBins);
    if (span_.bin_log2 >= track_.bins.bin_log2()) {
      add_base_bins();
    } else {
      IVT_RETURN_IF_ERROR(add_chunks());
    }
    put_shares();
    return std::move(tile_);
  }

 private:
  struct Found {
    Slice slice;
    Detail detail;
  };

  bool is_disk() const { return track_.track.kind == TrackKind::kDisk; }
  bool is_counter() const { return track_.track.kind == TrackKind::kCounter; }

  bool meets(const query::Span& times) const {
    const bool begins = times.from_ns >= span_.begin;
    return times.from_ns < span_.end() && (times.until_ns > span_.begin || begins);
  }
  bool is_within(const TrackSlices::Chunk& chunk) const {
    return chunk.first_ns >= span_.begin && chunk.last_ns < span_.end();
  }

  /// The slices, unless they are too many: then false.
  Result<bool> gather() {
    const TrackSlices& all = track_.slices;
    const bool detailed = has_details(track_.track.kind);
    for (std::size_t i = next(0); i < all.chunks(); i = next(i + 1)) {
      if (query::stopped(stop_)) return query::interrupted_error();
      if (all.is_stored(i) && is_within(all.bounds(i))) return false;  // it has more than a tile takes
      IVT_ASSIGN_OR_RETURN(const std::span<const Slice> slices, all.slices(i, room_));
      std::span<const Detail> details;
      for (std::size_t j = 0; j < slices.size(); ++j) {
        if (!meets(slices[j])) continue;
        if (found_.size() == kMaxSlices) return false;
        if (detailed && details.empty()) {
          IVT_ASSIGN_OR_RETURN(details, all.details(i, room_));
        }
        found_.push_back({slices[j], detailed ? details[j] : Detail()});
      }
    }
    std::ranges::stable_sort(found_, {}, [](const Found& found) { return found.slice.from_ns; });
    return true;
  }
  std::size_t next(std::size_t chunk) const {
    return track_.slices.next(chunk, span_.begin, span_.end() - 1);
  }

  void put_slices() {
    std::unordered_map<std::int64_t, std::uint32_t> places;  // by category, or a counter's value
    for (const Found& found : found_) {
      const std::int64_t key = is_counter() ? found.detail.value : std::int64_t{found.slice.category};
      const auto place = places.try_emplace(key, tile_.categories.size());
      if (place.second) put_category(categories_[found.slice.category]);
      if (place.second && is_counter()) tile_.categories.back().label = std::to_string(key);
      TileSlice& slice = tile_.slices.emplace_back();
      slice.from_ns = found.slice.from_ns;
      slice.until_ns = found.slice.until_ns;
      slice.category = place.first->second;
      slice.lane = found.slice.lane;
      slice.open = found.slice.open;
      slice.row = found.detail.row;
      slice.request = found.detail.request;
      if (is_disk()) tile_.phases.push_back(phases_of(found));
    }
  }
  static std::vector<Phase> phases_of(const Found& found) {
    std::vector<Phase> phases;
    std::int64_t from = found.slice.from_ns;
    for (std::size_t i = 0; i < found.detail.phases; ++i) {
      const bool last = i + 1u == found.detail.phases;
      const std::int64_t until = last ? found.slice.until_ns : found.detail.ends[i];
      phases.push_back({found.detail.kinds[i], {from, until}});
      from = until;
    }
    return phases;
  }
  void put_category(const Mark& mark) {
    tile_.categories.push_back({to_string(mark.state), mark.machine, categories_.text(mark.label), mark.tid});
  }

  std::uint64_t& sum(std::size_t bin, std::uint16_t series) {
    return sums_[bin * track_.series.size() + series];
  }
  void add_base_bins() {
    const unsigned more = span_.bin_log2 - track_.bins.bin_log2();
    const std::uint64_t first = static_cast<std::uint64_t>(span_.begin) >> track_.bins.bin_log2();
    for (std::size_t series = 0; series < track_.series.size(); ++series) {
      for (std::size_t bin = 0; bin < kBins; ++bin) {
        const auto number = static_cast<std::uint16_t>(series);
        sum(bin, number) = track_.bins.sum(number, first + (bin << more), std::uint64_t{1} << more);
      }
    }
  }

  std::int64_t bin_of(std::int64_t time) const { return (time - span_.begin) >> span_.bin_log2; }
  Status add_chunks() {
    const TrackSlices& all = track_.slices;
    for (std::size_t i = next(0); i < all.chunks(); i = next(i + 1)) {
      if (query::stopped(stop_)) return query::interrupted_error();
      const TrackSlices::Chunk& chunk = all.bounds(i);
      const bool in_one = is_within(chunk) && bin_of(chunk.first_ns) == bin_of(chunk.last_ns);
      if (in_one && all.is_stored(i)) {
        for (const TrackSlices::Part& part : all.sums(i))
          sum(static_cast<std::size_t>(bin_of(chunk.first_ns)), part.series) += part.ns;
        continue;
      }
      IVT_ASSIGN_OR_RETURN(const std::span<const Slice> slices, all.slices(i, room_));
      for (const Slice& slice : slices) add(slice);
    }
    return {};
  }
  void add(const Slice& slice) {
    for_each_bin(slice, [&, series = track_.series.known(slice.category)](std::size_t bin, std::int64_t ns) {
      sum(bin, series) += static_cast<std::uint64_t>(ns);
    });
  }
  /// `visit(bin, ns)`: of each bin that the slice lies in, how much of it.
  template <class Visit>
  void for_each_bin(const Slice& slice, Visit visit) const {
    std::int64_t from = std::max(slice.from_ns, span_.begin);
    const std::int64_t until = std::min(slice.until_ns, span_.end());
    while (from < until) {
      const std::int64_t bin = bin_of(from);
      const std::int64_t end = std::min(until, span_.begin + ((bin + 1) << span_.bin_log2));
      visit(static_cast<std::size_t>(bin), end - from);
      from = end;
    }
  }

  /// A counter's bins: the mean of each, with the part of it in which there was a value.
  Status put_means() {
    std::vector<ValueSum> sums(kBins);
    if (span_.bin_log2 >= track_.bins.bin_log2()) {
      const unsigned more = span_.bin_log2 - track_.bins.bin_log2();
      const std::uint64_t first = static_cast<std::uint64_t>(span_.begin) >> track_.bins.bin_log2();
      for (std::size_t bin = 0; bin < kBins; ++bin)
        sums[bin] = track_.values->sum(first + (bin << more), std::uint64_t{1} << more);
    } else {
      IVT_RETURN_IF_ERROR(add_values(sums));
    }
    const double length = static_cast<double>(std::int64_t{1} << span_.bin_log2);
    std::unordered_map<std::string, std::uint32_t> places;
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      if (sums[bin].ns == 0) continue;
      const auto ns = static_cast<double>(sums[bin].ns);
      const std::string mean = fmt::format("{:.9g}", sums[bin].weighted / ns);
      const auto place = places.try_emplace(mean, tile_.categories.size());
      if (place.second) {
        put_category(track_.series[0]);
        tile_.categories.back().label = mean;
      }
      tile_.shares.push_back(
          {static_cast<std::uint32_t>(bin), place.first->second, static_cast<float>(ns / length)});
    }
    return {};
  }
  Status add_values(std::vector<ValueSum>& sums) {
    const TrackSlices& all = track_.slices;
    for (std::size_t i = next(0); i < all.chunks(); i = next(i + 1)) {
      if (query::stopped(stop_)) return query::interrupted_error();
      IVT_ASSIGN_OR_RETURN(const std::span<const Slice> slices, all.slices(i, room_));
      IVT_ASSIGN_OR_RETURN(const std::span<const Detail> details, all.details(i, room_));
      for (std::size_t j = 0; j < slices.size(); ++j) {
        for_each_bin(slices[j],
                     [&](std::size_t bin, std::int64_t ns) { sums[bin].add(details[j].value, ns); });
      }
    }
    return {};
  }

  void put_shares() {
    std::vector<std::pair<std::uint64_t, std::uint16_t>> named;
    const double length = static_cast<double>(std::int64_t{1} << span_.bin_log2);
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      named.clear();
      std::unordered_map<Mark, std::uint64_t, MarkHash> rest;  // without labels
      for (std::size_t i = 0; i < track_.series.size(); ++i) {
        const auto series = static_cast<std::uint16_t>(i);
        const std::uint64_t ns = sum(bin, series);
        if (ns == 0) continue;
        if (track_.series[series].label == 0) {
          rest[track_.series[series]] += ns;
        } else {
          named.emplace_back(ns, series);
        }
      }
      std::ranges::sort(named, std::greater<>());
      for (std::size_t i = 0; i < named.size(); ++i) {
        Mark mark = track_.series[named[i].second];
        if (i < kMaxNamed) {
          put_share(bin, mark, static_cast<double>(named[i].first) / length);
        } else {
          mark.label = 0;
          rest[mark] += named[i].first;
        }
      }
      for (const auto& [mark, ns] : rest) put_share(bin, mark, static_cast<double>(ns) / length);
    }
  }
  void put_share(std::size_t bin, const Mark& mark, double share) {
    const auto place = share_places_.try_emplace(mark, tile_.categories.size());
    if (place.second) put_category(mark);
    tile_.shares.push_back({static_cast<std::uint32_t>(bin), place.first->second, static_cast<float>(share)});
  }

  const TrackData& track_;
  const Categories& categories_;
  TileSpan span_;
  query::StopFlag stop_;
  TileTrack tile_;
  std::vector<Found> found_;
  std::vector<std::uint64_t> sums_;  ///< by bin and series
  std::unordered_map<Mark, std::uint32_t, MarkHash> share_places_;
  TrackSlices::Room room_;
};

}  // namespace

Result<TileTrack> make_tile(const TrackData& track, const Categories& categories, TileSpan span,
                            query::StopFlag stop) {
  return TileMaker(track, categories, span, stop).make();
}

}  // namespace ivtrace::timeline
