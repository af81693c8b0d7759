#include "view/token.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

namespace ivtrace::view {

Result<std::string> make_token() {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  // Bytes from here on would make the first letters likelier than the others.
  constexpr std::size_t kFair = 256 - 256 % kLetters.size();
  std::string token;
  while (token.size() < kTokenLength) {
    std::array<unsigned char, kTokenLength> bytes;
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno != EINTR) return errno_error(errno, "cannot get random bytes");
    for (ssize_t i = 0; i < got && token.size() < kTokenLength; ++i) {
      if (bytes[static_cast<std::size_t>(i)] < kFair)
        token += kLetters[bytes[static_cast<std::size_t>(i)] % kLetters.size()];
    }
  }
  return token;
}

bool is_same_secret(std::string_view given, std::string_view secret) {
  if (given.size() != secret.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(secret[i]);
  // The compiler may not know that nothing but zero or not zero is wanted of it.
  asm volatile("" : "+r"(difference));
  return difference == 0;
}

}  // namespace ivtrace::view
