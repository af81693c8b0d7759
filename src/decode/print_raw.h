// A record as its fields say it, without a print fmt: the text of last resort, and the fields of JSON.
#pragma once

#include <string>

#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/print.h"

namespace ivtrace::decode {

/// Appends one field's value: numbers decimal, pointers in hex, texts as they are (raw bytes), arrays as
/// "[1,2]", anything else as hex bytes; "?" for what does not lie within the record.
void append_field_value(std::string& out, RecordBytes record, const Field& field);

/// Appends "name=value name=value …" of the event's own fields, cut at kMaxEventText.
void render_raw(const EventFormat& format, RecordBytes record, TextMode mode, std::string& out);

/// Appends the event's own fields as the inside of a JSON object: "name":value,… Numbers are numbers (also
/// those beyond 2^53; pointers are strings "0x…"), texts are escaped strings, arrays are arrays, bytes are
/// hex strings, and what does not lie within the record is null.
void append_json_fields(std::string& out, const EventFormat& format, RecordBytes record);

}  // namespace ivtrace::decode
