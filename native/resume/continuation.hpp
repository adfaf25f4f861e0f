// Whether an operation can end as a snapshot says.
#pragma once

#include "../capture/stack.hpp"
#include "../code/code_map.hpp"

namespace sauerkraut::resume {

// Whether the operation at `site`, at which `frame` waits, can continue as it says, with all that
// it needs.
bool continues(const capture::FrameState& frame, const code::CallSite& site);

}  // namespace sauerkraut::resume
