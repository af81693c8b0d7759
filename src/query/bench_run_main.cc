// Writes a made run: bench-run EVENTS PATH [switches]
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "base/text.h"
#include "query/bench_run.h"

int main(int argc, char** argv) {
  using namespace ivtrace;
  const Result<std::uint64_t> events = parse_u64(argc > 1 ? argv[1] : "");
  if (argc < 3 || argc > 4 || !events || (argc == 4 && std::string_view(argv[3]) != "switches")) {
    std::fputs("usage: bench-run EVENTS PATH [switches]\n", stderr);
    return 2;
  }
  if (std::filesystem::exists(argv[2])) {
    std::fprintf(stderr, "bench-run: %s is there already\n", argv[2]);
    return 1;
  }
  query::write_bench_run(argv[2], argc == 4 ? query::Mix::kSwitches : query::Mix::kReads, *events);
  return 0;
}
