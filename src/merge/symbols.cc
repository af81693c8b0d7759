#include "merge/symbols.h"

namespace ivtrace::merge {

decode::Symbols load_symbols(const run::RunReader& run, const std::string& machine) {
  decode::Symbols symbols;
  if (const auto text = run.read_text(machine, format::kKallsymsName)) {
    static_cast<void>(symbols.add_kallsyms(*text).ok());
  }
  if (const auto text = run.read_text(machine, format::kPrintkFormatsName)) {
    static_cast<void>(symbols.add_printk_formats(*text).ok());
  }
  return symbols;
}

}  // namespace ivtrace::merge
