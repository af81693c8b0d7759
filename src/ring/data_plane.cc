#include "ring/data_plane.h"

namespace ivtrace::ring {

const char* to_string(PlaneLossReason reason) {
  switch (reason) {
    case PlaneLossReason::kCorruptChunk:
      return "corrupt-chunk";
    case PlaneLossReason::kSequenceGap:
      return "sequence-gap";
    case PlaneLossReason::kNewGeneration:
      return "new-generation";
    case PlaneLossReason::kMappingLost:
      return "mapping-lost";
  }
  return "unknown";
}

}  // namespace ivtrace::ring
