// Something known of some threads, found by their number in two loads.
//
// Scheduler events name two threads each, and most are asked for in vain. Linux gives no number beyond 2^22
// (PID_MAX_LIMIT), so a table of pages will do: those of numbers that nothing is known of are not there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ivtrace::model {

/// `T`'s default value says that nothing is known. One thread.
template <class T>
class TidMap {
 public:
  /// nullptr when the thread's page is not there, or its number is none.
  const T* find(std::int32_t tid) const {
    const std::uint32_t page = static_cast<std::uint32_t>(tid) / kPage;
    if (page >= pages_.size() || pages_[page] == nullptr) return nullptr;
    return &(*pages_[page])[static_cast<std::uint32_t>(tid) % kPage];
  }
  T* find(std::int32_t tid) { return const_cast<T*>(std::as_const(*this).find(tid)); }
  /// Room for the thread's; nullptr when its number is none.
  T* make(std::int32_t tid) {
    const std::uint32_t page = static_cast<std::uint32_t>(tid) / kPage;
    if (page >= kMaxTid / kPage) return nullptr;
    if (page >= pages_.size()) pages_.resize(page + 1u);
    if (pages_[page] == nullptr) pages_[page] = std::make_unique<Page>();
    return &(*pages_[page])[static_cast<std::uint32_t>(tid) % kPage];
  }
  /// Of the pages that are there; most have their default value.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (const auto& page : pages_) {
      if (page == nullptr) continue;
      for (T& each : *page) visit(each);
    }
  }
  void clear() { pages_.clear(); }

 private:
  static constexpr std::uint32_t kMaxTid = 1u << 22;
  static constexpr std::uint32_t kPage = 1024;
  using Page = std::array<T, kPage>;

  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace ivtrace::model
