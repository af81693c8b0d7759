#include "exchange/exporter.h"

#include <algorithm>
#include <array>

#include "base/replacement.h"
#include "exchange/ctf_export.h"
#include "exchange/perfetto_export.h"
#include "exchange/table_export.h"
#include "exchange/timedoctor_export.h"
#include "exchange/trace_cmd_export.h"

namespace ivtrace::exchange {
namespace {

constexpr std::array kExporters = {
    Exporter{"timedoctor", "a .tdi file for TimeDoctor", false, write_timedoctor},
    Exporter{"trace-cmd", "a trace.dat for each machine, for trace-cmd report -i and KernelShark", true,
             write_trace_cmd},
    Exporter{"perfetto", "tracks of CPUs, vCPUs and disk requests, for ui.perfetto.dev", false,
             write_perfetto},
    Exporter{"ctf", "a CTF 1.8 trace for each machine, for Babeltrace and Trace Compass", true, write_ctf},
    Exporter{"json", "the run's tables, a file of JSON lines for each", true, write_json},
    Exporter{"csv", "the same as comma-separated values", true, write_csv},
};

}  // namespace

std::span<const Exporter> exporters() { return kExporters; }

const Exporter* find_exporter(std::string_view name) {
  const auto found = std::ranges::find(kExporters, name, &Exporter::name);
  return found == kExporters.end() ? nullptr : &*found;
}

Result<Summary> write_export(const Exporter& exporter, const run::RunReader& run,
                             const clock::HostClock& clock, const Request& request, Progress& progress) {
  for (const std::string& machine : request.filter.machines) {
    if (run.find(machine) == nullptr)
      return Error(ErrorCode::kNotFound, "there is no machine " + machine + " in the run",
                   "ivtrace info lists them");
  }
  IVT_RETURN_IF_ERROR(keep_apart(request.out, run.path()));
  IVT_ASSIGN_OR_RETURN(Replacement place,
                       exporter.is_folder ? Replacement::folder(request.out, request.force, {kMarkName, ""})
                                          : Replacement::file(request.out, request.force));
  Summary summary;
  const Status written =
      exporter.write({run, clock, request.filter, request.cache, place.fresh(), progress, summary});
  IVT_RETURN_IF_ERROR(progress.check());
  IVT_RETURN_IF_ERROR(written);
  IVT_RETURN_IF_ERROR(place.put());
  if (summary.events == 0) summary.notices.emplace_back("there is nothing in what was asked for");
  summary.incomplete = summary.incomplete || run.damage_total() > 0;
  return summary;
}

}  // namespace ivtrace::exchange
