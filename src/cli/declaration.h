// The declared command line as data: what the man pages and the shells' completion are made of.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace ivtrace::cli {

/// One JSON object: name, version, about, footer, options[] and commands[], each of these with name, about,
/// footer, options[] and takes_program: true for the command named so, which runs a program that stands
/// behind "--". An option has names[] (none: it stands by its place), value ("" for a flag; "a|b" are the
/// only values), help, required and repeated. Hidden options are left out.
std::string declaration_json(const CLI::App& app, const std::string& takes_program);

}  // namespace ivtrace::cli
