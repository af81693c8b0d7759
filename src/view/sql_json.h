// POST sql and GET tables.
#pragma once

#include <string_view>

#include "view/answer.h"
#include "view/http.h"
#include "view/session.h"

namespace ivtrace::view {

inline constexpr std::int64_t kMostSqlRows = 10'000;

/// The whole answer, of a mistake in the query too: it says where the mistake is.
Reply sql_reply(Session& session, StopSource& stop, std::string_view body);
/// The tables and their columns; needs nothing to have been read.
Result<Json> tables_json(Session& session, StopSource& stop);

}  // namespace ivtrace::view
