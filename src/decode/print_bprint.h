// trace_printk()'s binary form: a format that the kernel exports by its address, and packed arguments.
#pragma once

#include <string>
#include <string_view>

#include "decode/field.h"
#include "decode/kallsyms.h"

namespace ivtrace::decode {

/// Appends `format` filled from `arguments` as vbin_printf() packed them (lib/vsprintf.c): integers aligned
/// to their size, at most 4; 64-bit ones in two words; texts with their NUL; pointers as a number, or as text
/// where the kernel dereferenced them. Stops with "…" where the arguments end too early or the format is
/// none.
void append_bprint(std::string& out, std::string_view format, RecordBytes arguments, const Symbols& symbols);

}  // namespace ivtrace::decode
