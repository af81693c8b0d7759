// What stands in the sections and options of a trace.dat. Private to its reader.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "exchange/trace_dat_input.h"
#include "exchange/trace_dat_reader.h"

namespace ivtrace::exchange {

// Each takes its part off `in` and adds it to `dat`; kCorrupt, naming the part, when it ends too early.
Status read_header_info(TraceDatInput& in, TraceDat& dat);
Status read_ftrace_formats(TraceDatInput& in, TraceDat& dat);
Status read_event_formats(TraceDatInput& in, TraceDat& dat);
Status read_kallsyms(TraceDatInput& in, TraceDat& dat);
Status read_printk_formats(TraceDatInput& in, TraceDat& dat);
Status read_cmdlines(TraceDatInput& in, TraceDat& dat);

/// An option that both versions have; unknown ones are passed over. `data` is all of it.
Status read_option(std::uint16_t id, std::string_view data, TraceDat& dat);
/// Adds the CPU to the buffer when it has data; kCorrupt when they are not in the file.
Status add_cpu(TraceDat& dat, const TraceDatCpu& cpu, TraceDatBuffer& buffer);
/// The word in brackets, as the file trace_clock marks the one that is in use; all of it without brackets.
std::string clock_of(std::string_view text);

inline Error cut_off(const char* what) {
  return Error(ErrorCode::kCorrupt, std::string("cut off in its ") + what);
}

}  // namespace ivtrace::exchange
