// The binary interface of DLPack 1.0, for exchanging tensors between libraries in one process.
// Source: https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once

#include <cstdint>

namespace rushlight::dlpack {

constexpr int32_t kCpu = 1;
constexpr uint64_t kReadOnly = 1;  // bits of VersionedTensor::flags
constexpr uint64_t kCopied = 2;
enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBool = 6 };

struct Device {
  int32_t type;
  int32_t id;
};
struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct View {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};
// In a capsule called "dltensor"; whoever takes it renames it to "used_dltensor" and calls the deleter.
struct ManagedTensor {
  View view;
  void* context;
  void (*deleter)(ManagedTensor*);
};
struct Version {
  uint32_t major;
  uint32_t minor;
};
// In a capsule called "dltensor_versioned".
struct VersionedTensor {
  Version version;
  void* context;
  void (*deleter)(VersionedTensor*);
  uint64_t flags;
  View view;
};

}  // namespace rushlight::dlpack
