// Numbers and texts out of bytes that nobody vouches for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ivtrace::exchange {

/// Reads from the front. Whoever reads beyond the end gets zeroes and empty texts, and ok() is false from
/// then on. Borrows the bytes. One thread.
class TraceDatInput {
 public:
  TraceDatInput() = default;
  explicit TraceDatInput(std::span<const std::byte> bytes) : bytes_(bytes) {}
  explicit TraceDatInput(std::string_view text) : bytes_(std::as_bytes(std::span(text))) {}

  bool ok() const { return ok_; }
  std::size_t left() const { return bytes_.size() - at_; }
  std::size_t offset() const { return at_; }
  /// To a place from the beginning.
  void seek(std::uint64_t offset) {
    if (offset > bytes_.size()) return fail();
    at_ = static_cast<std::size_t>(offset);
  }

  /// Little-endian.
  template <class T>
  T number() {
    T value{};
    const std::span<const std::byte> from = bytes(sizeof value);
    if (!from.empty()) std::memcpy(&value, from.data(), sizeof value);
    return value;
  }
  std::span<const std::byte> bytes(std::uint64_t size) {
    if (!ok_ || size > left()) {
      fail();
      return {};
    }
    at_ += static_cast<std::size_t>(size);
    return bytes_.subspan(at_ - static_cast<std::size_t>(size), static_cast<std::size_t>(size));
  }
  std::string_view text(std::uint64_t size) {
    const std::span<const std::byte> from = bytes(size);
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }
  /// Up to its NUL, which is taken too.
  std::string_view string() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::ranges::find(rest, std::byte{0});
    if (end == rest.end()) {
      fail();
      return {};
    }
    const std::string_view found = text(static_cast<std::uint64_t>(end - rest.begin()));
    bytes(1);
    return found;
  }

 private:
  void fail() {
    ok_ = false;
    at_ = bytes_.size();
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace ivtrace::exchange
