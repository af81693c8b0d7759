#include "tracers/stap_kernel.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "tracers/stap_cache.h"

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxHeader = 4u << 20;
constexpr const char* kRuntime = "/usr/share/systemtap/runtime";

struct Version {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  bool operator<(const Version& other) const {
    return major != other.major ? major < other.major : minor < other.minor;
  }
};

/// The first two numbers: "6.12.117+deb12" is 6.12.
Version version_of(std::string_view text) {
  Version version;
  std::uint64_t* const parts[] = {&version.major, &version.minor};
  for (std::uint64_t* part : parts) {
    while (!text.empty() && text.front() >= '0' && text.front() <= '9' && *part < 100'000) {
      *part = *part * 10 + static_cast<std::uint64_t>(text.front() - '0');
      text.remove_prefix(1);
    }
    if (text.empty() || text.front() != '.') break;
    text.remove_prefix(1);
  }
  return version;
}

/// A header's text, in the build tree or in the source tree that belongs to it; empty when it is in neither.
std::string header(const std::string& tree, const std::string& name) {
  std::vector<fs::path> places{tree, fs::path(tree).parent_path() / "source"};
  // Debian's build tree: its makefile includes that of the source tree.
  if (const auto makefile = read_file(tree + "/Makefile", kMaxHeader)) {
    constexpr std::string_view kInclude = "include ";
    for (const std::string_view line : split(*makefile, '\n')) {
      if (line.starts_with(kInclude)) places.push_back(fs::path(line.substr(kInclude.size())).parent_path());
    }
  }
  for (const fs::path& place : places) {
    if (auto text = read_file((place / name).string(), kMaxHeader)) return *std::move(text);
  }
  return "";
}

/// The release that a build tree is for; empty when it does not tell.
std::string release_of_tree(const std::string& tree) {
  constexpr std::string_view kDefine = "#define UTS_RELEASE \"";
  const auto text = read_file(tree + "/include/generated/utsrelease.h", kMaxHeader);
  const std::size_t at = text ? text->find(kDefine) : std::string::npos;
  if (at == std::string::npos) return "";
  const std::size_t begin = at + kDefine.size();
  return text->substr(begin, text->find('"', begin) - begin);
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// Words of SystemTap's runtime that do not fit newer kernels, and those that do.
struct Adaptation {
  const char* file;
  std::vector<std::pair<std::string_view, std::string_view>> words;
};

/// The kernel has given task_work_cancel() another name, and the old one another meaning.
const Adaptation kTaskWork = {"stp_task_work.c",
                              {{"typeof(&task_work_cancel)", "typeof(&task_work_cancel_func)"},
                               {"(\"task_work_cancel\")", "(\"task_work_cancel_func\")"}}};

/// The runtime looks for a kprobe's function with kallsyms_on_each_symbol(), which has left out modules since
/// Linux 5.12. Told that there is none, it leaves the look-up to register_kprobe(), which knows
/// "module:function".
const Adaptation kProbeOfModule = {"linux/kprobes.c",
                                   {{"USE_KALLSYMS_ON_EACH_SYMBOL (_stp_kallsyms_on_each_symbol != NULL)",
                                     "USE_KALLSYMS_ON_EACH_SYMBOL (0)"}}};

/// The file's text as it should be; empty when it is right, or not there.
std::string adapted_text(const std::string& runtime, const Adaptation& adaptation) {
  const auto original = read_file(runtime + "/" + adaptation.file, kMaxHeader);
  if (!original) return "";
  std::string text = *original;
  for (const auto& [from, to] : adaptation.words) text = replace_all(std::move(text), from, to);
  return text == *original ? "" : text;
}

/// Path below the runtime -> text, of the files that do not fit the kernel of that build tree.
std::map<std::string, std::string> adaptations(const std::string& tree, const std::string& runtime) {
  std::map<std::string, std::string> texts;
  const auto adapt = [&](const Adaptation& adaptation) {
    std::string text = adapted_text(runtime, adaptation);
    if (!text.empty()) texts[adaptation.file] = std::move(text);
  };
  if (header(tree, "include/linux/task_work.h").find("task_work_cancel_func(") != std::string::npos)
    adapt(kTaskWork);
  if (!(version_of(release_of_tree(tree)) < Version{5, 12})) adapt(kProbeOfModule);
  return texts;
}

Status copy_runtime(const std::string& from, const fs::path& made,
                    const std::map<std::string, std::string>& adapted) {
  std::error_code error;
  fs::copy(from, made, fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
  if (error) return Error(ErrorCode::kIo, "cannot copy " + from + ": " + error.message());
  for (const auto& [file, text] : adapted) IVT_RETURN_IF_ERROR(replace_file((made / file).string(), text));
  return {};
}

/// A guest says what its release is, and it becomes a part of a path here.
bool valid_release(const std::string& release) {
  return !release.empty() && release.size() <= 64 && release[0] != '.' && release[0] != '-' &&
         std::all_of(release.begin(), release.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '-' || c == '_' || c == '+' || c == '~';
         });
}

}  // namespace

std::string release_option(const std::vector<std::string>& options) {
  std::string value;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (options[i] == "-r" && i + 1 < options.size()) {
      value = options[++i];
    } else if (options[i].starts_with("-r") && options[i].size() > 2) {
      value = options[i].substr(2);
    }
  }
  return value;
}

bool has_option(const std::vector<std::string>& options, const std::string& name) {
  for (const std::string& option : options) {
    if (option.starts_with(name)) return true;
  }
  return false;
}

Result<std::string> build_tree(const std::vector<std::string>& options, const std::string& release) {
  if (!valid_release(release)) {
    std::string told;
    append_terminal_safe(told, release.substr(0, 64));
    return Error(ErrorCode::kInvalid, "\"" + told + "\" is no release of a kernel");
  }
  const std::string given = release_option(options);
  const std::string tree = given.starts_with("/") ? given : "/lib/modules/" + release + "/build";
  if (::access((tree + "/.config").c_str(), R_OK) != 0) {
    return Error(ErrorCode::kNotFound,
                 "no headers of the kernel " + release + " for SystemTap: no " + tree + "/.config",
                 "apt-get install linux-headers-" + release +
                     ", or --stap-opt=-r --stap-opt=/path/to/build where they are elsewhere");
  }
  const std::string of_tree = release_of_tree(tree);
  if (!of_tree.empty() && of_tree != release) {
    return Error(ErrorCode::kInvalid,
                 "the headers in " + tree + " are of the kernel " + of_tree + ", not of " + release,
                 "apt-get install linux-headers-" + release);
  }
  return tree;
}

Status check_version(const std::string& stap_version, const std::string& release) {
  if (version_of(release) < Version{6, 12} || !(version_of(stap_version) < Version{5, 6})) return {};
  return Error(ErrorCode::kUnsupported, "SystemTap " + stap_version + " is too old for the kernel " + release,
               "install SystemTap 5.6 or later");
}

Result<std::string> fitting_runtime(const std::string& tree, const std::string& stap_version,
                                    const std::function<void(const std::string&)>& notice) {
  const char* set = std::getenv("SYSTEMTAP_RUNTIME");
  const std::string runtime = set != nullptr ? set : kRuntime;
  const std::map<std::string, std::string> texts = adaptations(tree, runtime);
  if (texts.empty()) return std::string();
  std::string all = stap_version + runtime;
  std::string files;
  for (const auto& [file, text] : texts) {
    all += file + text;
    files += (files.empty() ? "" : ", ") + file;
  }
  IVT_ASSIGN_OR_RETURN(const fs::path cache, stap_cache());
  const fs::path adapted = cache / ("runtime-" + short_hash(all));
  if (std::error_code error; notice && !fs::exists(adapted, error)) {
    notice("SystemTap " + stap_version +
           " is older than what it finds in this kernel: a copy of its runtime is adapted in " +
           adapted.string() + " (" + files + ")");
  }
  IVT_RETURN_IF_ERROR(
      make_once(adapted, [&](const fs::path& made) { return copy_runtime(runtime, made, texts); }));
  return adapted.string();
}

Result<std::string> tree_with_symbols(const std::string& tree, const std::string& release,
                                      const std::string& system_map) {
  IVT_ASSIGN_OR_RETURN(const fs::path cache, stap_cache());
  // Links into the tree, which may be replaced by one of another patch level: then they are others.
  const fs::path made_once = cache / ("tree-" + short_hash(tree + release + system_map));
  IVT_RETURN_IF_ERROR(make_once(made_once, [&](const fs::path& made) -> Status {
    std::error_code error;
    const fs::path build = made / "build";
    fs::create_directory(build, error);
    for (const auto& entry : fs::directory_iterator(fs::canonical(tree, error), error)) {
      if (entry.path().filename() != "System.map")
        fs::create_symlink(entry.path(), build / entry.path().filename(), error);
      if (error)
        return Error(ErrorCode::kIo, "cannot link to " + entry.path().string() + ": " + error.message());
    }
    const fs::path source = fs::canonical(fs::path(tree).parent_path() / "source", error);
    if (!error) fs::create_symlink(source, made / "source", error);
    return replace_file((build / "System.map").string(), system_map);
  }));
  return (made_once / "build").string();
}

}  // namespace ivtrace::tracers
