// Reading the fields of one record.
//
// A record is the data of one ring-buffer event, from its common_type on. Record and format come from
// different places and neither is trusted: every read is clipped to the record, done by memcpy, and says when
// it had to give up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "decode/event_format.h"

namespace ivtrace::decode {

using RecordBytes = std::span<const std::byte>;

/// common_type stands first in every record of every kernel since 2.6.31 (struct trace_entry). 0, which is no
/// event's id, for a record too short to hold it.
inline std::uint16_t event_id(RecordBytes record) {
  std::uint16_t id = 0;
  if (record.size() >= sizeof id) std::memcpy(&id, record.data(), sizeof id);
  return id;
}

/// common_pid: the thread that was running. 0 for a record too short to hold it. Its place is the same in
/// every x86 kernel: type u16, flags u8, preempt_count u8, pid s32.
inline std::int32_t event_pid(RecordBytes record) {
  std::int32_t pid = 0;
  if (record.size() >= 8) std::memcpy(&pid, record.data() + 4, sizeof pid);
  return pid;
}

/// Loads a little-endian integer of 1, 2, 4 or 8 bytes, zero-extended; 0 for any other size. `size` bytes are
/// readable.
inline std::uint64_t load_unsigned(const std::byte* from, std::size_t size) {
  switch (size) {
    case 1:
      return static_cast<std::uint8_t>(*from);
    case 2: {
      std::uint16_t v;
      std::memcpy(&v, from, 2);
      return v;
    }
    case 4: {
      std::uint32_t v;
      std::memcpy(&v, from, 4);
      return v;
    }
    case 8: {
      std::uint64_t v;
      std::memcpy(&v, from, 8);
      return v;
    }
    default:
      return 0;
  }
}
/// As load_unsigned, sign-extended.
inline std::int64_t load_signed(const std::byte* from, std::size_t size) {
  const std::uint64_t v = load_unsigned(from, size);
  switch (size) {
    case 1:
      return static_cast<std::int8_t>(v);
    case 2:
      return static_cast<std::int16_t>(v);
    case 4:
      return static_cast<std::int32_t>(v);
    default:
      return static_cast<std::int64_t>(v);
  }
}

/// The field's own bytes (the locator's, for dynamic fields); for kTail up to the record's end. Empty when
/// any of it lies outside of the record.
inline RecordBytes field_bytes(RecordBytes record, const Field& field) {
  if (field.offset > record.size()) return {};
  if (field.kind == FieldKind::kTail) return record.subspan(field.offset);
  if (field.size > record.size() - field.offset) return {};
  return record.subspan(field.offset, field.size);
}

/// An integer's or pointer's value, zero-extended; nothing when it lies outside of the record or is no
/// integer.
std::optional<std::uint64_t> read_unsigned(RecordBytes record, const Field& field);
/// As read_unsigned, sign-extended when the field is signed.
std::optional<std::int64_t> read_signed(RecordBytes record, const Field& field);

/// The bytes of an array of any kind: in place for fixed arrays, where the locator points for dynamic ones. A
/// locator that reaches beyond the record is clipped to it; one that starts outside gives nothing.
std::optional<RecordBytes> read_array(RecordBytes record, const Field& field);

/// Text of an array of any kind: its bytes up to the first NUL. Raw bytes of the guest: escape before
/// printing.
std::optional<std::string_view> read_string(RecordBytes record, const Field& field);

/// Number of whole elements in `array` as read_array gave it.
inline std::size_t element_count(RecordBytes array, const Field& field) {
  return field.element_size == 0 ? 0 : array.size() / field.element_size;
}

}  // namespace ivtrace::decode
