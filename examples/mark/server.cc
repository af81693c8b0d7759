// A made server that says what it does: slices that nest, an instant, a counter. Build and run it while
// ivtrace records, as root:
//
//     c++ -O2 -Iinclude -o server examples/mark/server.cc
//     ivtrace record -o run.ivt --duration 5s & sleep 2; ./server; wait
//     ivtrace query run.ivt "SELECT name, count(*), avg(until_ns - from_ns) / 1000 AS us FROM mark_slice
//     GROUP BY name"
#include <ivtrace/mark.h>

#include <chrono>
#include <cstdio>
#include <thread>

namespace {

void work(int microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

void serve(int request) {
  const ivtrace::MarkScope whole("request");
  {
    const ivtrace::MarkScope part("read");
    work(300);
  }
  if (request % 10 == 0) ivtrace_mark_instant("cache missed");
  const ivtrace::MarkScope part("answer");
  work(200);
}

}  // namespace

int main() {
  constexpr int kRequests = 100;
  for (int request = 0; request < kRequests; ++request) {
    ivtrace_mark_counter("waiting", kRequests - request);
    serve(request);
  }
  std::printf("%d requests served; %s\n", kRequests,
              ivtrace_mark_instant("done") > 0 ? "they are in the trace" : "nobody recorded them");
}
