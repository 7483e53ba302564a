#include "rushlight/kernels/pool2d/pool2d.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "rushlight/base/check.h"
#include "rushlight/base/parallel.h"
#include "rushlight/kernels/pool2d/pool2d_table.h"

namespace rushlight::kernels {
namespace {

constexpr int64_t kGrain = 16384;
constexpr int64_t kPanel = 64;  // channels that one piece of a channels-last backward pass handles

template <class T>
const Pool2dTable<T>& table();
template <>
const Pool2dTable<float>& table() {
  return *RUSHLIGHT_PER_ISA(kPool2dF32).at(active_isa());
}
template <>
const Pool2dTable<double>& table() {
  return *RUSHLIGHT_PER_ISA(kPool2dF64).at(active_isa());
}

template <>
const Pool2dTable<uint16_t>& table() {
  return *RUSHLIGHT_PER_ISA(kPool2dBf16).at(active_isa());
}

// What stands for T in the tables.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, BFloat16>, uint16_t, T>;

PoolWindow window_at(const Pool2dParams& params, int64_t oh, int64_t ow) {
  const auto i = static_cast<size_t>(oh);
  const auto j = static_cast<size_t>(ow);
  const auto steps = [](int64_t begin, int64_t end, int64_t step) {
    return std::max<int64_t>(0, (end - begin + step - 1) / step);
  };
  return {params.h.begin[i] * params.w.size + params.w.begin[j],
          steps(params.h.begin[i], params.h.end[i], params.h.step),
          steps(params.w.begin[j], params.w.end[j], params.w.step), params.h.step * params.w.size,
          params.w.step};
}

double divisor_at(const Pool2dParams& params, int64_t oh, int64_t ow) {
  if (params.divisor != 0) return static_cast<double>(params.divisor);
  return static_cast<double>(params.h.count[static_cast<size_t>(oh)] *
                             params.w.count[static_cast<size_t>(ow)]);
}

// Calls visit(position) for the pixels of a window.
template <class Visit>
void for_each_pixel(const PoolWindow& window, Visit&& visit) {
  for (int64_t r = 0; r < window.rows; ++r)
    for (int64_t q = 0; q < window.columns; ++q)
      visit(window.first + r * window.row_step + q * window.column_step);
}

struct Sizes {
  int64_t in, out, work;  // pixels of an image, and elements read over the whole operation (for HeavyWork)
  explicit Sizes(const Pool2dParams& params)
      : in(params.h.size * params.w.size),
        out(params.h.outputs() * params.w.outputs()),
        work(params.batch * params.channels * (in + out)) {}
};

// Channels-last forward: pixel(image of the input, oh, ow, offset of the output pixel) for every output
// pixel.
template <class Pixel>
void for_each_output_pixel(const Pool2dParams& params, Pixel&& pixel) {
  const Sizes sizes(params);
  const int64_t width = params.w.outputs();
  HeavyWork scope(sizes.work);
  parallel_for(params.batch * params.h.outputs(), std::max<int64_t>(1, kGrain / (width * params.channels)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row)
                   for (int64_t ow = 0; ow < width; ++ow)
                     pixel(row / params.h.outputs() * sizes.in * params.channels, row % params.h.outputs(),
                           ow, (row * width + ow) * params.channels);
               });
}

// Plane by plane: plane(offset of the input plane, offset of the output plane).
template <class Plane>
void for_each_plane(const Pool2dParams& params, Plane&& plane) {
  const Sizes sizes(params);
  HeavyWork scope(sizes.work);
  parallel_for(params.batch * params.channels, std::max<int64_t>(1, kGrain / (sizes.in + sizes.out)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = begin; p < end; ++p) plane(p * sizes.in, p * sizes.out);
               });
}

// A panel of channels of one image: panel(offset of the image's first value, of its first output value,
// width). Windows overlap, so backward passes give each panel to one thread.
template <class Panel>
void for_each_channel_panel(const Pool2dParams& params, Panel&& panel) {
  const Sizes sizes(params);
  const int64_t panels = (params.channels + kPanel - 1) / kPanel;
  HeavyWork scope(sizes.work);
  parallel_for(params.batch * panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t image = job / panels;
      const int64_t channel = job % panels * kPanel;
      panel(image * sizes.in * params.channels + channel, image * sizes.out * params.channels + channel,
            std::min(kPanel, params.channels - channel));
    }
  });
}

template <class T>
void max_planes(const Pool2dParams& params, const T* src, T* dst, int64_t* index) {
  using C = std::conditional_t<sizeof(T) == 2, float, T>;
  for_each_plane(params, [&](int64_t in, int64_t out) {
    for (int64_t oh = 0; oh < params.h.outputs(); ++oh)
      for (int64_t ow = 0; ow < params.w.outputs(); ++ow, ++out) {
        const PoolWindow window = window_at(params, oh, ow);
        C best = -std::numeric_limits<C>::infinity();
        int64_t at = window.first;
        for_each_pixel(window, [&](int64_t pixel) {
          const C x = static_cast<C>(src[in + pixel]);
          if (x > best || x != x) {
            best = x;
            at = pixel;
          }
        });
        dst[out] = static_cast<T>(best);
        index[out] = at;
      }
  });
}

template <class T>
void avg_planes(const Pool2dParams& params, const T* src, T* dst) {
  using C = std::conditional_t<sizeof(T) == 2, float, T>;
  for_each_plane(params, [&](int64_t in, int64_t out) {
    for (int64_t oh = 0; oh < params.h.outputs(); ++oh)
      for (int64_t ow = 0; ow < params.w.outputs(); ++ow, ++out) {
        double sum = 0.0;
        for_each_pixel(window_at(params, oh, ow),
                       [&](int64_t pixel) { sum += static_cast<double>(static_cast<C>(src[in + pixel])); });
        dst[out] = static_cast<T>(static_cast<C>(sum / divisor_at(params, oh, ow)));
      }
  });
}

// Channels-last: calls visit(input element, its pixel, output element) for each output of max pooling.
template <class Visit>
void for_each_choice(const Pool2dParams& params, const uint8_t* choice, Visit&& visit) {
  for_each_output_pixel(params, [&](int64_t image, int64_t oh, int64_t ow, int64_t out) {
    const PoolWindow window = window_at(params, oh, ow);
    for (int64_t c = 0; c < params.channels; ++c) {
      const int64_t number = choice[out + c];
      const int64_t pixel = window.first + number / window.columns * window.row_step +
                            number % window.columns * window.column_step;
      visit(image + pixel * params.channels + c, pixel, out + c);
    }
  });
}

// What stands for the elements, T or bfloat16's bits, of channels-last data in the tables.
template <class F>
void dispatch_channels_last(DType dtype, F&& f) {
  dispatch_floating(dtype, "pooling", [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, Float16>)
      RUSHLIGHT_INTERNAL_ASSERT(false, "channels-last pooling of float16");
    else
      f(TypeTag<Stored<T>>{});
  });
}

// The windows along one axis over each input position.
std::vector<std::vector<PoolCover>> covers_along(const PoolAxis& axis) {
  std::vector<std::vector<PoolCover>> covers(static_cast<size_t>(axis.size));
  for (int64_t i = 0; i < axis.outputs(); ++i) {
    const int64_t begin = axis.begin[static_cast<size_t>(i)], end = axis.end[static_cast<size_t>(i)];
    const int64_t length = (end - begin + axis.step - 1) / axis.step;
    for (int64_t number = 0; number < length; ++number)
      covers[static_cast<size_t>(begin + number * axis.step)].push_back({i, number, length});
  }
  return covers;
}

// 16-bit gradients of overlapping windows are rounded after each addition, like everything stored in them.
template <class T>
void add_to(T& dst, T x) {
  dst = static_cast<T>(dst + x);
}

template <class T>
void zero_input(const Pool2dParams& params, T* grad_src) {
  std::fill_n(grad_src, params.batch * params.channels * params.h.size * params.w.size, T(0));
}

}  // namespace

int64_t PoolAxis::longest() const {
  int64_t most = 0;
  for (size_t i = 0; i < begin.size(); ++i) most = std::max(most, (end[i] - begin[i] + step - 1) / step);
  return most;
}

bool max_pool2d_numbers_fit(const Pool2dParams& params) {
  return params.h.longest() * params.w.longest() <= 256;
}

void max_pool2d(const Pool2dParams& params, const void* src, void* dst, void* where) {
  dispatch_floating(params.dtype, "pooling", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(src);
    T* to = static_cast<T*>(dst);
    if constexpr (!std::is_same_v<T, Float16>) {
      if (params.channels_last) {
        using S = Stored<T>;
        const auto max_pixel = table<S>().max_pixel;
        auto* const choice = static_cast<uint8_t*>(where);
        return for_each_output_pixel(params, [&](int64_t image, int64_t oh, int64_t ow, int64_t out) {
          max_pixel(window_at(params, oh, ow), reinterpret_cast<const S*>(from + image), params.channels,
                    reinterpret_cast<S*>(to + out), choice + out);
        });
      }
    }
    max_planes(params, from, to, static_cast<int64_t*>(where));
  });
}

void max_pool2d_affine_relu(const Pool2dParams& params, const PoolAffine& map, const void* src, void* dst,
                            void* picked, uint8_t* where) {
  dispatch_channels_last(params.dtype, [&](auto tag) {
    using S = typename decltype(tag)::type;
    using W = Wide<S>;
    const auto max_affine_row = table<S>().max_affine_row;
    const PoolMap<W> k{static_cast<const W*>(map.center), static_cast<const W*>(map.scale),
                       static_cast<const W*>(map.shift)};
    const int64_t height = params.h.outputs(), width = params.w.outputs(), channels = params.channels;
    const Sizes sizes(params);
    std::vector<PoolWindow> windows;
    for (int64_t oh = 0; oh < height; ++oh)
      for (int64_t ow = 0; ow < width; ++ow) windows.push_back(window_at(params, oh, ow));
    HeavyWork scope(sizes.work);
    const FlushDenormals flush;
    parallel_for(params.batch * height, std::max<int64_t>(1, kGrain / (width * channels)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row) {
                     const int64_t out = row * width * channels;
                     max_affine_row(k, windows.data() + row % height * width, width,
                                    static_cast<const S*>(src) + row / height * sizes.in * channels, channels,
                                    static_cast<S*>(dst) + out, static_cast<S*>(picked) + out, where + out);
                   }
                 });
  });
}

// Each input pixel asks the windows it lies in: no two threads write the same memory, none is cleared first.
struct MaxPool2dBackward::Covers {
  std::vector<std::vector<PoolCover>> over_rows;
  std::vector<PoolCover> over_columns;
  std::vector<int64_t> column_begins{0};
};

MaxPool2dBackward::MaxPool2dBackward(const Pool2dParams& params, const void* grad_dst, const uint8_t* where)
    : params_(params), grad_(grad_dst), where_(where) {
  auto all = std::make_unique<Covers>();
  all->over_rows = covers_along(params.h);
  for (const std::vector<PoolCover>& covers : covers_along(params.w)) {
    all->over_columns.insert(all->over_columns.end(), covers.begin(), covers.end());
    all->column_begins.push_back(static_cast<int64_t>(all->over_columns.size()));
  }
  covers_ = std::move(all);
}
MaxPool2dBackward::~MaxPool2dBackward() = default;

void MaxPool2dBackward::pixels(int64_t first, int64_t count, void* grad_src) const {
  dispatch_channels_last(params_.dtype, [&](auto tag) {
    using S = typename decltype(tag)::type;
    const auto max_back_row = table<S>().max_back_row;
    const int64_t width = params_.w.size, height = params_.h.size, channels = params_.channels;
    const int64_t out_image = params_.h.outputs() * params_.w.outputs() * channels;
    S* dst = static_cast<S*>(grad_src);
    for (int64_t end = first + count; first < end;) {
      const int64_t row = first / width, begin = first % width, last = std::min(width, begin + end - first);
      const std::vector<PoolCover>& over = covers_->over_rows[static_cast<size_t>(row % height)];
      const int64_t image = row / height * out_image;
      max_back_row({over.data(), static_cast<int64_t>(over.size()), covers_->over_columns.data(),
                    covers_->column_begins.data(), begin, last, params_.w.outputs(), channels},
                   static_cast<const S*>(grad_) + image, where_ + image, dst);
      first += last - begin;
      dst += (last - begin) * channels;
    }
  });
}

void max_pool2d_backward(const Pool2dParams& params, const void* grad_dst, const void* where,
                         void* grad_src) {
  dispatch_floating(params.dtype, "pooling", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* grad = static_cast<const T*>(grad_dst);
    T* to = static_cast<T*>(grad_src);
    const Sizes sizes(params);
    if (params.channels_last) {
      const MaxPool2dBackward back(params, grad_dst, static_cast<const uint8_t*>(where));
      const int64_t width = params.w.size;
      HeavyWork scope(sizes.work);
      return parallel_for(
          params.batch * params.h.size, std::max<int64_t>(1, kGrain / (width * params.channels)),
          [&](int64_t begin, int64_t end) {
            back.pixels(begin * width, (end - begin) * width, to + begin * width * params.channels);
          });
    }
    const auto* index = static_cast<const int64_t*>(where);
    for_each_plane(params, [&](int64_t in, int64_t out) {
      std::fill_n(to + in, sizes.in, T(0));
      for (int64_t o = out; o < out + sizes.out; ++o) add_to(to[in + index[o]], grad[o]);
    });
  });
}

void max_pool2d_gather(const Pool2dParams& params, const void* src, const void* where, void* dst) {
  dispatch_floating(params.dtype, "pooling", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(src);
    T* to = static_cast<T*>(dst);
    if (params.channels_last) {
      return for_each_choice(params, static_cast<const uint8_t*>(where),
                             [&](int64_t in, int64_t, int64_t out) { to[out] = from[in]; });
    }
    const auto* index = static_cast<const int64_t*>(where);
    const Sizes sizes(params);
    for_each_plane(params, [&](int64_t in, int64_t out) {
      for (int64_t o = out; o < out + sizes.out; ++o) to[o] = from[in + index[o]];
    });
  });
}

void max_pool2d_positions(const Pool2dParams& params, const uint8_t* where, int64_t* position) {
  for_each_choice(params, where, [&](int64_t, int64_t pixel, int64_t out) { position[out] = pixel; });
}

void avg_pool2d(const Pool2dParams& params, const void* src, void* dst) {
  dispatch_floating(params.dtype, "pooling", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(src);
    T* to = static_cast<T*>(dst);
    if constexpr (!std::is_same_v<T, Float16>) {
      if (params.channels_last) {
        using S = Stored<T>;
        const auto avg_pixel = table<S>().avg_pixel;
        return for_each_output_pixel(params, [&](int64_t image, int64_t oh, int64_t ow, int64_t out) {
          avg_pixel(window_at(params, oh, ow), reinterpret_cast<const S*>(from + image), params.channels,
                    divisor_at(params, oh, ow), reinterpret_cast<S*>(to + out));
        });
      }
    }
    avg_planes(params, from, to);
  });
}

void avg_pool2d_backward(const Pool2dParams& params, const void* grad_dst, void* grad_src) {
  dispatch_floating(params.dtype, "pooling", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = std::conditional_t<sizeof(T) == 2, float, T>;
    const T* grad = static_cast<const T*>(grad_dst);
    T* to = static_cast<T*>(grad_src);
    zero_input(params, to);
    // Spreads the gradients of `width` neighbouring channels; pixels are `pitch` elements apart.
    const auto spread = [&](int64_t in, int64_t out, int64_t width, int64_t pitch) {
      for (int64_t oh = 0; oh < params.h.outputs(); ++oh)
        for (int64_t ow = 0; ow < params.w.outputs(); ++ow, out += pitch) {
          const C divisor = static_cast<C>(divisor_at(params, oh, ow));
          T share[kPanel];
          for (int64_t c = 0; c < width; ++c)
            share[c] = static_cast<T>(static_cast<C>(grad[out + c]) / divisor);
          for_each_pixel(window_at(params, oh, ow), [&](int64_t pixel) {
            for (int64_t c = 0; c < width; ++c) add_to(to[in + pixel * pitch + c], share[c]);
          });
        }
    };
    if (params.channels_last) {
      for_each_channel_panel(
          params, [&](int64_t in, int64_t out, int64_t width) { spread(in, out, width, params.channels); });
    } else {
      for_each_plane(params, [&](int64_t in, int64_t out) { spread(in, out, 1, 1); });
    }
  });
}

}  // namespace rushlight::kernels
