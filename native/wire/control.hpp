// The control section: a captured stack, without its objects, as a FlatBuffer.
#pragma once

#include "reference.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sauerkraut::wire {

namespace format {  // made by flatc
struct Frame;
}

inline constexpr std::string_view default_implementation = "cpython";

struct Interpreter {
  std::string implementation;  // in the bytes only where it is not the default
  std::string version;
  std::uint32_t magic = 0;
};

// A bound local, for people.
struct Variable {
  std::string_view name;
  std::uint32_t slot = 0;
  std::string_view type;
  std::uint64_t bytes = 0;
};

// Where a code object is found again, and what people call it: the same for all frames that
// run it with the same globals.
struct CodeLabel {
  std::string module;
  std::string qualname;
  std::vector<std::uint32_t> path;
  std::string fingerprint;
  std::optional<std::string> embedded;
  std::string layout;
  std::optional<std::string> globals_module;
  std::string function;
  std::string file;
  std::uint32_t first_line = 0;
  std::string source;
};

// What people see of one frame.
struct FrameRows {
  std::uint32_t line = 0;
  std::string variables;  // a line each, see show()
  std::vector<std::string> excluded;
  std::vector<std::string> unbound;
};

// Appends a line for `variable` to the rows of a frame; `next_slot` is 0 before the first of them.
void show(const Variable& variable, std::uint32_t& next_slot, std::string& rows);

// What show() wrote; looks into `rows`. Lines that it did not write give what can be read in them.
std::vector<Variable> shown_variables(std::string_view rows);

// A frame of a control section that has been read and verified, not yet bound to objects.
struct FrameControl {
  std::size_t label = 0;  // its place among those of the control section
  const format::Frame* table = nullptr;
  std::uint32_t line = 0;
  std::uint32_t unit = 0;
  std::uint8_t continuation = 0;
  std::uint32_t local_count = 0;
  std::span<const std::uint64_t> slots;  // in the buffer
  std::uint64_t pending_object = 0;
  std::uint64_t globals = 0;
  std::uint64_t locals = 0;
  std::uint64_t generator = 0;
};

struct GeneratorControl {
  FrameControl frame;
  std::uint8_t stage = 0;
  std::uint32_t objects = 0;
  std::uint64_t handled = 0;
  std::string name;
  std::string qualname;
  std::uint8_t flags = 0;
};

struct Control {
  std::shared_ptr<const void> buffer;  // what the tables lie in
  Interpreter interpreter;
  std::vector<CodeLabel> labels;  // each once
  std::vector<FrameControl> frames;
  std::uint64_t handled = 0;
  std::uint32_t objects = 0;
  std::vector<GeneratorControl> generators;
};

// One label and one set of rows per frame, in order; the same of generators. Frames that run the
// same code share its label.
struct Shown {
  std::vector<const CodeLabel*> labels;
  std::vector<FrameRows> rows;
};

std::string encode(const capture::Stack& stack, const Shown& shown,
                   const std::vector<capture::GeneratorState>& generators,
                   const Shown& shown_of_generators, const Interpreter& interpreter);

// Reads bytes nobody vouches for. Throws ResumeError unless structure, bounds,
// enumerations and references are right; needs no particular CPython.
Control decode(std::string_view bytes);

// What people see of a frame that was read.
FrameRows rows_of(const FrameControl& frame);

// Joins control state with code and globals of this process, one for each label, and its objects;
// checks nothing about their fit (resume::check does).
capture::Stack bind(const Control& control, const std::vector<Owned>& codes,
                    const std::vector<Owned>& globals, const std::vector<Owned>& objects);

// What is known of the generators before there are objects; `codes`: one for each label.
std::vector<capture::GeneratorState> generators_of(const Control& control,
                                                   const std::vector<Owned>& codes);

// Joins each of them with its own object list.
void bind(const Control& control, std::vector<capture::GeneratorState>& states,
          const std::vector<std::vector<Owned>>& objects);

}  // namespace sauerkraut::wire
