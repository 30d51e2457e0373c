// A delegate's operators in the order in which they ran, and how often each read the clock.
//
// XNNPACK reads it before its first operator and after each kernel call, of which an operator may
// have several; nothing here does. The clock is the program's own and ticks once a reading, so that
// an operator's time is the number of its readings. The counting plugin notes what had run at each.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <executorch/runtime/core/event_tracer.h>

constexpr uint64_t TICK = 1000000;  // nanoseconds: XNNPACK's times are whole microseconds

class OperatorReadings : public executorch::runtime::EventTracer {
  using Tensor = executorch::aten::Tensor;
  using Entry = executorch::runtime::EventTracerEntry;
  using Index = executorch::runtime::DelegateDebugIntId;
  using Answer = executorch::runtime::Result<bool>;

 public:
  struct Operator {
    std::string name;
    uint64_t readings;
  };
  std::vector<Operator> operators;

  void log_profiling_delegate(
      const char* name, Index, et_timestamp_t start, et_timestamp_t end, const void*, size_t)
      override {
    operators.push_back({name, (end - start) / TICK});
  }

  void create_event_block(const char*) override {}
  Entry start_profiling(
      const char*, executorch::runtime::ChainID, executorch::runtime::DebugHandle) override {
    return {};
  }
  Entry start_profiling_delegate(const char*, Index) override { return {}; }
  void end_profiling_delegate(Entry, const void*, size_t) override {}
  void end_profiling(Entry) override {}
  void track_allocation(executorch::runtime::AllocatorID, size_t) override {}
  executorch::runtime::AllocatorID track_allocator(const char*) override { return 0; }
  Answer log_evalue(
      const executorch::runtime::EValue&, executorch::runtime::LoggedEValueType) override {
    return false;
  }
  Answer log_intermediate_output_delegate(const char*, Index, const Tensor&) override {
    return false;
  }
  Answer log_intermediate_output_delegate(
      const char*, Index, const executorch::runtime::ArrayRef<Tensor>) override {
    return false;
  }
  Answer log_intermediate_output_delegate(const char*, Index, const int&) override {
    return false;
  }
  Answer log_intermediate_output_delegate(const char*, Index, const bool&) override {
    return false;
  }
  Answer log_intermediate_output_delegate(const char*, Index, const double&) override {
    return false;
  }
  void set_delegation_intermediate_output_filter(
      executorch::runtime::EventTracerFilterBase*) override {}
};
