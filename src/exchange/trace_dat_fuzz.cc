// Any bytes as a trace.dat: reading it ends, and every CPU's data lie within the file. With the first byte
// the fuzzer chooses a whole sample of either version to begin with, whose tail it replaces or whose bytes it
// changes, so that it gets behind the head.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/check.h"
#include "clock/clock_map.h"
#include "exchange/trace_cmd_clock.h"
#include "exchange/trace_dat_reader.h"
#include "exchange/trace_dat_test_support.h"

namespace {

using namespace ivtrace;
using namespace ivtrace::exchange;

void look_at(std::span<const std::byte> file) {
  const Result<TraceDat> dat = read_trace_dat(file);
  if (!dat) return;
  for (const TraceDatBuffer& buffer : dat->buffers) {
    for (const TraceDatCpu& cpu : buffer.cpus) {
      IVT_CHECK(cpu.offset <= file.size() && cpu.size <= file.size() - cpu.offset);
      TraceDatPieces pieces(*dat, buffer, cpu);
      while (true) {
        const auto piece = pieces.next();
        if (!piece || piece->empty()) break;
      }
    }
  }
  static_cast<void>(zero_of(*dat));
  static_cast<void>(anchors_of(*dat, HostTsc(0), HostTsc(1u << 30)));
  if (!dat->time_shift) return;
  clock::GuestClock clock;
  for (const clock::Epoch& epoch : epochs_of(*dat->time_shift, 4)) IVT_CHECK(clock.add(epoch).ok());
  static_cast<void>(clock.to_host(GuestTsc(1'000'000), CpuId(0)));
}

/// Pairs of u16 place and byte, written over the sample.
void change(std::string& file, const std::uint8_t* data, std::size_t size) {
  for (std::size_t i = 0; i + 3 <= size; i += 3) {
    std::uint16_t place;
    std::memcpy(&place, data + i, sizeof place);
    file[place % file.size()] = static_cast<char>(data[i + 2]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string samples[] = {sample_trace_dat(), sample_version_6()};
  if (size == 0) return 0;
  const std::uint8_t how = *data++;
  --size;
  if ((how & 2) == 0) {
    look_at({reinterpret_cast<const std::byte*>(data), size});
    return 0;
  }
  std::string file = samples[how & 1];
  change(file, data, size);
  look_at(std::as_bytes(std::span(file)));
  return 0;
}
