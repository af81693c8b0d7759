#include "probes/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <memory>
#include <optional>
#include <utility>

namespace ivtrace::probes {
namespace {

constexpr std::size_t kMaxParameters = 64;

struct DwarfCloser {
  void operator()(Dwarf* dwarf) const { ::dwarf_end(dwarf); }
};
using DwarfHandle = std::unique_ptr<Dwarf, DwarfCloser>;

/// The type that a DIE has, without names and qualifiers. Empty: void, or not to be followed.
std::optional<Dwarf_Die> type_of(Dwarf_Die* die) {
  Dwarf_Attribute attribute{};
  Dwarf_Die type{};
  if (::dwarf_attr_integrate(die, DW_AT_type, &attribute) == nullptr ||
      ::dwarf_formref_die(&attribute, &type) == nullptr || ::dwarf_peel_type(&type, &type) != 0) {
    return std::nullopt;
  }
  return type;
}

void classify_base(Dwarf_Die* type, Value& value) {
  Dwarf_Attribute attribute{};
  Dwarf_Word encoding = 0;
  if (::dwarf_attr_integrate(type, DW_AT_encoding, &attribute) == nullptr ||
      ::dwarf_formudata(&attribute, &encoding) != 0) {
    return;
  }
  if (encoding == DW_ATE_float) {
    value.passing = value.bytes <= 8 ? Passing::kSse : Passing::kMemory;  // long double
  } else if (encoding != DW_ATE_complex_float && encoding != DW_ATE_decimal_float) {
    value.passing = Passing::kInteger;
    value.is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
  }
}

Value value_of(Dwarf_Die* die) {
  Value value;
  if (const char* name = ::dwarf_diename(die)) value.name = name;
  auto type = type_of(die);
  if (!type) return value;
  Dwarf_Word bytes = 0;
  if (::dwarf_aggregate_size(&*type, &bytes) == 0) value.bytes = bytes;
  switch (::dwarf_tag(&*type)) {
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
      value.bytes = 8;
      value.is_pointer = true;
      value.passing = Passing::kInteger;
      break;
    case DW_TAG_enumeration_type:
      value.passing = Passing::kInteger;
      break;
    case DW_TAG_base_type:
      classify_base(&*type, value);
      break;
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_class_type:
      // Smaller ones may be in general or vector registers or, with a copy constructor, be passed by their
      // address.
      if (value.bytes > 16 && ::dwarf_tag(&*type) == DW_TAG_union_type) value.passing = Passing::kMemory;
      break;
    default:
      break;
  }
  return value;
}

FunctionType function_of(Dwarf_Die* function) {
  FunctionType found;
  if (type_of(function)) {
    found.returned = value_of(function);
    found.returned->name = "ret";
  }
  Dwarf_Die child{};
  if (::dwarf_child(function, &child) != 0) return found;
  do {
    if (::dwarf_tag(&child) == DW_TAG_formal_parameter) found.parameters.push_back(value_of(&child));
  } while (found.parameters.size() < kMaxParameters && ::dwarf_siblingof(&child, &child) == 0);
  return found;
}

struct Search {
  std::uint64_t address;
  std::optional<FunctionType> found;
};

int look_at_function(Dwarf_Die* function, void* argument) {
  auto* search = static_cast<Search*>(argument);
  Dwarf_Addr entry = 0;
  if (::dwarf_entrypc(function, &entry) != 0 || entry != search->address) return DWARF_CB_OK;
  search->found = function_of(function);
  return DWARF_CB_ABORT;
}

std::optional<FunctionType> find(Dwarf* dwarf, std::uint64_t address) {
  Search search{address, std::nullopt};
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die{};
  while (!search.found && ::dwarf_get_units(dwarf, unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
    ::dwarf_getfuncs(&die, look_at_function, &search, 0);
  }
  return std::move(search.found);
}

std::string debug_file_of(const ElfFile& file) {
  const std::string id = file.build_id();
  return id.size() < 3 ? "" : "/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug";
}

}  // namespace

Result<FunctionType> dwarf_function(const ElfFile& file, std::uint64_t address) {
  DwarfHandle dwarf(::dwarf_begin_elf(file.handle(), DWARF_C_READ, nullptr));
  Dwarf_CU* unit = nullptr;
  std::optional<ElfFile> apart;
  // A stripped file may still have the section of unwinding alone: what counts is that it describes
  // something.
  if (!dwarf || ::dwarf_get_units(dwarf.get(), nullptr, &unit, nullptr, nullptr, nullptr, nullptr) != 0) {
    auto opened = ElfFile::open(debug_file_of(file));
    if (!opened) {
      return Error(ErrorCode::kUnsupported,
                   file.path() + " has no debug information that tells the parameters",
                   "compile it with -g, install its -dbgsym package, or name the register: count=%dx:u64");
    }
    apart.emplace(*std::move(opened));
    dwarf.reset(::dwarf_begin_elf(apart->handle(), DWARF_C_READ, nullptr));
    if (!dwarf) return Error(ErrorCode::kCorrupt, apart->path() + ": no debug information");
  }
  auto found = find(dwarf.get(), address);
  dwarf.reset();  // before the file that it reads
  if (found) return *std::move(found);
  return Error(ErrorCode::kNotFound,
               "the debug information of " + file.path() + " does not tell that function",
               "name the register: count=%dx:u64");
}

}  // namespace ivtrace::probes
