#include "stretches.h"

#include <algorithm>

namespace ivtrace::lab {

void Stretches::add(std::uint64_t at_ns, std::uint64_t took_ns) {
  if (width_ns_ == 0) return;
  std::size_t index = std::min<std::size_t>(at_ns / width_ns_, kMost - 1);
  if (index >= stretches_.size()) stretches_.resize(index + 1);
  stretches_[index].count += 1;
  stretches_[index].total_ns += took_ns;
}

std::string Stretches::json() const {
  if (width_ns_ == 0) return "";
  std::string text = ", \"stretch_ns\": " + std::to_string(width_ns_) + ", \"stretches\": [";
  for (std::size_t i = 0; i < stretches_.size(); ++i) {
    const Stretch& stretch = stretches_[i];
    std::uint64_t mean = stretch.count == 0 ? 0 : stretch.total_ns / stretch.count;
    text += (i == 0 ? "[" : ", [") + std::to_string(stretch.count) + ", " + std::to_string(mean) + "]";
  }
  return text + "]";
}

}  // namespace ivtrace::lab
