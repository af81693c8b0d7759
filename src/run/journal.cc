#include "run/journal.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "run/journal_fields.h"

namespace ivtrace::run {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxText = 64u << 10;
constexpr std::size_t kMaxList = 64u << 10;
constexpr int kMaxDepth = 6;

template <class T>
struct ElementOf;
template <class T>
struct ElementOf<std::vector<T>> {
  using Type = T;
};
template <class T>
struct ElementOf<std::optional<T>> {
  using Type = T;
};
template <class T>
concept IsVector = requires {
  typename ElementOf<T>::Type;
}
&&requires(T& list) { list.emplace_back(); };
template <class T>
concept IsOptional = std::same_as<T, std::optional<typename ElementOf<T>::Type>>;
template <class T>
concept IsStrong = std::integral<decltype(T::value)> && !Described<T>;

const char* layout_name(format::PageLayout layout) {
  return layout == format::PageLayout::kSlots ? "slots" : "packed";
}

// ---- encoding

class Writer {
 public:
  template <class T>
  void operator()(const char* key, const T& value) {
    put(object_[key], value);
  }
  template <class T>
  void added(const char* key, const T& value) {
    put(object_[key], value);
  }
  json take() { return std::move(object_); }

 private:
  template <class T>
  static void put(json& to, const T& value) {
    if constexpr (std::same_as<T, std::string>) {
      to = value.substr(0, kMaxText);
    } else if constexpr (std::integral<T>) {
      to = value;
    } else if constexpr (std::same_as<T, format::PageLayout>) {
      to = layout_name(value);
    } else if constexpr (std::same_as<T, clock::ClockSource>) {
      to = clock::to_string(value);
    } else if constexpr (IsVector<T>) {
      to = json::array();
      for (const auto& element : value) {
        if (to.size() == kMaxList) break;
        put(to.emplace_back(), element);
      }
    } else if constexpr (IsOptional<T>) {
      if (value) put(to, *value);  // else it stays null
    } else if constexpr (IsStrong<T>) {
      to = value.value;
    } else {
      Writer inner;
      describe(inner, value);
      to = inner.take();
    }
  }

  json object_ = json::object();
};

std::string dump(const json& object) {
  // Names may come from a guest: bytes that are not UTF-8 become U+FFFD.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

// ---- decoding

/// Takes the fields of one object; the first key that is missing or of the wrong type is kept in failure().
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {}

  template <class T>
  void operator()(const char* key, T& value) {
    if (!failure_.empty()) return;
    const auto found = object_.find(key);
    if (found == object_.end() || !take(*found, value)) failure_ = key;
  }
  template <class T>
  void added(const char* key, T& value) {
    if (object_.contains(key)) (*this)(key, value);
  }
  const std::string& failure() const { return failure_; }

 private:
  template <std::integral T>
  static bool take_number(const json& from, T& value) {
    if (from.is_number_unsigned()) {
      const auto number = from.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
      value = static_cast<T>(number);
      return true;
    }
    if (!from.is_number_integer() || std::is_unsigned_v<T>) return false;
    const auto number = from.get<std::int64_t>();
    if (number < static_cast<std::int64_t>(std::numeric_limits<T>::min())) return false;
    value = static_cast<T>(number);
    return true;
  }

  template <class T>
  static bool take(const json& from, T& value) {
    if constexpr (std::same_as<T, bool>) {
      if (!from.is_boolean()) return false;
      value = from.get<bool>();
      return true;
    } else if constexpr (std::same_as<T, std::string>) {
      if (!from.is_string() || from.get_ref<const std::string&>().size() > 3 * kMaxText) return false;
      value = from.get_ref<const std::string&>();
      return true;
    } else if constexpr (std::integral<T>) {
      return take_number(from, value);
    } else if constexpr (std::same_as<T, format::PageLayout>) {
      if (from != "slots" && from != "packed") return false;
      value = from == "slots" ? format::PageLayout::kSlots : format::PageLayout::kPacked;
      return true;
    } else if constexpr (std::same_as<T, clock::ClockSource>) {
      if (!from.is_string()) return false;
      value = clock::clock_source_of(from.get_ref<const std::string&>());
      return from == clock::to_string(value);
    } else if constexpr (IsVector<T>) {
      if (!from.is_array() || from.size() > kMaxList) return false;
      value.clear();
      for (const json& element : from) {
        if (!take(element, value.emplace_back())) return false;
      }
      return true;
    } else if constexpr (IsOptional<T>) {
      if (from.is_null()) return true;
      return take(from, value.emplace());
    } else if constexpr (IsStrong<T>) {
      return take_number(from, value.value);
    } else {
      if (!from.is_object()) return false;
      Reader inner(from);
      describe(inner, value);
      return inner.failure_.empty();
    }
  }

  const json& object_;
  std::string failure_;
};

template <class R>
constexpr const char* kTypeName = nullptr;
template <>
constexpr const char* kTypeName<MachineRecord> = "machine";
template <>
constexpr const char* kTypeName<VcpuRecord> = "vcpu";
template <>
constexpr const char* kTypeName<ThreadsRecord> = "threads";
template <>
constexpr const char* kTypeName<DiskRecord> = "disk";
template <>
constexpr const char* kTypeName<ExtentsRecord> = "extents";
template <>
constexpr const char* kTypeName<GoneRecord> = "gone";
template <>
constexpr const char* kTypeName<SegmentRecord> = "segment";
template <>
constexpr const char* kTypeName<MarkRecord> = "mark";
template <>
constexpr const char* kTypeName<AnchorRecord> = "anchor";
template <>
constexpr const char* kTypeName<EpochRecord> = "epoch";
template <>
constexpr const char* kTypeName<BurstRecord> = "burst";
template <>
constexpr const char* kTypeName<CountersRecord> = "counters";
template <>
constexpr const char* kTypeName<LossRecord> = "loss";
template <>
constexpr const char* kTypeName<TracerRecord> = "tracer";
template <>
constexpr const char* kTypeName<NoteRecord> = "note";
template <>
constexpr const char* kTypeName<ContainmentRecord> = "containment";
template <>
constexpr const char* kTypeName<EndRecord> = "end";

/// Tries the alternatives of Record one by one.
template <std::size_t kIndex = 0>
Result<Record> decode_as(const std::string& type, const json& object) {
  if constexpr (kIndex == std::variant_size_v<Record>) {
    return Error(ErrorCode::kUnsupported, "unknown record type \"" + type.substr(0, 40) + "\"");
  } else {
    using R = std::variant_alternative_t<kIndex, Record>;
    if (type != kTypeName<R>) return decode_as<kIndex + 1>(type, object);
    R record;
    Reader reader(object);
    describe(reader, record);
    if (!reader.failure().empty()) {
      return Error(ErrorCode::kCorrupt, type + " record: \"" + reader.failure() + "\" is missing or wrong");
    }
    return Record(std::move(record));
  }
}

/// Never throws; what is nested deeper than any record is left out while parsing, so depth costs no memory.
json parse_bounded(std::string_view text) {
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= kMaxDepth; };
  return json::parse(text.begin(), text.end(), shallow, false);
}

}  // namespace

std::string encode_record(const Record& record) {
  return std::visit(
      [](const auto& concrete) {
        Writer writer;
        writer("type", std::string(kTypeName<std::remove_cvref_t<decltype(concrete)>>));
        describe(writer, concrete);
        return dump(writer.take());
      },
      record);
}

Result<Record> decode_record(std::string_view line) {
  if (line.size() > kMaxJournalLine) return Error(ErrorCode::kCorrupt, "the line is too long");
  const json object = parse_bounded(line);
  if (!object.is_object()) return Error(ErrorCode::kCorrupt, "not a JSON object");
  const auto type = object.find("type");
  if (type == object.end() || !type->is_string()) return Error(ErrorCode::kCorrupt, "no record type");
  return decode_as(type->get_ref<const std::string&>(), object);
}

std::string encode_manifest(const Manifest& manifest) {
  Writer writer;
  describe(writer, manifest);
  return writer.take().dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<Manifest> decode_manifest(std::string_view text) {
  if (text.size() > kMaxManifest) return Error(ErrorCode::kCorrupt, "the manifest is too long");
  const json object = parse_bounded(text);
  if (!object.is_object()) return Error(ErrorCode::kCorrupt, "the manifest is not a JSON object");
  const auto schema = object.find("schema");
  if (schema == object.end() || !schema->is_number_unsigned()) {
    return Error(ErrorCode::kCorrupt, "the manifest has no schema version");
  }
  if (schema->get<std::uint64_t>() != static_cast<std::uint64_t>(format::kRunSchema)) {
    return Error(
        ErrorCode::kUnsupported,
        "the run has schema " + schema->dump() + ", this ivtrace reads " + std::to_string(format::kRunSchema),
        "use the ivtrace that recorded it, or a newer one");
  }
  Manifest manifest;
  Reader reader(object);
  describe(reader, manifest);
  if (!reader.failure().empty()) {
    return Error(ErrorCode::kCorrupt, "manifest: \"" + reader.failure() + "\" is missing or wrong");
  }
  return manifest;
}

}  // namespace ivtrace::run
