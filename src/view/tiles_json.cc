#include "view/tiles_json.h"

#include <charconv>
#include <concepts>

#include "base/text.h"

namespace ivtrace::view {
namespace {

using timeline::TileTrack;
using timeline::TrackKind;

template <std::integral Number>
void append(std::string& out, Number number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

/// Three digits, whatever its size: the page may draw a row of small shares large.
void append_share(std::string& out, float share) {
  char digits[48];
  const auto [end, error] =
      std::to_chars(digits, digits + sizeof digits, share, std::chars_format::general, 3);
  out.append(digits, end);
}

void append_text(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

/// "name":[…], the elements written by `element`.
template <class List, class Element>
void append_list(std::string& out, std::string_view name, const List& list, Element element) {
  if (out.back() != '{') out += ',';
  append_text(out, name);
  out += ":[";
  bool is_first = true;
  for (const auto& one : list) {
    if (!is_first) out += ',';
    is_first = false;
    element(one);
  }
  out += ']';
}

void append_categories(std::string& out, const TileTrack& tile) {
  append_list(out, "categories", tile.categories, [&](const timeline::Category& category) {
    out += "{\"state\":";
    append_text(out, category.state);
    out += ",\"machine\":";
    append(out, category.machine);
    out += ",\"label\":";
    append_text(out, category.label);
    out += ",\"tid\":";
    append(out, category.tid);
    out += '}';
  });
}

void append_slices(std::string& out, const TileTrack& tile) {
  using timeline::TileSlice;
  out += ",\"slices\":{";
  append_list(out, "from", tile.slices, [&](const TileSlice& slice) { append(out, slice.from_ns); });
  append_list(out, "until", tile.slices, [&](const TileSlice& slice) { append(out, slice.until_ns); });
  append_list(out, "category", tile.slices, [&](const TileSlice& slice) { append(out, slice.category); });
  if (tile.kind == TrackKind::kDisk || tile.kind == TrackKind::kIrq || tile.kind == TrackKind::kMarks)
    append_list(out, "lane", tile.slices, [&](const TileSlice& slice) { append(out, slice.lane); });
  if (tile.kind == TrackKind::kDisk) {
    append_list(out, "row", tile.slices, [&](const TileSlice& slice) { append(out, slice.row); });
    append_list(out, "request", tile.slices, [&](const TileSlice& slice) { append(out, slice.request); });
    append_list(out, "phases", tile.phases, [&](const std::vector<timeline::Phase>& phases) {
      out += '[';
      for (const timeline::Phase& phase : phases) {
        if (out.back() != '[') out += ',';
        append(out, phase.kind);
        out += ',';
        append(out, phase.span.from_ns);
        out += ',';
        append(out, phase.span.until_ns);
      }
      out += ']';
    });
  }
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < tile.slices.size(); ++i) {
    if (tile.slices[i].open) open.push_back(i);
  }
  append_list(out, "open", open, [&](std::size_t index) { append(out, index); });
  out += '}';
}

void append_shares(std::string& out, const TileTrack& tile) {
  using timeline::TileShare;
  out += ",\"shares\":{";
  append_list(out, "bin", tile.shares, [&](const TileShare& share) { append(out, share.bin); });
  append_list(out, "category", tile.shares, [&](const TileShare& share) { append(out, share.category); });
  append_list(out, "share", tile.shares, [&](const TileShare& share) { append_share(out, share.share); });
  out += '}';
}

void append_tile(std::string& out, const TileTrack& tile) {
  out += "{\"track\":";
  append(out, tile.track);
  out += tile.complete ? ",\"complete\":true" : ",\"complete\":false";
  append_categories(out, tile);
  if (tile.is_shares) {
    append_shares(out, tile);
  } else {
    append_slices(out, tile);
  }
  append_list(out, "holes", tile.holes, [&](const timeline::Hole& hole) {
    out += '[';
    append(out, hole.from_ns);
    out += ',';
    append(out, hole.until_ns);
    out += ']';
  });
  out += '}';
}

}  // namespace

std::string tiles_text(const std::vector<TileTrack>& tiles) {
  std::string out = "{";
  append_list(out, "tiles", tiles, [&](const TileTrack& tile) { append_tile(out, tile); });
  out += '}';
  return out;
}

}  // namespace ivtrace::view
