#include "view/tiles_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ivtrace::view {
namespace {

using timeline::TileTrack;
using timeline::TrackKind;

TileTrack of_kind(TileTrack tile, TrackKind kind) {
  tile.kind = kind;
  return tile;
}

timeline::TileSlice slice(std::int64_t from, std::int64_t until) {
  timeline::TileSlice slice;
  slice.from_ns = from;
  slice.until_ns = until;
  return slice;
}

TEST(TilesJson, HasSlicesAsColumns) {
  TileTrack tile;
  tile.complete = false;
  tile.categories = {{"vcpu", 1, "CPU 0/TCG", 4711}, {"idle", -1, "", -1}};
  tile.slices = {slice(-5, 10), slice(10, 20)};
  tile.slices[1].category = 1;
  tile.slices[1].open = true;
  tile.holes = {{3, 4}, {6, 9}};
  EXPECT_EQ(
      tiles_text({of_kind(tile, TrackKind::kCpu)}),
      R"({"tiles":[{"track":0,"complete":false,"categories":[)"
      R"({"state":"vcpu","machine":1,"label":"CPU 0/TCG","tid":4711},)"
      R"({"state":"idle","machine":-1,"label":"","tid":-1}],)"
      R"("slices":{"from":[-5,10],"until":[10,20],"category":[0,1],"open":[1]},"holes":[[3,4],[6,9]]}]})");
}

TEST(TilesJson, ADisksSlicesHaveLanesRowsAndPhases) {
  TileTrack tile;
  tile.slices = {slice(0, 5), slice(1, 9)};
  tile.slices[1].lane = 1;
  tile.slices[1].row = 7;
  tile.slices[1].request = 3;
  tile.phases = {{}, {{0, {1, 4}}, {5, {4, 9}}}};
  const std::string text = tiles_text({of_kind(tile, TrackKind::kDisk)});
  const auto json = nlohmann::json::parse(text);
  const auto& slices = json["tiles"][0]["slices"];
  EXPECT_EQ(slices["lane"], nlohmann::json({0, 1}));
  EXPECT_EQ(slices["row"], nlohmann::json({0, 7}));
  EXPECT_EQ(slices["request"], nlohmann::json({0, 3}));
  EXPECT_EQ(slices["phases"], nlohmann::json::parse("[[],[0,1,4,5,4,9]]"));
  EXPECT_EQ(json["tiles"][0]["complete"], true);
}

TEST(TilesJson, SharesComeInPlaceOfSlices) {
  TileTrack tile;
  tile.is_shares = true;
  tile.shares = {{0, 0, 0.5f}, {0, 1, 1.0f}, {255, 0, 0.0004f}, {255, 1, 12.3456f}};
  EXPECT_EQ(tiles_text({of_kind(tile, TrackKind::kVcpu)}),
            R"({"tiles":[{"track":0,"complete":true,"categories":[],"shares":{"bin":[0,0,255,255],)"
            R"("category":[0,1,0,1],"share":[0.5,1,0.0004,12.3]},"holes":[]}]})");
}

TEST(TilesJson, ANameOfAnyBytesIsText) {
  TileTrack tile;
  tile.categories = {{"task", 1, "</script>\"\\\n\xff\x01", 1}};
  const std::string text = tiles_text({of_kind(tile, TrackKind::kTask)});
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["tiles"][0]["categories"][0]["label"], "</script>\"\\\n\xef\xbf\xbd\x01");
}

TEST(TilesJson, NoTilesAreAnEmptyList) { EXPECT_EQ(tiles_text({}), R"({"tiles":[]})"); }

}  // namespace
}  // namespace ivtrace::view
