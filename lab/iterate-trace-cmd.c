// Walks all events of trace.dat files with libtracecmd and does nothing: what its readers cost at least.
// usage: iterate-trace-cmd FILE...; prints the number of events. Built by lab/bench-trace-cmd.
#include <stdio.h>
#include <stdlib.h>
#include <trace-cmd/trace-cmd.h>

static int count(struct tracecmd_input *handle, struct tep_record *record, int cpu, void *events) {
  (void)handle, (void)record, (void)cpu;
  ++*(unsigned long long *)events;
  return 0;
}

int main(int argc, char **argv) {
  struct tracecmd_input **handles = calloc(argc, 2 * sizeof *handles);
  int handle_count = 0;
  for (int i = 1; i < argc; ++i) {
    struct tracecmd_input *handle = tracecmd_open(argv[i], TRACECMD_FL_LOAD_NO_PLUGINS);
    if (handle == NULL) {
      fprintf(stderr, "iterate-trace-cmd: cannot open %s\n", argv[i]);
      return 1;
    }
    handles[handle_count++] = handle;
  }
  unsigned long long events = 0;
  if (tracecmd_iterate_events_multi(handles, handle_count, count, &events) != 0) return 1;
  printf("%llu\n", events);
  return 0;
}
