// What `ivtrace diagnose` tells, for people and for programs.
#pragma once

#include <string>

#include "patterns/finding.h"

namespace ivtrace::cli {

std::string diagnosis_text(const patterns::Diagnosis& diagnosis);
std::string diagnosis_json(const patterns::Diagnosis& diagnosis);

}  // namespace ivtrace::cli
