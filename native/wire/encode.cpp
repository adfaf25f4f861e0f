#include "control.hpp"

#include <flatbuffers/flatbuffers.h>

#include <snapshot_generated.h>

namespace sauerkraut::wire {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

auto bytes(FlatBufferBuilder& builder, const std::string& text)
{
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> texts(FlatBufferBuilder& builder,
                                                               const std::vector<std::string>& all)
{
  if (all.empty()) {
    return {};
  }
  return builder.CreateVectorOfStrings(all);
}

std::string text_of(PyObject* text)
{
  const char* utf8 = text != nullptr ? PyUnicode_AsUTF8(text) : nullptr;
  PyErr_Clear();
  return utf8 != nullptr ? utf8 : "?";
}

Offset<format::CodeReference> code_reference(FlatBufferBuilder& builder, const CodeLabel& label)
{
  const auto module = builder.CreateSharedString(label.module);
  const auto qualname = builder.CreateSharedString(label.qualname);
  Offset<flatbuffers::Vector<std::uint32_t>> path;
  if (!label.path.empty()) {
    path = builder.CreateVector(label.path);
  }
  const auto fingerprint = bytes(builder, label.fingerprint);
  Offset<flatbuffers::Vector<std::uint8_t>> embedded;
  if (label.embedded) {
    embedded = bytes(builder, *label.embedded);
  }
  const auto layout = bytes(builder, label.layout);
  return format::CreateCodeReference(builder, module, qualname, path, fingerprint, embedded,
                                     layout);
}

Offset<format::Frame> frame_table(FlatBufferBuilder& builder, const capture::FrameState& state,
                                  const CodeLabel& label, const FrameRows& shown,
                                  ObjectList& objects)
{
  const auto code = code_reference(builder, label);
  std::vector<std::uint64_t> references;
  references.reserve(state.slots.size());
  for (const Slot& slot : state.slots) {
    references.push_back(objects.refer(slot));
  }
  const auto slots = builder.CreateVector(references);
  const std::uint64_t pending = objects.refer(state.pending_object.get());
  Offset<flatbuffers::String> globals_module;
  std::uint64_t globals = 0;
  if (label.globals_module) {
    globals_module = builder.CreateSharedString(*label.globals_module);
  } else {
    globals = objects.refer(state.globals.get());
  }
  const std::uint64_t locals = objects.refer(state.locals.get());
  const auto function = builder.CreateSharedString(label.function);
  const auto file = builder.CreateSharedString(label.file);
  Offset<flatbuffers::String> source;
  if (!label.source.empty()) {
    source = builder.CreateSharedString(label.source);
  }
  std::vector<Offset<format::Variable>> rows;
  rows.reserve(shown.variables.size());
  for (const Variable& variable : shown.variables) {
    const auto name = builder.CreateSharedString(variable.name);
    const auto type = builder.CreateSharedString(variable.type);
    rows.push_back(format::CreateVariable(builder, name, variable.slot, type, variable.bytes));
  }
  const auto variables = builder.CreateVector(rows);
  const std::uint64_t generator = objects.refer(state.generator.get());
  const auto excluded = texts(builder, shown.excluded);
  const auto unbound = texts(builder, shown.unbound);
  return format::CreateFrame(builder, code, static_cast<std::uint32_t>(state.unit),
                             static_cast<std::uint8_t>(state.continuation),
                             static_cast<std::uint32_t>(state.local_count), slots, pending,
                             globals_module, globals, locals, file, shown.line, label.first_line,
                             source, variables, excluded, unbound, function, generator);
}

// Its globals stand in the object stream, where it is made with them.
Offset<format::Generator> generator_table(FlatBufferBuilder& builder,
                                          const capture::GeneratorState& state,
                                          const CodeLabel& label, const FrameRows& rows)
{
  ObjectList objects = collect(state);
  capture::FrameState frame = state.frame;
  if (!label.globals_module) {
    frame.globals = {};
  }
  const auto table = frame_table(builder, frame, label, rows, objects);
  const std::uint64_t handled = objects.refer(state.handled.get());
  const auto name = builder.CreateString(text_of(state.name.get()));
  const auto qualname = builder.CreateString(text_of(state.qualname.get()));
  return format::CreateGenerator(builder, static_cast<std::uint8_t>(state.stage), table,
                                 static_cast<std::uint32_t>(objects.objects().size()), handled,
                                 name, qualname, state.flags);
}

}  // namespace

std::string encode(const capture::Stack& stack, const Shown& shown,
                   const std::vector<capture::GeneratorState>& generators,
                   const Shown& shown_of_generators, const Interpreter& interpreter)
{
  FlatBufferBuilder builder(1024);
  const auto implementation = builder.CreateString(interpreter.implementation);
  const auto version = builder.CreateString(interpreter.version);
  const auto who = format::CreateInterpreter(builder, implementation, version, interpreter.magic);
  ObjectList objects;
  std::vector<Offset<format::Frame>> frames;
  frames.reserve(stack.frames.size());
  for (std::size_t i = 0; i < stack.frames.size(); ++i) {
    frames.push_back(
        frame_table(builder, stack.frames[i], *shown.labels[i], shown.rows[i], objects));
  }
  const auto all = builder.CreateVector(frames);
  const std::uint64_t handled = objects.refer(stack.handled.get());
  std::vector<Offset<format::Generator>> held;
  for (std::size_t i = 0; i < generators.size(); ++i) {
    held.push_back(generator_table(builder, generators[i], *shown_of_generators.labels[i],
                                   shown_of_generators.rows[i]));
  }
  Offset<flatbuffers::Vector<Offset<format::Generator>>> all_held;
  if (!held.empty()) {
    all_held = builder.CreateVector(held);
  }
  format::FinishSnapshotBuffer(
      builder,
      format::CreateSnapshot(builder, who, all, handled,
                             static_cast<std::uint32_t>(objects.objects().size()), all_held));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

}  // namespace sauerkraut::wire
