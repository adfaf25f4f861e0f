// Containers that bytecode is still filling.
#pragma once

#include "../capture/stack.hpp"

namespace sauerkraut::resume {

// Gives each frame, once checked, its own copy of the containers its bytecode is still filling, and
// takes to be exactly what it put there: nothing else may refer to them. To a program the copy is
// invisible, since it never saw the container.
void make_private(capture::Stack& stack);
void make_private(capture::FrameState& frame);

}  // namespace sauerkraut::resume
