// Random tensors and the Generator class.
#include "bind.h"
#include "rushlight/ops/pointwise.h"
#include "rushlight/ops/random.h"
#include "rushlight/tensor/promotion.h"
#include "sized.h"

#include <cstring>
#include <random>

namespace rushlight::bindings {
namespace {

using ops::Generator;
using MaybeDType = std::optional<DType>;
using MaybeGenerator = std::shared_ptr<Generator>;

Generator& chosen(const MaybeGenerator& generator) {
  return generator ? *generator : ops::default_generator();
}

// Seeds from -2^63 to 2^64 - 1, as in PyTorch: negative ones wrap.
uint64_t seed_value(const py::int_& seed) {
  const unsigned long long value = PyLong_AsUnsignedLongLongMask(seed.ptr());
  const bool fits = py::int_(value).equal(seed) || py::int_(static_cast<long long>(value)).equal(seed);
  RUSHLIGHT_CHECK(fits,
                  "manual_seed: overflow when unpacking long: expected a seed from -2**63 to 2**64 - 1, got ",
                  std::string(py::repr(seed)));
  return value;
}

uint64_t fresh_seed(Generator& generator) {
  std::random_device device;
  const uint64_t seed = uint64_t{device()} << 21 ^ device();
  generator.set_position({seed, 0});
  return seed;
}

// 16 bytes: the seed and the offset.
Tensor state_of(Generator& generator) {
  const kernels::PhiloxPosition position = generator.position();
  Tensor state = Tensor::empty({static_cast<int64_t>(sizeof(position))}, DType::UInt8);
  std::memcpy(state.raw_data(), &position, sizeof(position));
  return state;
}

void set_state(Generator& generator, const Tensor& state) {
  kernels::PhiloxPosition position;
  RUSHLIGHT_CHECK_TYPE(state.dtype() == DType::UInt8, "RNG state must be a torch.ByteTensor (uint8), got ",
                       dtype_name(state.dtype()));
  RUSHLIGHT_CHECK(state.dim() == 1 && state.numel() == sizeof(position) && state.is_contiguous(),
                  "set_state: RNG state is wrong size: expected shape (16,), got ", to_string(state.sizes()));
  std::memcpy(&position, state.raw_data(), sizeof(position));
  generator.set_position(position);
}

void bind_generator(py::module_& m) {
  py::class_<Generator, MaybeGenerator>(m, "Generator", "The state of random functions, as torch.Generator.")
      .def(py::init([](Device) { return std::make_shared<Generator>(); }), py::arg("device") = py::none())
      .def(
          "manual_seed",
          [](const MaybeGenerator& self, const py::int_& seed) {
            self->set_position({seed_value(seed), 0});
            return self;
          },
          py::arg("seed"), "Starts the sequence of this seed; returns the generator.")
      .def(
          "seed", [](Generator& self) { return fresh_seed(self); },
          "Takes a seed from the system and returns it.")
      .def(
          "initial_seed", [](Generator& self) { return self.position().seed; }, "The current seed.")
      .def("get_state", &state_of, "Seed and position, as a tensor of 16 bytes.")
      .def("set_state", &set_state, py::arg("new_state"), "Goes to a position get_state() gave.")
      .def_property_readonly("device", [](const Generator&) { return "cpu"; });
  // The default generator lives as long as the process: Python must not delete it.
  m.attr("default_generator") = MaybeGenerator(&ops::default_generator(), [](Generator*) {});
  const py::object instance = m.attr("default_generator");
  for (const char* name : {"manual_seed", "seed", "initial_seed"}) m.attr(name) = instance.attr(name);
  m.attr("get_rng_state") = instance.attr("get_state");
  m.attr("set_rng_state") = instance.attr("set_state");
}

using Draw = Tensor (*)(const Dims&, DType, Generator&);

void bind_sized_draws(Binder& b) {
  const struct {
    const char* name;
    Draw draw;
    const char* summary;
  } all[] = {{"rand", &ops::rand, "Numbers from [0, 1), evenly distributed."},
             {"randn", &ops::randn, "Numbers of the standard normal distribution."}};
  for (const auto& entry : all) {
    const auto sized_doc = str(entry.summary,
                               "\n\nShapes:\n    -> size\n\nRaises:\n    RuntimeError: if a size is "
                               "negative.\n    NotImplementedError: for a type that is not floating.");
    b.function(
        entry.name,
        [draw = entry.draw, name = entry.name](const py::args& size, const std::optional<IntList>& sizes,
                                               const MaybeGenerator& generator, MaybeDType dtype, Device,
                                               bool requires_grad) {
          const DType type = dtype.value_or(default_dtype());
          return with_grad(draw(sizes_of(size, sizes, name), type, chosen(generator)), requires_grad);
        },
        py::arg("size") = py::none(), py::arg("generator") = py::none(), py::arg("dtype") = py::none(),
        py::arg("device") = py::none(), py::arg("requires_grad") = false, sized_doc.c_str());
    const auto like_doc = str(entry.summary,
                              "\n\nShapes:\n    any -> the same\n\nRaises:\n    NotImplementedError: "
                              "for a type that is not floating.");
    b.function(
        str(entry.name, "_like").c_str(),
        [draw = entry.draw](const Tensor& input, const MaybeGenerator& generator, MaybeDType dtype, Device,
                            bool requires_grad) {
          return with_grad(draw(input.sizes(), dtype.value_or(input.dtype()), chosen(generator)),
                           requires_grad);
        },
        py::arg("input"), py::kw_only(), py::arg("generator") = py::none(), py::arg("dtype") = py::none(),
        py::arg("device") = py::none(), py::arg("requires_grad") = false, like_doc.c_str());
  }
}

void bind_integers(Binder& b) {
  constexpr const char* doc =
      "Integers from low (0 if left out) to high - 1, evenly distributed.\n\nShapes:\n    -> size\n\n"
      "Raises:\n    RuntimeError: if low >= high or the type does not hold the range.";
  const auto draw = [](int64_t low, int64_t high, const Dims& size, const MaybeGenerator& generator,
                       MaybeDType dtype, bool requires_grad) {
    return with_grad(ops::randint(low, high, size, dtype.value_or(DType::Int64), chosen(generator)),
                     requires_grad);
  };
  b.function(
      "randint",
      [draw](int64_t high, const IntList& size, const MaybeGenerator& generator, MaybeDType dtype, Device,
             bool requires_grad) { return draw(0, high, size, generator, dtype, requires_grad); },
      py::arg("high"), py::arg("size"), py::kw_only(), py::arg("generator") = py::none(),
      py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("requires_grad") = false, doc);
  b.function(
      "randint",
      [draw](int64_t low, int64_t high, const IntList& size, const MaybeGenerator& generator,
             MaybeDType dtype, Device,
             bool requires_grad) { return draw(low, high, size, generator, dtype, requires_grad); },
      py::arg("low"), py::arg("high"), py::arg("size"), py::kw_only(), py::arg("generator") = py::none(),
      py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("requires_grad") = false, doc);
  b.function(
      "randint_like",
      [draw](const Tensor& input, int64_t low, std::optional<int64_t> high, const MaybeGenerator& generator,
             MaybeDType dtype, Device, bool requires_grad) {
        return draw(high.has_value() ? low : 0, high.value_or(low), input.sizes(), generator,
                    dtype.value_or(input.dtype()), requires_grad);
      },
      py::arg("input"), py::arg("low"), py::arg("high") = py::none(), py::kw_only(),
      py::arg("generator") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false,
      "randint() in the shape and type of input; one number is high.\n\nShapes:\n    any -> the same\n\n"
      "Raises:\n    RuntimeError: if low >= high or the type does not hold the range.");
  b.function(
      "randperm",
      [](int64_t n, const MaybeGenerator& generator, MaybeDType dtype, Device, bool requires_grad) {
        return with_grad(ops::randperm(n, dtype.value_or(DType::Int64), chosen(generator)), requires_grad);
      },
      py::arg("n"), py::kw_only(), py::arg("generator") = py::none(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false,
      "0 .. n - 1 in random order.\n\nShapes:\n    -> (n,)\n\nRaises:\n    RuntimeError: if n is negative.");
}

void bind_distributions(Binder& b) {
  constexpr const char* normal_doc =
      "Normal numbers with the given means and standard deviations, one of which may be a number; two "
      "numbers need "
      "size.\n\nShapes:\n    mean and std broadcast together, or size.\n\nRaises:\n    RuntimeError: if a "
      "deviation is "
      "negative.";
  b.function(
      "normal",
      [](double mean, double std, const IntList& size, const MaybeGenerator& generator, MaybeDType dtype,
         Device, bool requires_grad) {
        const Tensor out = Tensor::empty(size, dtype.value_or(default_dtype()));
        return with_grad(ops::normal_(out, mean, std, chosen(generator)), requires_grad);
      },
      py::arg("mean"), py::arg("std"), py::arg("size"), py::kw_only(), py::arg("generator") = py::none(),
      py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("requires_grad") = false,
      normal_doc);
  b.function(
      "normal",
      [](const Operand& mean, const Operand& std, const MaybeGenerator& generator) {
        return ops::normal(mean, std, chosen(generator));
      },
      py::arg("mean"), py::arg("std") = 1.0, py::kw_only(), py::arg("generator") = py::none(), normal_doc);
  b.both(
      "bernoulli",
      [](const Tensor& input, const MaybeGenerator& generator) {
        return ops::bernoulli(input, chosen(generator));
      },
      py::kw_only(), py::arg("generator") = py::none(),
      "1 with the probability each element says, else 0.\n\nShapes:\n    any -> the same\n\n"
      "Raises:\n    RuntimeError: if a probability is outside [0, 1].");
  b.both(
      "multinomial",
      [](const Tensor& input, int64_t num_samples, bool replacement, const MaybeGenerator& generator) {
        return ops::multinomial(input, num_samples, replacement, chosen(generator));
      },
      py::arg("num_samples"), py::arg("replacement") = false, py::kw_only(),
      py::arg("generator") = py::none(),
      "Indices drawn with the weights in each row, which need not sum to 1.\n\n"
      "Shapes:\n    (n,) -> (num_samples,); (m, n) -> (m, num_samples)\n\n"
      "Raises:\n    RuntimeError: for weights that are negative, not finite or all zero, or more samples "
      "than can be "
      "drawn without replacement.");
  b.function(
      "dropout", &ops::dropout, py::arg("input"), py::arg("p"), py::arg("train"), py::arg("inplace") = false,
      "Zeroes elements with probability p and divides the others by 1 - p; the identity unless train.\n\n"
      "Shapes:\n    any -> the same\n\nRaises:\n    ValueError: if p is outside [0, 1].");
}

void bind_in_place(Binder& b) {
  b.method(
      "uniform_",
      [](const Tensor& self, double from, double to, const MaybeGenerator& generator) {
        return ops::uniform_(self, from, to, chosen(generator));
      },
      py::arg("from") = 0.0, py::arg("to") = 1.0, py::kw_only(), py::arg("generator") = py::none(),
      "Numbers from [from, to), evenly distributed.");
  b.method(
      "normal_",
      [](const Tensor& self, double mean, double std, const MaybeGenerator& generator) {
        return ops::normal_(self, mean, std, chosen(generator));
      },
      py::arg("mean") = 0.0, py::arg("std") = 1.0, py::kw_only(), py::arg("generator") = py::none(),
      "Normal numbers.");
  b.method(
      "exponential_",
      [](const Tensor& self, double lambd, const MaybeGenerator& generator) {
        return ops::exponential_(self, lambd, chosen(generator));
      },
      py::arg("lambd") = 1.0, py::kw_only(), py::arg("generator") = py::none(),
      "Exponential numbers with the density lambd * exp(-lambd * x).");
  b.method(
      "random_",
      [](const Tensor& self, std::optional<int64_t> from, std::optional<int64_t> to,
         const MaybeGenerator& generator) {
        if (!from.has_value()) return ops::random_(self, chosen(generator));
        return ops::random_(self, to.has_value() ? *from : 0, to.value_or(*from), chosen(generator));
      },
      py::arg("from") = py::none(), py::arg("to") = py::none(), py::kw_only(),
      py::arg("generator") = py::none(),
      "Integers from .. to - 1; one number is to; none means all the type holds exactly.");
  b.method(
      "bernoulli_",
      [](const Tensor& self, const Operand& p, const MaybeGenerator& generator) {
        ops::Number number;
        if (!ops::number_of(p.tensor, &number)) return ops::bernoulli_(self, p.tensor, chosen(generator));
        return ops::bernoulli_(self, number.real, chosen(generator));
      },
      py::arg("p") = 0.5, py::kw_only(), py::arg("generator") = py::none(), "1 with probability p, else 0.");
}

}  // namespace

void bind_random(py::module_& m, Binder& b) {
  bind_generator(m);
  bind_sized_draws(b);
  bind_integers(b);
  bind_distributions(b);
  bind_in_place(b);
}

}  // namespace rushlight::bindings
