#include "decode/comm_table.h"

#include <charconv>
#include <cstring>

#include "base/text.h"

namespace ivtrace::decode {

CommTable::CommTable() {
  grow_slots(1024);
  learn(0, "<idle>");
}

std::size_t CommTable::slot_of(std::int32_t pid) const {
  const std::uint32_t mixed = static_cast<std::uint32_t>(pid) * 0x9e3779b1u;
  return (mixed ^ (mixed >> 15)) & (slots_.size() - 1);
}

CommTable::Entry* CommTable::find(std::int32_t pid) {
  for (std::size_t slot = slot_of(pid);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot] == 0) return nullptr;
    Entry& entry = entries_[slots_[slot] - 1];
    if (entry.pid == pid) return &entry;
  }
}

void CommTable::grow_slots(std::size_t count) {
  slots_.assign(count, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t slot = slot_of(entries_[i].pid);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

CommTable::Entry& CommTable::learn(std::int32_t pid, std::string_view comm) {
  Entry* entry = find(pid);
  if (entry != nullptr && pid == 0) return *entry;
  if (entry == nullptr) {
    if (entries_.size() == kMaxThreads) {
      entries_.clear();
      grow_slots(1024);
      if (pid != 0) learn(0, "<idle>");
    }
    if (2 * (entries_.size() + 1) > slots_.size()) grow_slots(2 * slots_.size());
    std::size_t slot = slot_of(pid);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    entry = &entries_.emplace_back();
    slots_[slot] = static_cast<std::uint32_t>(entries_.size());
    entry->pid = pid;
  }
  const std::string_view name = cut(comm);
  std::memcpy(entry->comm.data(), name.data(), name.size());
  entry->comm_bytes = static_cast<std::uint8_t>(name.size());

  std::string label;
  append_terminal_safe(label, name);
  if (label.size() < kCommColumns) label.insert(0, kCommColumns - label.size(), ' ');
  label += '-';
  const std::size_t digits = label.size();
  label += std::to_string(pid);
  if (label.size() - digits < kPidColumns) label.append(kPidColumns - (label.size() - digits), ' ');
  std::memcpy(entry->label.data(), label.data(), label.size());
  entry->label_bytes = static_cast<std::uint8_t>(label.size());
  return *entry;
}

CommTable::Entry& CommTable::known(std::int32_t pid) {
  Entry* const entry = find(pid);
  return entry != nullptr ? *entry : learn(pid, "<...>");
}

std::string_view CommTable::label(std::int32_t pid) {
  const Entry& entry = known(pid);
  return {entry.label.data(), entry.label_bytes};
}

std::string_view CommTable::comm(std::int32_t pid) {
  const Entry& entry = known(pid);
  return {entry.comm.data(), entry.comm_bytes};
}

void CommTable::load(std::string_view cmdlines) {
  while (!cmdlines.empty()) {
    const std::size_t end = cmdlines.find('\n');
    const std::string_view line = cmdlines.substr(0, end);
    cmdlines.remove_prefix(end == std::string_view::npos ? cmdlines.size() : end + 1);
    std::int32_t pid = 0;
    const auto number = std::from_chars(line.data(), line.data() + line.size(), pid);
    const std::size_t digits = static_cast<std::size_t>(number.ptr - line.data());
    if (number.ec != std::errc{} || digits >= line.size() || line[digits] != ' ' || pid <= 0) continue;
    learn(pid, line.substr(digits + 1));
  }
}

}  // namespace ivtrace::decode
