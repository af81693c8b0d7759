// Opens the viewer's address in the desktop's browser.
#pragma once

#include <string>

namespace ivtrace::cli {

/// Is there a desktop to open it on?
bool has_desktop();

/// Hands the address to xdg-open. What goes wrong is no failure: the address is printed anyway.
///
/// The address has a secret in it, and everybody on this machine can read a program's arguments. So the
/// browser gets a file that leads to it and that only this user can read; the file is gone with the object.
class BrowserStart {
 public:
  explicit BrowserStart(const std::string& address);
  ~BrowserStart();
  BrowserStart(const BrowserStart&) = delete;
  BrowserStart& operator=(const BrowserStart&) = delete;

 private:
  std::string file_;  ///< "" when it could not be made
};

}  // namespace ivtrace::cli
