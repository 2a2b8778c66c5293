"""Files of Music-Source-Separation-Training (MSST) as people hold them: weights in the wrappings of many programs, and
configurations in the style of the published ones. Sizes are those of published models, or small ones of the same shape."""

import collections
import json
import struct

import torch

BS_BANDS = [2] * 24 + [4] * 12 + [12] * 8 + [24] * 8 + [48] * 8 + [128, 129]
NINETY_BANDS = [2] * 40 + [8] * 20 + [15] * 10 + [30] * 10 + [33] * 9 + [38]
FIFTY_THREE = [f"instrument-{i:02}" for i in range(53)]

# Of a published model: what its configuration says, in the order of the table of published configurations. `model` holds
# the options of MSST's class; `wrapping` how its weights are stored, `style` how the configuration is written.
Published = collections.namedtuple("Published", "name kind model stems target chunk wrapping style more", defaults=[{}])


def bs(dim, depth, hop=512, **more):
    return {"dim": dim, "depth": depth, "stereo": True, "num_stems": 1, "time_transformer_depth": 1,
            "freq_transformer_depth": 1, "linear_transformer_depth": 0, "freqs_per_bands": BS_BANDS, "dim_head": 64,
            "heads": 8, "stft_n_fft": 2048, "stft_hop_length": hop, "stft_win_length": 2048, "stft_normalized": False,
            "mask_estimator_depth": 2, **more}


def mel(dim, depth, hop=441, **more):
    options = {**bs(dim, depth, hop), "num_bands": 60, "sample_rate": 44100, **more}
    del options["freqs_per_bands"], options["linear_transformer_depth"]
    return options


SCNET = {"audio_channels": 2, "dims": [4, 32, 64, 128], "nfft": 4096, "hop_size": 1024, "win_size": 4096,
         "normalized": True, "band_SR": [0.175, 0.392, 0.433], "band_stride": [1, 4, 16], "band_kernel": [3, 4, 16],
         "conv_depths": [3, 2, 1], "compress": 4, "conv_kernel": 3, "num_dplayer": 6, "expand": 1}
MDX23C = {"act": "gelu", "bottleneck_factor": 4, "growth": 128, "norm": "InstanceNorm", "num_blocks_per_scale": 2,
          "num_channels": 128, "num_scales": 5, "num_subbands": 4, "scale": [2, 2]}
FOUR = ["drums", "bass", "other", "vocals"]

TABLE = [
    Published("viperx_317", "bs_roformer", bs(512, 12, 441, attn_dropout=0.1, ff_dropout=0.1), ["vocals", "other"],
              "vocals", 352800, "plain", "tuple"),
    Published("viperx_937", "bs_roformer", bs(384, 12), ["vocals", "other"], "other", 131584, "legacy", "tuple"),
    Published("viperx_mel", "mel_band_roformer", mel(384, 12), ["vocals", "other"], "vocals", 352800, "plain", "crlf"),
    Published("kim", "mel_band_roformer", mel(384, 6), ["vocals", "other"], "vocals", 352800, "safetensors", "tuple"),
    Published("musdb4", "bs_roformer", bs(384, 8, mlp_expansion_factor=2, num_stems=4, skip_connection=False), FOUR, None,
              485100, "model_state_dict", "inline"),
    Published("sw6", "bs_roformer", bs(256, 12, num_stems=6), ["bass", "drums", "other", "vocals", "guitar", "piano"],
              None, 588800, "fp16", "inline"),
    Published("mega53", "bs_roformer", bs(256, 12, mlp_expansion_factor=2, num_stems=53), FIFTY_THREE, None, 588800, "fp16",
              "bom", {"inference": {"chunk_size": 882000, "dim_t": 1101}}),
    Published("polar", "bs_roformer", bs(256, 12, use_pope=True), ["vocals", "other"], "vocals", 588800, "fp16", "tuple",
              {"inference": {"chunk_size": 882000}}),
    Published("anvuew", "bs_roformer", bs(256, 12), ["vocals", "other"], "vocals", 960000, "lightning", "strings"),
    Published("room_mono", "bs_roformer", bs(128, 16, stereo=False, dim_head=16, mask_estimator_depth=3), ["dry", "other"],
              "dry", 384000, "module", "inline"),
    Published("resurrection", "bs_roformer", bs(256, 12, 441), ["Instrumental", "Vocals"], "Instrumental", 749259,
              "state_dict", "tuple"),
    Published("revive", "bs_roformer", bs(512, 12, 441), ["vocals", "other"], "vocals", 485100, "net", "crlf"),
    Published("large_v1", "bs_roformer", bs(512, 16, 441), ["vocals", "other"], "other", 485100, "generator", "block"),
    Published("leap", "bs_roformer", bs(256, 16), ["vocals", "other"], "vocals", 881559, "compiled", "tuple"),
    Published("leap_xe", "bs_roformer", bs(256, 16, freqs_per_bands=NINETY_BANDS), ["vocals", "other"], "vocals", 881559,
              "bf16.safetensors", "block"),
    Published("beta5e", "mel_band_roformer", mel(384, 6, mask_estimator_depth=3), ["vocals", "other"], "vocals", 485100,
              "plain", "typeless"),
    Published("beta6x", "mel_band_roformer", mel(512, 12), ["vocals", "other"], "vocals", 676935, "averages", "crlf"),
    Published("duality", "mel_band_roformer", mel(384, 6, num_stems=2), ["Vocals", "Instrumental"], None, 485100, "plain",
              "tuple"),
    Published("deux", "mel_band_roformer", mel(256, 12, num_stems=2), ["Vocals", "Instrumental"], None, 573300, "fp16",
              "inline"),
    Published("guitar", "mel_band_roformer", mel(256, 4, mlp_expansion_factor=1), ["Guitar", "No-Guitar"], "Guitar", 485100,
              "state", "tuple"),
    Published("amane", "mel_band_roformer", mel(384, 8, 882, stft_n_fft=4096, stft_win_length=4096, num_stems=4,
                                                skip_connection=True), FOUR, None, 661500, "best_state", "block"),
    Published("aspiration", "mel_band_roformer", mel(256, 8, num_stems=2), ["aspiration", "other"], None, 352800, "model",
              "bom"),
    Published("rifforge", "mel_band_roformer", mel(512, 24), ["instrumental", "vocals"], "instrumental", 733824,
              "safetensors", "tuple"),
    Published("flowers", "mel_band_roformer", mel(256, 12, stft_normalized=True), ["instrumental", "vocals"],
              "instrumental", 352800, "plain", "strings"),
    Published("scnet", "scnet", SCNET, FOUR, None, 485100, "state", "block", {"inference": {"normalize": True}}),
    Published("scnet_xl_ihf", "scnet", {**SCNET, "dims": [4, 64, 128, 256], "band_SR": [0.23, 0.37, 0.4],
                                        "band_stride": [1, 4, 4], "band_kernel": [3, 4, 4], "conv_depths": [3, 3, 3],
                                        "num_dplayer": 8}, FOUR, None, 485100, "plain", "inline"),
    Published("scnet_masked", "scnet_masked", {**SCNET, "dims": [4, 64, 128, 256]}, FOUR, None, 485100, "model_state_dict",
              "crlf"),
    Published("mdx23c_vocals", "mdx23c", MDX23C, ["vocals", "other"], None, 261120, "plain", "tuple",
              {"audio": {"n_fft": 8192, "hop_length": 1024, "dim_f": 4096}}),
    Published("drumsep", "mdx23c", MDX23C, ["kick", "snare", "toms", "hh", "ride", "crash"], None, 130560, "module",
              "block", {"audio": {"n_fft": 2048, "hop_length": 512, "dim_f": 1024}}),
    Published("instvoc", "mdx23c", {**MDX23C, "num_subbands": 6}, ["Vocals", "Instrumental"], None, 261120, "fp16", "inline",
              {"audio": {"n_fft": 12288, "hop_length": 2048, "dim_f": 6144}}),
]


def small(row):
    """The same with narrow layers and few of them: what is told apart stays."""
    sizes = {"bs_roformer": {"dim": 16, "depth": 2, "dim_head": 8, "heads": 2},
             "mel_band_roformer": {"dim": 12, "depth": 3, "dim_head": 6, "heads": 2},
             "scnet": {"dims": [4, 8, 12, 16], "num_dplayer": 2}, "scnet_masked": {"dims": [4, 8, 8, 16], "num_dplayer": 4},
             "mdx23c": {"num_channels": 8, "growth": 4, "num_scales": 3, "num_blocks_per_scale": 1}}[row.kind]
    return row._replace(model={**row.model, **sizes})


def yaml_text(row, **changes):
    """The configuration, with `changes` to its sections."""
    def number(value):
        return str(value)

    def items(values, style, indent):
        if style == "inline":
            return " [" + ", ".join(map(number, values)) + "]"
        tag = " !!python/tuple" if style in ("tuple", "bom", "crlf") else ""
        return tag + "".join(f"\n{indent}- {number(value)}" for value in values)

    audio = {"chunk_size": row.chunk, "dim_f": 1024, "dim_t": 801, "hop_length": 441, "n_fft": 2048, "num_channels": 2,
             "sample_rate": 44100, "min_mean_abs": 0.0, **row.more.get("audio", {})}
    model = dict(row.model)
    if "roformer" in row.kind:
        model |= {"flash_attn": True, "dim_freqs_in": 1025, "multi_stft_resolution_loss_weight": 1.0,
                  "multi_stft_resolutions_window_sizes": [4096, 2048, 1024, 512, 256], "multi_stft_hop_size": 147,
                  "multi_stft_normalized": False}
    training = {"batch_size": 2, "instruments": row.stems, "lr": "1.0e-05", "patience": 2,
                "target_instrument": row.target or "null", "other_fix": True}
    if row.style not in ("typeless", "block"):
        training["model_type"] = row.kind
    inference = {"batch_size": 1, "dim_t": 256, "num_overlap": 2, **row.more.get("inference", {})}
    sections = {"audio": audio, "model": model, "training": training, "inference": inference}
    text = "# how it was trained\n"
    for name, section in sections.items():
        text += f"{name}:\n"
        for key, value in {**section, **changes.get(name, {})}.items():
            if isinstance(value, list):
                text += f"  {key}:{items(value, row.style, '  ' if row.style == 'tuple' else '    ')}\n"
            elif row.style == "strings" and key in ("attn_dropout", "multi_stft_resolution_loss_weight"):
                text += f'  {key}: "{value}"\n'
            else:
                text += f"  {key}: {value}{'  # do not use' if key == 'dim_t' else ''}\n"
    text += "augmentations:\n  enable: true\n  mixup_probs: !!python/tuple\n    - 0.2\n    - 0.02\n"
    if row.style == "crlf":
        text = text.replace("\n", "\r\n")
    return ("\ufeff" if row.style == "bom" else "") + text


def write_yaml(path, row, **changes):
    path.write_bytes(yaml_text(row, **changes).encode())


SAFETENSORS_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def save_safetensors(path, state, metadata=None):
    """As safetensors' writers do: tensors that share memory (angles) are written once."""
    header, data, offset = ({"__metadata__": metadata} if metadata else {}), [], 0
    seen = set()
    for name, tensor in state.items():
        if tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        raw = tensor.contiguous().view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": SAFETENSORS_TYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def save_weights(folder, name, wrapping, state):
    """A file of the weights in one of the wrappings; returns its path."""
    if wrapping.endswith("safetensors"):
        if wrapping.startswith("bf16"):
            state = {key: tensor.bfloat16() for key, tensor in state.items()}
        path = folder / f"{name}.safetensors"
        save_safetensors(path, state)
        return path
    path = folder / f"{name}.{'th' if wrapping == 'state' else 'ckpt'}"
    lightning = {"epoch": 3, "global_step": 1200, "pytorch-lightning_version": "2.1.0", "loops": {}, "callbacks": {},
                 "optimizer_states": [], "lr_schedulers": [], "hyper_parameters": {"lr": 1e-4}}
    content = {
        "plain": lambda: state,
        "legacy": lambda: state,
        "fp16": lambda: {key: tensor.half() for key, tensor in state.items()},
        "state": lambda: {"state": state, "history": [{"loss": 0.1}]},
        "state_dict": lambda: {"state_dict": state},
        "model": lambda: {"model": state, "step": 5},
        "best_state": lambda: {"best_state": state, "state": {key: 0 * tensor for key, tensor in state.items()}},
        "model_state_dict": lambda: {"epoch": 7, "model_state_dict": state, "optimizer_name": "adam",
                                     "optimizer_state_dict": {"state": {0: {"exp_avg": torch.ones(3)}}},
                                     "scheduler_state_dict": {"last_epoch": 7}, "best_metric": 9.1,
                                     "all_metrics": {"epoch_7": {"sdr": {"vocals": 9.1}}}, "all_losses": {}},
        "lightning": lambda: {**lightning, "state_dict": {**prefixed("model.", state), "loss.window": torch.ones(4)}},
        "module": lambda: prefixed("module.", state),
        "net": lambda: {"state_dict": prefixed("net.", state)},
        "compiled": lambda: prefixed("_orig_mod.", state),
        "generator": lambda: {"generator": state, "discriminator": {"conv.weight": torch.ones(2, 2)}},
        "averages": lambda: {**prefixed("model.", state),
                             **prefixed("ema_model.", {key: 0 * tensor for key, tensor in state.items()})},
    }[wrapping]()
    torch.save(content, path, _use_new_zipfile_serialization=wrapping != "legacy")
    return path


def stored(state, wrapping):
    """The values that a file holds."""
    kind = torch.float16 if wrapping == "fp16" else torch.bfloat16 if wrapping.startswith("bf16") else torch.float32
    return {key: tensor.to(kind).float() for key, tensor in state.items()}
