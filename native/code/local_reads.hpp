// Backward: which fast locals may be read from an instruction on.
#pragma once

#include <Python.h>

#include <vector>

namespace sauerkraut::code {

class CodeMap;

using LocalSets = std::vector<std::vector<bool>>;  // per instruction: a flag per fast local

// Locals that may be read without a check whether they are bound.
LocalSets unchecked_reads(const CodeMap& map, PyCodeObject* code);

// Locals that may be read at all, or deleted by name, before they are stored.
LocalSets possible_reads(const CodeMap& map, PyCodeObject* code);

}  // namespace sauerkraut::code
