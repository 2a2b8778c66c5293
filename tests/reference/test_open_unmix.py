"""open_unmix against PyPI openunmix 1.3.0: same weights, same audio, same estimates and gradients, with its Separator."""

import sys
import types

import pytest
import torch
from model_probe import check_training, errors, fresh_state, music, probe, relative_error

for name in ("torchaudio", "tqdm"):  # imported there, not used by the networks and the filters
    if name not in sys.modules:
        try:
            __import__(name)
        except ImportError:
            sys.modules[name] = types.ModuleType(name)

from openunmix.model import OpenUnmix, Separator  # noqa: E402
from openunmix.utils import bandwidth_to_max_bin  # noqa: E402

RATE = 44100
torch.set_num_threads(1)
# What the original's Separator stores besides the weights.
CONSTANTS = {"stft.window", "istft.window", "sample_rate"}


def separator(stems, channels, n_fft=4096, hop=1024, bandwidth_hz=16000, hidden_size=512, nb_layers=3,
              unidirectional=False, **options):
    targets = stems[:-1] if options.get("residual") else stems
    max_bin = int(bandwidth_to_max_bin(RATE, n_fft, bandwidth_hz))
    networks = {stem: OpenUnmix(n_fft // 2 + 1, channels, hidden_size, nb_layers, unidirectional, max_bin=max_bin)
                for stem in targets}
    if options.get("wiener_win_len") == 0:
        options["wiener_win_len"] = None
    return Separator(networks, n_fft=n_fft, n_hop=hop, nb_channels=channels, sample_rate=RATE, **options).eval()


def randomize(model):
    """Statistics and scales as after training, so that no part is the identity."""
    for network in model.target_models.values():
        for parameter, low, high in [(network.input_mean, -0.3, 0.0), (network.input_scale, 0.5, 2.0),
                                     (network.output_scale, 0.5, 1.5), (network.output_mean, 0.2, 1.0)]:
            torch.nn.init.uniform_(parameter, low, high)
        for norm in (network.bn1, network.bn2, network.bn3):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
            norm.running_mean.uniform_(-0.1, 0.1)
            norm.running_var.uniform_(0.5, 1.5)


def weights_of(model):
    return {name: tensor for name, tensor in model.state_dict().items() if name not in CONSTANTS}


SMALL = {"n_fft": 512, "hop": 128, "hidden_size": 32}
CASES = {
    "small": (SMALL, 2, 4, 8000),
    "mono": (SMALL, 1, 3, 7001),
    "odd_length": (SMALL, 2, 2, 4999),
    "shortest": (SMALL, 2, 1, 257),
    "unidirectional": (dict(SMALL, unidirectional=True), 2, 2, 6007),
    "one_layer_half_overlap": (dict(SMALL, nb_layers=1, hop=256, bandwidth_hz=22050), 2, 2, 6000),
    "softmask": (dict(SMALL, softmask=True), 2, 3, 6001),
    "residual": (dict(SMALL, residual=True), 2, 3, 6001),
    "wiener": (dict(SMALL, niter=1), 2, 4, 8003),
    "wiener_windows": (dict(SMALL, niter=1, wiener_win_len=20), 2, 4, 8003),
    "wiener_whole_residual": (dict(SMALL, niter=2, wiener_win_len=0, residual=True), 2, 4, 8000),
    "wiener_mono": (dict(SMALL, niter=2, wiener_win_len=30), 1, 3, 8001),
}
LARGE = {
    "umxhq": ({}, 2, 4, 44100 + 7),
    "umxl": ({"hidden_size": 1024}, 2, 1, 22051),
    "wiener_umxhq": ({"niter": 1}, 2, 4, 44100 + 7),
}


@pytest.mark.parametrize("case", [*CASES, *(pytest.param(case, marks=pytest.mark.slow) for case in LARGE)])
def test_estimates_and_gradients(case, tmp_path):
    options, channels, stem_count, length = (CASES | LARGE)[case]
    torch.manual_seed(1)
    stems = [f"stem{i}" for i in range(stem_count)]
    model = separator(stems, channels, **options)
    randomize(model)
    mix = music(2, channels, length)
    upstream = torch.randn(2, stem_count, channels, length)

    # The original's filter writes into its own inputs: what it cannot differentiate is compared without gradients.
    iterated = options.get("niter", 0) > 0
    with torch.set_grad_enabled(not iterated):
        expected = model(mix.clone())
    inputs = {"mix": mix}
    if not iterated:
        inputs["upstream"] = upstream
        (expected * upstream).sum().backward()
    output = probe(tmp_path, "open_unmix", options, stems, channels, weights_of(model), inputs)

    gradients = {} if iterated else {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert expected.abs().max() > 1e-2
    if iterated:
        error = relative_error(output["estimates"], expected)
        print(f"{case}: estimates {error:.1e} of the peak")
    else:
        assert gradients
        error, gradient_error = errors(output, expected, gradients)
        print(f"{case}: estimates {error:.1e} of the peak, gradients {gradient_error:.1e} of the norm")
        assert gradient_error <= 1e-4
    assert error <= 1e-5


@pytest.mark.parametrize("optimizer, rate", [("sgd", 0.1), ("adam", 3e-4)])
def test_training_goes_the_same_way(optimizer, rate, tmp_path):
    options = dict(SMALL, nb_layers=1)  # with more, layers drop out at random
    torch.manual_seed(1)
    model = separator(["stem0", "stem1"], 2, **options)
    randomize(model)
    check_training(tmp_path, "open_unmix", options, model, lambda model, mix: model(mix), optimizer, rate, length=6000,
                   weights=weights_of(model))


def test_input_statistics_are_those_of_the_original(tmp_path):
    """As get_statistics of its scripts/train.py, whose scaler is sklearn's StandardScaler."""
    n_fft, hop = SMALL["n_fft"], SMALL["hop"]
    examples = torch.stack([music(2, 2, 20000)[-1], 0.1 * music(1, 2, 20000)[0].flip(-1)])
    examples[1, :, :9000] = 0
    state = fresh_state(probe(tmp_path, "open_unmix", SMALL, ["a", "b"], 2, None, {"examples": examples}))
    window = torch.hann_window(n_fft)
    frames = torch.cat([torch.stft(example, n_fft, hop, window=window, center=True, return_complex=True).abs().mean(0)
                        for example in examples], 1).double()
    mean, deviation = frames.mean(1), frames.std(1, unbiased=False)
    deviation = torch.clamp(deviation, min=1e-4 * deviation.max())
    for stem in ("a", "b"):
        network = {key.rsplit(".", 1)[1]: tensor for key, tensor in state.items()
                   if key.startswith(f"target_models.{stem}.input_")}
        bins = len(network["input_mean"])
        assert bins == int(bandwidth_to_max_bin(RATE, n_fft, 16000))
        torch.testing.assert_close(network["input_mean"], -mean[:bins].float(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(network["input_scale"], 1 / deviation[:bins].float(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("options", [SMALL, pytest.param({}, marks=pytest.mark.slow)], ids=["small", "umxhq"])
def test_our_weights_in_the_original(options, tmp_path):
    stems = ["vocals", "drums"]
    mix = torch.randn(1, 2, 9001) * 0.2
    output = probe(tmp_path, "open_unmix", options, stems, 2, None, {"mix": mix})
    state = fresh_state(output)
    model = separator(stems, 2, **options)
    original = weights_of(model)
    assert state.keys() == original.keys()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) == CONSTANTS and not unexpected
    for name, tensor in original.items():
        # Uniform draws of the same range.
        if tensor.numel() >= 256 and tensor.is_floating_point():
            assert state[name].std() == pytest.approx(tensor.std(), rel=0.15, abs=1e-6), name
    with torch.no_grad():
        expected = model(mix.clone())
    error = float((output["estimates"] - expected).abs().max() / expected.abs().max())
    print(f"estimates {error:.1e} of the peak")
    assert error <= 1e-5
