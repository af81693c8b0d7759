// The viewer's page, as it was when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace ivtrace::view {

struct PageFile {
  std::string_view name;  ///< "index.html", "app.js", "app.css"
  std::string_view type;  ///< as the header Content-Type has it
  std::string_view text;
};
/// The three, in that order.
std::span<const PageFile> page_files();

}  // namespace ivtrace::view
