#include "probes/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text.h"
#include "format/mark_probes.h"
#include "probes/dwarf.h"

namespace ivtrace::probes {
namespace {

using FunctionLookup = std::function<Result<FunctionType>()>;

/// The field of an argument whose name is a parameter's, or `ret`. The function's description is read when it
/// is needed.
Result<std::string> look_up(const Spec& spec, const Argument& argument, const FunctionLookup& function) {
  if (spec.at_return) {
    if (argument.name != "ret") {
      return Error(ErrorCode::kInvalid, "at a function's return only ret is known, not " + argument.name);
    }
    if (!argument.type.empty()) return fetch_returned(std::nullopt, argument.type);
    const auto known = function();
    return fetch_returned(known ? known->returned : std::nullopt, "");
  }
  if (spec.offset != 0) {
    return Error(ErrorCode::kInvalid, "parameters have names at a function's beginning only",
                 "name the register: " + argument.name + "=%dx:u64");
  }
  IVT_ASSIGN_OR_RETURN(const FunctionType known, function());
  return fetch_parameter(known, argument.name, argument.type,
                         spec.kind == Kind::kFprobe ? Style::kArguments : Style::kRegisters);
}

Result<std::vector<std::string>> fields_of(const Spec& spec, const FunctionLookup& function) {
  std::vector<std::string> fields;
  for (const Argument& argument : spec.arguments) {
    std::string fetch = argument.fetch;
    if (fetch.empty()) {
      IVT_ASSIGN_OR_RETURN(fetch, look_up(spec, argument, function));
    }
    fields.push_back(argument.name + "=" + fetch);
  }
  return fields;
}

std::string event_name(const Spec& spec) {
  if (spec.symbol.empty()) return fmt::format("at_{:#x}", spec.offset);
  return identifier_of(spec.offset == 0 ? spec.symbol : fmt::format("{}_{:#x}", spec.symbol, spec.offset));
}

/// "arg3" or "arg3:TYPE" of an expression, as (3, TYPE); nothing when it is the kernel's own.
std::optional<std::pair<unsigned, std::string>> usdt_argument(std::string_view text) {
  if (!text.starts_with("arg")) return std::nullopt;
  const std::size_t colon = text.find(':');
  const auto number = parse_u64(text.substr(3, colon == text.npos ? colon : colon - 3));
  if (!number || *number > 99) return std::nullopt;
  return std::pair(static_cast<unsigned>(*number),
                   std::string(colon == text.npos ? "" : text.substr(colon + 1)));
}

/// What was asked for; where nothing was, of the points of our own header what makes marks of them.
std::vector<Argument> usdt_arguments(const Spec& spec, const UsdtSite& site) {
  if (!spec.arguments.empty() || site.provider != format::kMarkProvider) return spec.arguments;
  std::vector<Argument> arguments;
  for (const format::MarkProbe& mark : format::kMarkProbes) {
    if (mark.point != site.name) continue;
    if (!mark.name.empty()) arguments.push_back({"name", std::string(mark.name), ""});
    if (!mark.value.empty()) arguments.push_back({"value", std::string(mark.value), ""});
  }
  return arguments;
}

Result<std::vector<std::string>> usdt_fields(const Spec& spec, const UsdtSite& site,
                                             const VariablePlace& variable) {
  std::vector<std::string> fields;
  for (const Argument& argument : usdt_arguments(spec, site)) {
    const bool looked_up = argument.fetch.empty();
    const std::string wanted = argument.name + (argument.type.empty() ? "" : ":" + argument.type);
    const auto known = usdt_argument(looked_up ? wanted : argument.fetch);
    if (looked_up && !known) {
      return Error(ErrorCode::kInvalid, "a USDT probe's arguments have numbers, not names",
                   argument.name + "=arg1, or arg1:string");
    }
    std::string fetch = argument.fetch;
    if (known) {
      IVT_ASSIGN_OR_RETURN(fetch, fetch_usdt_argument(site, known->first, known->second, variable));
    }
    fields.push_back(argument.name + "=" + fetch);
  }
  return fields;
}

Error no_usdt(const Spec& spec, const std::vector<UsdtSite>& sites) {
  const std::string wanted = spec.provider + ":" + spec.symbol;
  std::vector<std::string> names;
  for (const UsdtSite& site : sites) names.push_back(site.provider + ":" + site.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.empty()) return Error(ErrorCode::kNotFound, spec.path + " has no USDT probes");
  std::string near;
  for (const std::string& one : nearest_names(wanted, names))
    near += (near.empty() ? "; nearest: " : ", ") + one;
  if (near.empty()) near = fmt::format("; it has {}, such as {}", names.size(), names.front());
  return Error(ErrorCode::kNotFound, "no USDT probe " + wanted + " in " + spec.path + near);
}

}  // namespace

Result<std::vector<Definition>> Resolver::resolve(const Spec& spec) {
  if (spec.kind == Kind::kUsdt) return resolve_usdt(spec);
  return is_user(spec.kind) ? resolve_user(spec) : resolve_kernel(spec);
}

Result<FunctionType> Resolver::kernel_function(const std::string& name) {
  if (!btf_) {
    IVT_ASSIGN_OR_RETURN(Btf read, Btf::of_kernel());
    btf_.emplace(std::move(read));
  }
  if (auto found = btf_->find_function(name)) return *std::move(found);
  IVT_RETURN_IF_ERROR(require_function(name));
  return Error(ErrorCode::kNotFound, "the kernel's BTF does not tell the parameters of " + name,
               "name the register: count=%dx:u64");
}

Status Resolver::require_function(const std::string& name) {
  if (!functions_) {
    IVT_ASSIGN_OR_RETURN(KernelFunctions read, KernelFunctions::read());
    functions_.emplace(std::move(read));
  }
  return functions_->require(name);
}

Result<std::vector<Definition>> Resolver::resolve_kernel(const Spec& spec) {
  Site site;
  site.place = spec.offset == 0 ? spec.symbol : fmt::format("{}+{:#x}", spec.symbol, spec.offset);
  if (spec.kind == Kind::kFprobe && spec.at_return) site.place += "%return";
  IVT_ASSIGN_OR_RETURN(site.fields, fields_of(spec, [&] { return kernel_function(spec.symbol); }));
  return std::vector<Definition>{
      {spec.kind, spec.at_return, event_name(spec), {std::move(site)}, spec.symbol}};
}

Result<const ElfFile*> Resolver::file(const std::string& path) {
  if (const auto known = files_.find(path); known != files_.end()) return &known->second;
  IVT_ASSIGN_OR_RETURN(ElfFile opened, ElfFile::open(path));
  return &files_.emplace(path, std::move(opened)).first->second;
}

Result<std::vector<Definition>> Resolver::resolve_user(const Spec& spec) {
  IVT_ASSIGN_OR_RETURN(const ElfFile* elf, file(spec.path));
  std::uint64_t offset = spec.offset;
  std::uint64_t address = 0;
  if (!spec.symbol.empty()) {
    IVT_ASSIGN_OR_RETURN(address, elf->function(spec.symbol));
    const auto place = elf->file_offset(address + spec.offset);
    if (!place) return Error(ErrorCode::kCorrupt, spec.symbol + " is not in the file " + spec.path);
    offset = *place;
  }
  Site site;
  site.place = fmt::format("{}:{:#x}", spec.path, offset);
  IVT_ASSIGN_OR_RETURN(site.fields, fields_of(spec, [&]() -> Result<FunctionType> {
                         if (spec.symbol.empty()) {
                           return Error(ErrorCode::kInvalid,
                                        "parameters have names at a function's beginning only",
                                        "name the register: count=%dx:u64");
                         }
                         return dwarf_function(*elf, address);
                       }));
  return std::vector<Definition>{
      {spec.kind, spec.at_return, event_name(spec), {std::move(site)}, spec.symbol}};
}

Result<std::vector<Definition>> Resolver::resolve_usdt(const Spec& spec) {
  IVT_ASSIGN_OR_RETURN(const ElfFile* elf, file(spec.path));
  IVT_ASSIGN_OR_RETURN(const std::vector<UsdtSite> sites, elf->usdt_sites());
  std::vector<Definition> definitions;
  std::map<std::pair<std::string, std::string>, std::size_t> known;  // (provider, name) → its definition
  for (const UsdtSite& found : sites) {
    if (!glob_match(spec.provider, found.provider) || !glob_match(spec.symbol, found.name)) continue;
    const auto offset = elf->file_offset(found.address);
    if (!offset) return Error(ErrorCode::kCorrupt, found.name + " is not in the file " + spec.path);
    Site site;
    site.place = fmt::format("{}:{:#x}", spec.path, *offset);
    if (found.semaphore != 0) {
      const auto counter = elf->file_offset(found.semaphore);
      if (!counter)
        return Error(ErrorCode::kCorrupt, "the semaphore of " + found.name + " is not in the file");
      site.place += fmt::format("({:#x})", *counter);
    }
    // The kernel adds such an offset to where the file would begin in memory if all of it lay as the code
    // does.
    const auto variable = [&](std::string_view name) -> std::optional<std::uint64_t> {
      const auto address = elf->symbol_address(name);
      return address ? std::optional(*address - found.address + *offset) : std::nullopt;
    };
    IVT_ASSIGN_OR_RETURN(site.fields, usdt_fields(spec, found, variable));
    const auto [place, fresh] = known.try_emplace({found.provider, found.name}, definitions.size());
    if (fresh) definitions.push_back({spec.kind, false, identifier_of(found.name), {}, ""});
    definitions[place->second].sites.push_back(std::move(site));
    if (definitions.size() > kMaxDefinitions || definitions[place->second].sites.size() > kMaxDefinitions)
      return Error(ErrorCode::kExhausted, "the probe means more than 128 places", "name fewer of them");
  }
  if (definitions.empty()) return no_usdt(spec, sites);
  return definitions;
}

}  // namespace ivtrace::probes
