// The kernel's %p conversions for addresses of networks and for identifiers
// (Documentation/core-api/printk-formats.rst).
#pragma once

#include <string>
#include <string_view>

#include "decode/field.h"

namespace ivtrace::decode {

/// Appends `bytes` as the extension says: M m MF MR mR (MAC), U Ub UB Ul UL (UUID), I4 i4 with h n l b, I6 i6
/// I6c, IS with p c f s (socket address). Bytes of the wrong size give INVALIDMAC, INVALIDUUID, INVALIDIPv4
/// or INVALIDIPv6; a socket address of another family gives nothing.
void append_address(std::string& out, std::string_view extension, RecordBytes bytes);

}  // namespace ivtrace::decode
