#include "timeline/category.h"

#include <gtest/gtest.h>

namespace ivtrace::timeline {
namespace {

model::Task task(std::int32_t tid, const std::string& name) {
  model::Task task;
  task.tid = tid;
  name.copy(task.comm.data(), task.comm.size());
  return task;
}

TEST(Categories, TheSameIsTheSame) {
  Categories categories;
  const std::uint32_t fio = categories.add(State::kTask, 1, task(7, "fio"));
  EXPECT_EQ(categories.add(State::kTask, 1, task(7, "fio")), fio);
  EXPECT_NE(categories.add(State::kTask, 2, task(7, "fio")), fio);
  EXPECT_NE(categories.add(State::kTask, 1, task(8, "fio")), fio);
  EXPECT_NE(categories.add(State::kTask, 1, task(7, "dd")), fio);
  EXPECT_NE(categories.add(State::kHost, 1, task(7, "fio")), fio);
  EXPECT_EQ(categories.add(Mark{State::kTask, 1, categories.label("fio"), 7}), fio);
  EXPECT_EQ(categories.text(categories[fio].label), "fio");
}

TEST(Categories, AGuestWithNamesWithoutEndFillsNoMemory) {
  Categories categories;
  const std::uint32_t first = categories.add(State::kTask, 1, task(7, "first"));
  for (std::int32_t i = 0; i < 700'000; ++i) {
    const std::uint32_t category = categories.add(State::kTask, 1, task(i, std::to_string(i)));
    ASSERT_EQ(categories[category].state, State::kTask);
    ASSERT_EQ(categories[category].machine, 1);
  }
  EXPECT_LT(categories.size(), 2 * Categories::kMaxMarks + 100);
  EXPECT_EQ(categories.add(State::kTask, 1, task(7, "first")), first);
  EXPECT_EQ(categories.text(categories[categories.add(State::kTask, 1, task(1, "late"))].label), "…");
}

TEST(Categories, ALongTextIsCut) {
  Categories categories;
  EXPECT_EQ(categories.text(categories.label(std::string(1000, 'x'))).size(), Categories::kMaxText);
}

}  // namespace
}  // namespace ivtrace::timeline
