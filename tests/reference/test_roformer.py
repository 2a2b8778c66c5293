"""bs_roformer and mel_band_roformer against six Python packages: same weights, same audio, same estimates, gradients, training."""

import functools
from unittest.mock import patch

import librosa
import pytest
import torch
from model_probe import check_estimates_and_gradients, check_training, fresh_state, probe, relative_error, song
from roformers import BS_INFER, MEL_INFER, make, original, separate

BLOCK = {"dim": 32, "depth": 2, "time_transformer_depth": 1, "freq_transformer_depth": 1, "dim_head": 16, "heads": 4}
DEEP = dict(BLOCK, depth=3, time_transformer_depth=2, freq_transformer_depth=3)
BS = dict(BLOCK, freqs_per_bands=(2,) * 10 + (5,) * 5 + (20, 64), stft_n_fft=256, stft_win_length=256, stft_hop_length=64)
MEL = dict(BLOCK, num_bands=20, stft_n_fft=512, stft_win_length=512, stft_hop_length=128)

BS_3, MEL_3 = original("0.3.10"), original("0.3.10", "bs_roformer.mel_band_roformer")
MEL_4 = original("0.4.1", "bs_roformer.mel_band_roformer")
BS_5 = original("0.5.1")
BS_11 = original("1.1.0")


def name_of(module):
    return "mel_band_roformer" if hasattr(module, "MelBandRoformer") else "bs_roformer"


def ours(module, options):
    """The options of our model that mean what `options` mean to the class of `module`."""
    original_defaults = {"linear_transformer_depth": 1} if module is MEL_4() else {}
    value_residual = {"value_residual": True} if module is BS_5() else {}
    return {"zero_dc": False, **original_defaults, **value_residual, **options}


def compare(folder, module, options, channels, stems, length, batch=2, model=None, **more):
    model = model or make(module, options, channels, stems)
    check_estimates_and_gradients(folder, name_of(module), {**ours(module, options), **more}, model, separate, channels, stems,
                                  length, batch)


# Package, options, channels, stems, frames.
CASES = {
    "bs": (BS_INFER, BS, 2, 1, 5000),
    "bs_odd_length": (BS_INFER, dict(BS, stft_hop_length=49), 2, 3, 5003),
    "bs_mono": (BS_INFER, BS, 1, 2, 3001),
    "bs_deep": (BS_INFER, dict(BS, **DEEP), 2, 2, 3001),
    "bs_mask_depth_1": (BS_INFER, dict(BS, mask_estimator_depth=1), 2, 1, 3001),
    "bs_mask_depth_3": (BS_INFER, dict(BS, mask_estimator_depth=3), 2, 1, 3001),
    "bs_normalized": (BS_INFER, dict(BS, stft_normalized=True), 2, 1, 3001),
    "bs_short_window": (BS_INFER, dict(BS, stft_win_length=200), 2, 1, 3001),
    "bs_zero_dc": (BS_INFER, dict(BS, zero_dc=True), 2, 2, 3001),
    "bs_0.3.10": (BS_3, dict(BS, **DEEP), 2, 2, 3001),
    "bs_0.5.1_value_residual": (BS_5, dict(BS, **DEEP), 2, 2, 3001),
    "mel": (MEL_INFER, MEL, 2, 1, 5000),
    "mel_odd_length": (MEL_INFER, dict(MEL, stft_hop_length=99), 2, 3, 5003),
    "mel_mono": (MEL_INFER, MEL, 1, 2, 3001),
    "mel_deep": (MEL_INFER, dict(MEL, **DEEP), 2, 2, 3001),
    "mel_mask_depth_2": (MEL_INFER, dict(MEL, mask_estimator_depth=2), 2, 1, 3001),
    "mel_mask_depth_3": (MEL_INFER, dict(MEL, mask_estimator_depth=3), 2, 1, 3001),
    "mel_normalized": (MEL_INFER, dict(MEL, stft_normalized=True), 2, 1, 3001),
    "mel_0.3.10": (MEL_3, dict(MEL, **DEEP), 2, 2, 3001),
    "mel_0.4.1_linear": (MEL_4, MEL, 2, 2, 3001),
    "mel_0.4.1_linear_deep": (MEL_4, dict(MEL, **DEEP, linear_transformer_depth=2), 1, 2, 3001),
}


@pytest.mark.parametrize("case", CASES)
def test_estimates_and_gradients(case, tmp_path):
    module, options, channels, stems, length = CASES[case]
    compare(tmp_path, module(), options, channels, stems, length)


def test_width_of_hidden_layers_of_masks(tmp_path):
    """The package's mask estimator has the option; its model does not pass it on."""
    for module, options in ((BS_INFER(), BS), (MEL_INFER(), MEL)):
        with patch.object(module, "MaskEstimator", functools.partial(module.MaskEstimator, mlp_expansion_factor=2)):
            model = make(module, options)
        compare(tmp_path, module, options, 2, 1, 3001, model=model, mlp_expansion_factor=2)


def test_skip_connection(tmp_path):
    """Before a block's time transformer the results of all earlier blocks are added: here by hooks of the package's model."""
    for module, options in ((BS_INFER(), dict(BS, depth=4)), (MEL_INFER(), dict(MEL, depth=4))):
        model = make(module, options)
        results = []  # of blocks, [B, N, K, width]

        def remember(_, __, output, results=results):
            result = output[0] if isinstance(output, tuple) else output
            results.append(result)

        def add(_, arguments, results=results):
            x = arguments[0]  # [B · K, N, width]
            for result in results:
                bands, width = result.shape[-2:]
                by_frames = result.reshape(-1, x.shape[1], bands, width)
                x = x + by_frames.transpose(1, 2).reshape(x.shape)
            return (x, *arguments[1:])

        for time, freq in model.layers:
            time.register_forward_pre_hook(add)
            freq.register_forward_hook(remember)
        model.register_forward_pre_hook(lambda *_, results=results: results.clear())
        compare(tmp_path, module, options, 2, 1, 3001, model=model, skip_connection=True)


@pytest.mark.parametrize("value_residual", (False, True))
def test_polar_positions(value_residual, tmp_path):
    """The attention of BS-RoFormer 1.1.0 in the model of 0.5.1, one embedding for each axis."""
    newest, module = BS_11(), BS_5()
    shared = {}

    def attention(rotary_embed, learned_value_residual_mix, dim_head, heads, **options):
        if rotary_embed not in shared:
            shared[rotary_embed] = newest.PoPE(dim=dim_head, heads=heads)
        return newest.Attention(pope_embed=shared[rotary_embed], dim_head=dim_head, heads=heads,
                                learned_value_residual_mix=learned_value_residual_mix and value_residual, **options)

    with patch.object(module, "Attention", attention):
        model = make(module, dict(BS, **DEEP), stems=2)
    for embedding in shared.values():
        with torch.no_grad():
            embedding.bias.uniform_(-7, 0.5)  # some beyond the limits of -2π and 0
    compare(tmp_path, module, dict(BS, **DEEP), 2, 2, 3001, model=model, use_pope=True, value_residual=value_residual)


@pytest.mark.parametrize("optimizer", ("sgd", "adam"))
@pytest.mark.parametrize("package", ("bs", "mel", "linear", "value_residual"))
def test_training_goes_the_same_way(package, optimizer, tmp_path):
    module, options = {"bs": (BS_INFER(), BS), "mel": (MEL_INFER(), dict(MEL, attn_dropout=0.0, ff_dropout=0.0)),
                       "linear": (MEL_4(), dict(MEL, attn_dropout=0.0, ff_dropout=0.0)), "value_residual": (BS_5(), BS)}[package]
    model = make(module, options, stems=2)
    check_training(tmp_path, name_of(module), ours(module, options), model, separate, optimizer,
                   {"sgd": 0.5, "adam": 1e-3}[optimizer], 3001)


def test_fresh_weights_have_the_original_names_shapes_and_spread(tmp_path):
    for module, options in ((BS_INFER(), BS), (MEL_INFER(), MEL), (MEL_4(), MEL), (BS_5(), BS)):
        theirs = make(module, options, stems=2, noise=0).state_dict()
        state = fresh_state(probe(tmp_path, name_of(module), ours(module, options), ["a", "b"], 2, None,
                                  {"mix": torch.zeros(1, 2, 1000)}))
        assert state.keys() == theirs.keys()
        for key, tensor in theirs.items():
            assert state[key].shape == tensor.shape, key
            if key.endswith("rotary_embed.freqs"):
                assert torch.equal(state[key], tensor), key
            elif "temperature" in key:
                assert (state[key] == 1).all()  # as in Music-Source-Separation-Training; BS-RoFormer begins with zeros
            elif tensor.numel() >= 256:
                assert abs(state[key].std() - tensor.std()) <= 0.15 * tensor.std(), key
                assert abs(state[key].mean() - tensor.mean()) <= 6 * tensor.std() / tensor.numel() ** 0.5 + 1e-6, key


PUBLISHED = {"time_transformer_depth": 1, "freq_transformer_depth": 1}
KIM = dict(PUBLISHED, dim=384, depth=6, stft_hop_length=441, mask_estimator_depth=2)


@pytest.mark.parametrize("count, name, options", (
    (699, "bs_roformer", dict(PUBLISHED, depth=12)),
    (723, "bs_roformer", dict(PUBLISHED, depth=12, use_pope=True)),
    (684, "mel_band_roformer", KIM),
))
def test_published_models_have_as_many_tensors(count, name, options, tmp_path):
    state = fresh_state(probe(tmp_path, name, dict(options, dim=8), ["vocals"], 2, None, {"mix": torch.zeros(1, 2, 2000)}))
    assert len(state) == count


@pytest.mark.slow
@pytest.mark.parametrize("package, options", ((BS_INFER, dict(PUBLISHED, dim=256, depth=12)), (MEL_INFER, KIM)))
def test_published_sizes(package, options, tmp_path):
    compare(tmp_path, package(), options, 2, 1, 44101, batch=1, model=make(package(), options, noise=0.01))


def test_bands_are_those_of_librosa(tmp_path):
    for n_fft, bands in ((2048, 60), (4096, 60), (1024, 30), (512, 20), (8192, 60), (2048, 30), (2048, 80), (4096, 90),
                         (4096, 128), (6144, 60), (3000, 47), (1536, 40)):
        filters = librosa.filters.mel(sr=44100, n_fft=n_fft, n_mels=bands)
        filters[0, 0] = filters[-1, -1] = 1
        options = {"dim": 2, "depth": 1, "heads": 1, "dim_head": 2, "mlp_expansion_factor": 1, "stft_n_fft": n_fft,
                   "stft_win_length": n_fft, "stft_hop_length": n_fft // 4, "num_bands": bands}
        state = fresh_state(probe(tmp_path, "mel_band_roformer", options, ["a"], 1, None, {"mix": torch.zeros(1, 1, 100)}))
        widths = [len(state[f"band_split.to_features.{band}.0.gamma"]) // 2 for band in range(bands)]
        assert widths == (filters > 0).sum(1).tolist(), (n_fft, bands)


def test_silence_and_what_is_before_it(tmp_path):
    """Normalisation blows up whatever is not exactly zero: digital silence has to stay it, alone and behind noise."""
    for module, options in ((BS_INFER(), BS), (MEL_INFER(), MEL)):
        model = make(module, options, stems=2)
        mix = torch.zeros(3, 2, 6000)
        mix[1, :, :1000] = torch.randn(2, 1000)
        mix[2, :, :3000] = song()[:, :3000]
        with torch.no_grad():
            expected = separate(model, mix)
        estimates = probe(tmp_path, name_of(module), ours(module, options), ["a", "b"], 2, model.state_dict(),
                          {"mix": mix})["estimates"]
        assert (estimates[0] == 0).all()
        assert (expected[1:, ..., 4000:] == 0).all() and (estimates[1:, ..., 4000:] == 0).all()
        assert relative_error(estimates[1:], expected[1:]) <= 1e-5
