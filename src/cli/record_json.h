// One event's fields as a JSON object, without building a document: the keys are made once per format.
#pragma once

#include <string>
#include <vector>

#include "decode/event_format.h"
#include "decode/field.h"

namespace ivtrace::cli {

/// Writes the records of one event format. Borrows the format. Immutable, usable by several threads. Formats
/// and records come from the recorded machine and are not trusted: what does not lie within the record is
/// null, text is escaped.
class RecordJson {
 public:
  explicit RecordJson(const decode::EventFormat& format);

  /// {"prev_comm":"bash","prev_pid":12,…}: integers and addresses as numbers, text as strings, other arrays
  /// as lists, anything else as a string of hexadecimal digits.
  void append_fields(std::string& out, decode::RecordBytes record) const;

 private:
  struct Entry {
    const decode::Field* field;
    std::string key;  // "name": with the comma before it, where there is one
  };

  std::vector<Entry> entries_;
};

}  // namespace ivtrace::cli
