"""Completion for bash, zsh and fish from a declared command line.

What a value may be follows from its name: RUN is a run, DIR and FILE are paths, a|b are the only words. NAME is a machine
of the run in a command that reads a run, else a running guest of this host.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def _options(declared: dict) -> list[dict]:
    return [option for option in declared["options"] if option["names"]]


def _places(declared: dict) -> list[dict]:
    return [option for option in declared["options"] if not option["names"]]


def _kind(option: dict, declared: dict) -> str:
    if option["value"] != "NAME":
        return option["value"]
    return "MACHINE" if any(place["value"] == "RUN" for place in _places(declared)) else "GUEST"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# bash: four functions that look things up, for the code in the templates.

def _function(name: str, on: str, cases: list[tuple[str, str]]) -> str:
    body = "".join(f"    {pattern}) printf '%s\\n' {words} ;;\n" for pattern, words in cases)
    return f"{name}() {{\n  case {on} in\n{body}  esac\n}}\n" if cases else f"{name}() {{ :; }}\n"


def _bash(declared: dict) -> str:
    program, commands = declared["name"], declared["commands"]
    prefix = "_" + program.replace("-", "_")
    everything = [("", declared), *((command["name"], command) for command in commands)]
    options = [(f"'{name}'", " ".join(word for option in _options(one) for word in option["names"])) for name, one in everything]
    values = [("|".join(f"{name}:{word}" for word in option["names"]), _quoted(_kind(option, one)))
              for name, one in everything for option in _options(one) if option["value"]]
    tables = _function(f"{prefix}_options", '"$1"', options) + _function(f"{prefix}_value", '"$1:$2"', values)
    if commands:
        places = [(f"{name}:{number}", _quoted(_kind(place, one))) for name, one in everything for number, place in enumerate(_places(one))]
        names = " ".join(command["name"] for command in commands)
        tables += f"{prefix}_commands() {{ printf '%s\\n' {names}; }}\n" + _function(f"{prefix}_place", '"$1:$2"', places)
    template = (HERE / ("commands.bash.in" if commands else "options.bash.in")).read_text()
    return template.replace("@PROGRAM@", program).replace("@PREFIX@", prefix).replace("@TABLES@", tables)


# zsh: _arguments does all but the names.

ZSH_KINDS = {"RUN": "_files -/", "DIR": "_files -/", "FILE": "_files", "GUEST": "_ivtrace_guests", "MACHINE": "_ivtrace_machines"}
ZSH_NAMES = """\
_ivtrace_guests() {
  local -a names=(${(f)"$(ivtrace guests --names 2>/dev/null)"})
  compadd -a names
}
_ivtrace_machines() {
  local word
  for word in ${words[2,-1]}; do
    [[ -f $word/journal.jsonl ]] && compadd -- $word/*(/N:t)
  done
}
"""


def _zsh_action(option: dict, declared: dict) -> str:
    kind = _kind(option, declared)
    label = kind.replace("|", " or ").lower()
    return f":{label}:" + (f"({kind.replace('|', ' ')})" if "|" in kind else ZSH_KINDS.get(kind, " "))


def _zsh_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh_arguments(declared: dict) -> list[str]:
    specs = []
    for option in _options(declared):
        action = _zsh_action(option, declared) if option["value"] else ""
        others = "" if option["repeated"] else f"({' '.join(option['names'])})"
        for name in option["names"]:
            sign = "=" if action and name.startswith("--") else "+" if action else ""
            specs.append(_quoted(f"{'*' if option['repeated'] else others}{name}{sign}[{_zsh_text(option['help'])}]{action}"))
    specs += [_quoted(_zsh_action(place, declared)) for place in _places(declared)]
    if declared.get("takes_program"):
        specs.append(_quoted("*::program:_normal"))
    return specs


def _zsh(declared: dict) -> str:
    program, commands = declared["name"], declared["commands"]
    lines = [f"#compdef {program}", f"# zsh completion for {program}, made from its declared command line"]
    if not commands:
        return "\n".join([*lines, "_arguments \\", " \\\n".join("  " + spec for spec in _zsh_arguments(declared))]) + "\n"
    lines += [ZSH_NAMES + "local -a commands=(", *(f"  {_quoted(command['name'] + ':' + _zsh_text(command['about']))}" for command in commands), ")",
              "local curcontext=$curcontext state line", "_arguments -C \\",
              *(f"  {spec} \\" for spec in _zsh_arguments(declared)), "  '1: :->command' '*:: :->rest'",
              "case $state in", f"  command) _describe command commands ;;", "  rest)", "    case $line[1] in"]
    for command in commands:
        lines += [f"      {command['name']})", "        _arguments \\", " \\\n".join("          " + spec for spec in _zsh_arguments(command)), "        ;;"]
    return "\n".join([*lines, "    esac", "    ;;", "esac"]) + "\n"


# fish: one `complete` for each option.

FISH_KINDS = {"RUN": "(__fish_complete_directories)", "DIR": "(__fish_complete_directories)", "GUEST": "(ivtrace guests --names 2>/dev/null)"}
FISH_MACHINES = """\
function __ivtrace_machines
    for word in (commandline -opc)[2..-1]
        test -f $word/journal.jsonl; and basename -a $word/*/
    end
end
"""


def _fish_value(option: dict, declared: dict) -> str:
    kind = _kind(option, declared)
    if kind == "FILE":
        return "-r -F"
    words = kind.replace("|", " ") if "|" in kind else "(__ivtrace_machines)" if kind == "MACHINE" else FISH_KINDS.get(kind, "")
    return f"-x -a {_quoted(words)}" if words else "-x"


def _fish_lines(program: str, condition: str, declared: dict) -> list[str]:
    start = f"complete -c {program}{condition}"
    lines = []
    for option in _options(declared):
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option["names"])
        lines.append(f"{start} {names} {_fish_value(option, declared) + ' ' if option['value'] else ''}-d {_quoted(option['help'])}")
    lines += [f"{start} {_fish_value(place, declared)}" for place in _places(declared)]
    return lines


def _fish(declared: dict) -> str:
    program, commands = declared["name"], declared["commands"]
    lines = [f"# fish completion for {program}, made from its declared command line"]
    if not commands:
        return "\n".join([*lines, f"complete -c {program} -f", *_fish_lines(program, "", declared)]) + "\n"
    lines += [FISH_MACHINES + f"complete -c {program} -f"]
    lines += _fish_lines(program, " -n __fish_use_subcommand", declared)
    for command in commands:
        lines.append(f"complete -c {program} -n __fish_use_subcommand -a {command['name']} -d {_quoted(command['about'])}")
        lines += _fish_lines(program, f" -n '__fish_seen_subcommand_from {command['name']}'", command)
    return "\n".join(lines) + "\n"


def files(declared: dict) -> dict[str, str]:
    """File name -> its text, for each shell."""
    name = declared["name"]
    return {f"{name}.bash": _bash(declared), f"{name}.zsh": _zsh(declared), f"{name}.fish": _fish(declared)}
