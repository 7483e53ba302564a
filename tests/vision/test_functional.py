from __future__ import annotations

import re

import numpy
import pytest

import rushlight
from rushlight.vision.transforms import InterpolationMode
from rushlight.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def pixels(height, width, channels=3, seed=0):
    return numpy.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=numpy.uint8)


def picture(height, width, mode="RGB"):
    return Image.fromarray(pixels(height, width)).convert(mode)


def values(img):
    """Pillow picture or tensor as an array (C, H, W)."""
    return (F.pil_to_tensor(img) if isinstance(img, Image.Image) else img).numpy()


both = pytest.mark.parametrize("make", [lambda img: img, F.pil_to_tensor], ids=["pillow", "tensor"])


@pytest.mark.parametrize(
    ("mode", "channels", "dtype"),
    [("RGB", 3, "uint8"), ("RGBA", 4, "uint8"), ("L", 1, "uint8"), ("I", 1, "int32"), ("F", 1, "float32")],
)
def test_pil_to_tensor_keeps_values(mode, channels, dtype):
    img = picture(5, 7, mode)
    tensor = F.pil_to_tensor(img)
    assert tensor.dtype is getattr(rushlight, dtype)
    assert tuple(tensor.shape) == (channels, 5, 7)
    expected = numpy.asarray(img).reshape(5, 7, channels).transpose(2, 0, 1)
    assert numpy.array_equal(tensor.numpy(), expected)


def test_black_and_white_becomes_0_and_1():
    img = Image.new("1", (2, 1))
    img.putpixel((1, 0), 1)
    assert F.to_tensor(img).tolist() == [[[0.0, 1.0]]]


def test_16_bit_pictures_keep_their_range():
    img = Image.fromarray(numpy.array([[0, 65535]], dtype=numpy.uint16))
    assert F.pil_to_tensor(img).tolist() == [[[0, 65535]]]


def test_to_tensor_scales_bytes_only():
    array = pixels(4, 3)
    expected = array.transpose(2, 0, 1).astype(numpy.float32) / 255
    for source in (array, Image.fromarray(array)):
        tensor = F.to_tensor(source)
        assert tensor.dtype is rushlight.float32
        assert numpy.array_equal(tensor.numpy(), expected)
    assert F.to_tensor(array[::-1, ::-2, 0]).shape == (1, 4, 2)
    assert F.to_tensor(numpy.full((1, 2), 7.5)).tolist() == [[[7.5, 7.5]]]


def test_to_tensor_copies():
    array = numpy.ones((2, 2), dtype=numpy.float32)
    F.to_tensor(array)[...] = 5
    assert array.max() == 1


def test_to_tensor_refuses_other_things():
    with raises(TypeError, "to_tensor: expected a Pillow image or a numpy array, got builtins.list"):
        F.to_tensor([1])
    with raises(ValueError, "to_tensor: an array must be (H, W) or (H, W, C), got shape (3,)"):
        F.to_tensor(numpy.zeros(3))
    with raises(TypeError, "pil_to_tensor: expected a Pillow image, got numpy.ndarray"):
        F.pil_to_tensor(numpy.zeros((2, 2)))
    with raises(
        TypeError, "transforms: expected a Pillow image or a tensor (..., H, W), got a tensor of shape (4,)"
    ):
        F.hflip(rushlight.zeros(4))


def test_convert_image_dtype_between_all_kinds():
    levels = rushlight.tensor([0, 1, 128, 255], dtype=rushlight.uint8)
    assert (
        F.convert_image_dtype(levels).tolist()
        == (numpy.float32([0, 1, 128, 255]) / numpy.float32(255)).tolist()
    )
    assert F.convert_image_dtype(levels, rushlight.int32).tolist() == [0, 2**23, 2**30, 255 * 2**23]
    assert F.convert_image_dtype(levels, rushlight.int16).tolist() == [0, 128, 128 * 128, 255 * 128]
    for dtype in (rushlight.float64, rushlight.int16, rushlight.int32, rushlight.int64):
        back = F.convert_image_dtype(F.convert_image_dtype(levels, dtype), rushlight.uint8)
        assert back.tolist() == [0, 1, 128, 255]
    assert F.convert_image_dtype(levels, rushlight.uint8) is levels
    with raises(RuntimeError, "convert_image_dtype: torch.float32 cannot be converted to torch.int32 safely"):
        F.convert_image_dtype(rushlight.zeros(1), rushlight.int32)


def test_normalize():
    tensor = rushlight.ones(2, 3, 4, 5)
    result = F.normalize(tensor, [1.0, 0.5, 0.0], [1.0, 0.25, 2.0])
    assert result[1, :, 3, 4].tolist() == [0.0, 2.0, 0.5]
    assert tensor.min().item() == 1
    assert F.normalize(tensor, [0.5], [0.5], inplace=True) is tensor
    assert tensor.min().item() == tensor.max().item() == 1


def test_normalize_refuses_what_it_cannot():
    image = rushlight.zeros(3, 2, 2)
    with raises(TypeError, "normalize: expected a tensor, got PIL.Image.Image; ToTensor goes first"):
        F.normalize(picture(2, 2), [0.5], [0.5])
    with raises(
        TypeError, "normalize: the tensor must be floating, got torch.uint8; convert_image_dtype goes first"
    ):
        F.normalize(image.to(rushlight.uint8), [0.5], [0.5])
    with raises(ValueError, "normalize: std must not be 0 in torch.float32, got [1, 0, 1]"):
        F.normalize(image, [0.5], [1, 0, 1])
    with raises(ValueError, "normalize: mean must hold 1 or 3 numbers, one a channel, got [0, 0]"):
        F.normalize(image, [0, 0], [1])
    with raises(ValueError, "normalize: the tensor must be (..., C, H, W), got shape (2, 2)"):
        F.normalize(image[0], [0.5], [1])


@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC", "NEAREST"])
@pytest.mark.parametrize("size", [(3, 4), (31, 9), (1, 1), (20, 31)])
def test_tensors_are_resized_as_pillow_does(mode, size):
    floats = numpy.random.default_rng(1).random((20, 17), dtype=numpy.float32)
    mode = InterpolationMode[mode]
    expected = numpy.asarray(F.resize(Image.fromarray(floats), size, mode))
    wanted = InterpolationMode.NEAREST_EXACT if mode is InterpolationMode.NEAREST else mode
    result = F.resize(rushlight.from_numpy(floats), size, wanted)
    assert tuple(result.shape) == size
    assert numpy.abs(result.numpy() - expected).max() < 2e-6

    array = pixels(20, 17)
    expected = numpy.asarray(F.resize(Image.fromarray(array), size, mode)).transpose(2, 0, 1)
    result = F.resize(F.pil_to_tensor(Image.fromarray(array)), size, wanted)
    assert result.dtype is rushlight.uint8
    assert numpy.abs(result.numpy().astype(int) - expected).max() <= 1


@pytest.mark.parity
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
@pytest.mark.parametrize("size", [(3, 4), (30, 9), (1, 1)])
def test_tensors_are_resized_as_pytorch_does_without_antialias(mode, size):
    torch = pytest.importorskip("torch")
    floats = numpy.random.default_rng(1).random((2, 3, 20, 17), dtype=numpy.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(floats), size, mode=mode).numpy()
    result = F.resize(rushlight.from_numpy(floats), size, InterpolationMode(mode), antialias=False)
    assert numpy.abs(result.numpy() - expected).max() < 4e-6


@both
@pytest.mark.parametrize(
    ("size", "max_size", "expected"),
    [
        (10, None, (10, 15)),
        ([10], None, (10, 15)),
        (10, 12, (8, 12)),
        ((7, 6), None, (7, 6)),
        (20, None, (20, 30)),
    ],
)
def test_resize_one_number_sets_the_shorter_side(make, size, max_size, expected):
    for shape, wanted in (((20, 30), expected), ((30, 20), expected[::-1] if size != (7, 6) else expected)):
        img = make(picture(*shape))
        resized = F.resize(img, size, max_size=max_size)
        assert F.get_dimensions(resized) == [3, *wanted]
    assert F.resize(img, list(shape)) is img


def test_resize_refuses_wrong_sizes():
    img = picture(20, 30)
    for size in (0, (3, -1), (1, 2, 3), 2.5, []):
        with raises(ValueError, f"resize: size must be one or two positive integers, got {size}"):
            F.resize(img, size)
    with raises(ValueError, "resize: max_size must be above size, got max_size=5, size=5"):
        F.resize(img, 5, max_size=5)
    with raises(ValueError, "resize: max_size goes with a size of one number, got size=(5, 6)"):
        F.resize(img, (5, 6), max_size=9)
    with raises(ValueError, "resize: interpolation must be an InterpolationMode, got 'bilinear'"):
        F.resize(img, 5, "bilinear")
    with raises(
        ValueError,
        "resize: tensors can be resized with nearest, nearest-exact, bilinear, bicubic, got lanczos",
    ):
        F.resize(F.pil_to_tensor(img), 5, InterpolationMode.LANCZOS)
    with raises(ValueError, "resize: the picture has no pixels, its height is 0 and its width 4"):
        F.resize(rushlight.zeros(3, 0, 4), 5)
    assert F.resize(img, 5, 2).size == (7, 5)  # Pillow's number for bilinear


@both
def test_center_crop_cuts_or_pads(make):
    array = pixels(5, 8)
    img = make(Image.fromarray(array))
    assert numpy.array_equal(values(F.center_crop(img, (3, 4))), array[1:4, 2:6].transpose(2, 0, 1))
    wide = values(F.center_crop(img, 8))
    assert wide.shape == (3, 8, 8)
    assert numpy.array_equal(wide[:, 1:6], array.transpose(2, 0, 1))
    assert not wide[:, 0].any()
    assert not wide[:, 6:].any()


@both
def test_crop_outside_is_black(make):
    array = pixels(4, 5)
    part = values(F.crop(make(Image.fromarray(array)), -1, 3, 3, 4))
    assert part.shape == (3, 3, 4)
    assert numpy.array_equal(part[:, 1:, :2], array[:2, 3:].transpose(2, 0, 1))
    assert not part[:, 0].any()
    assert not part[:, :, 2:].any()


@both
def test_flips(make):
    array = pixels(3, 4)
    img = make(Image.fromarray(array))
    assert numpy.array_equal(values(F.hflip(img)), array[:, ::-1].transpose(2, 0, 1))
    assert numpy.array_equal(values(F.vflip(img)), array[::-1].transpose(2, 0, 1))


@both
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize(
    ("padding", "sides"), [(2, (2, 2, 2, 2)), ([1, 3], (1, 3, 1, 3)), ((0, 1, 5, 9), (0, 1, 5, 9))]
)
def test_pad_is_numpys(make, mode, padding, sides):
    array = pixels(4, 3)
    left, top, right, bottom = sides
    expected = numpy.pad(array, ((top, bottom), (left, right), (0, 0)), mode=mode)
    padded = F.pad(make(Image.fromarray(array)), padding, padding_mode=mode)
    assert numpy.array_equal(values(padded), expected.transpose(2, 0, 1))


def test_pad_fill():
    assert values(F.pad(picture(1, 1), 1, (10, 20, 30)))[:, 0, 0].tolist() == [10, 20, 30]
    assert values(F.pad(picture(1, 1), 1, 9))[:, 0, 0].tolist() == [9, 9, 9]
    assert F.pad(rushlight.ones(1, 1), [1, 0], 0.5).tolist() == [[0.5, 1.0, 0.5]]


def test_pad_keeps_palettes():
    img = picture(4, 4).quantize(4)
    for mode in ("constant", "edge"):
        assert (
            F.pad(img, 1, padding_mode=mode).crop((1, 1, 5, 5)).convert("RGB").tobytes()
            == img.convert("RGB").tobytes()
        )


def test_pad_refuses_wrong_arguments():
    img = rushlight.zeros(3, 2, 2)
    with raises(ValueError, "pad: padding must be 1, 2 or 4 numbers, got (1, 2, 3)"):
        F.pad(img, (1, 2, 3))
    with raises(ValueError, "pad: padding must not be negative, got -1; crop makes a picture smaller"):
        F.pad(img, -1)
    with raises(ValueError, "pad: padding_mode must be constant, edge, reflect or symmetric, got 'wrap'"):
        F.pad(img, 1, padding_mode="wrap")
    with raises(ValueError, "pad: a tensor's fill must be one number, got (1, 2, 3)"):
        F.pad(img, 1, (1, 2, 3))
    with raises(ValueError, "pad: edge padding needs at least one pixel in each direction, got none"):
        F.pad(img[:, :0], 1, padding_mode="edge")


def test_grayscale():
    img = picture(3, 4)
    gray = values(F.rgb_to_grayscale(img))
    assert gray.shape == (1, 3, 4)
    assert numpy.abs(values(F.rgb_to_grayscale(F.pil_to_tensor(img))).astype(int) - gray).max() <= 1
    for three in (F.rgb_to_grayscale(img, 3), F.rgb_to_grayscale(F.pil_to_tensor(img), 3)):
        assert values(three).shape == (3, 3, 4)
        assert numpy.array_equal(values(three)[0], values(three)[2])
    with raises(ValueError, "rgb_to_grayscale: num_output_channels must be 1 or 3, got 2"):
        F.rgb_to_grayscale(img, 2)
    with raises(ValueError, "rgb_to_grayscale: expected 1 or 3 channels (..., C, H, W), got shape (2, 5, 5)"):
        F.rgb_to_grayscale(rushlight.zeros(2, 5, 5))
