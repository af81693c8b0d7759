#include "options.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ivtrace::lab {

Options::Options(int argc, char** argv, const std::string& purpose,
                 std::map<std::string, std::string> defaults)
    : program_(argv[0]), purpose_(purpose), values_(std::move(defaults)) {
  for (int i = 1; i < argc; i += 2) {
    std::string name = argv[i];
    if (name.rfind("--", 0) != 0 || values_.count(name.substr(2)) == 0) usage("unknown option " + name);
    if (i + 1 == argc) usage(name + " needs a value");
    values_[name.substr(2)] = argv[i + 1];
  }
}

const std::string& Options::text(const std::string& name) const { return values_.at(name); }

std::uint64_t Options::number(const std::string& name) const {
  const std::string& value = text(name);
  char* end = nullptr;
  errno = 0;
  std::uint64_t number = std::strtoull(value.c_str(), &end, 10);
  const char* units = "kMG";
  if (const char* unit = *end != '\0' ? std::strchr(units, *end) : nullptr) {
    number <<= 10 * (unit - units + 1);
    ++end;
  }
  if (errno != 0 || end == value.c_str() || *end != '\0' || value[0] == '-')
    usage("--" + name + ": not a number: " + value);
  return number;
}

void Options::usage(const std::string& problem) const {
  std::fprintf(stderr, "%s: %s\n%s\noptions and defaults:", program_.c_str(), problem.c_str(),
               purpose_.c_str());
  for (const auto& [name, value] : values_) std::fprintf(stderr, " [--%s '%s']", name.c_str(), value.c_str());
  std::fprintf(stderr, "\n");
  std::exit(2);
}

void die(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

}  // namespace ivtrace::lab
