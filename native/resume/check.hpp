// The third ring of verification: does this state fit the local code object?
#pragma once

#include "../capture/stack.hpp"

namespace sauerkraut::resume {

// Throws ResumeError, naming frame and slot, unless every frame waits at a real
// call site of its code, at the analysed depth, with slots of the kinds the
// interpreter takes for granted. After it, rebuilding cannot corrupt memory.
void check(const capture::Stack& stack);

// The same for a generator that is not running: it stands at a yield, or has not started. Of one
// that runs in a frame of the stack only what lies in the generator itself is checked here.
void check_generator(const capture::GeneratorState& state);

}  // namespace sauerkraut::resume
