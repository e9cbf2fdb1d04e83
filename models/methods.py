"""How much of the encoder is trained: nothing (head), all of it (full), or one of peft's adapters."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import peft
import torch
from torch import Tensor, nn

from models.errors import RecipeInvalid

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Method:
    """`config`: peft's class of settings, None without an adapter; `defaults`: ours for it; `learning_rate`: usual."""

    config: type[peft.PeftConfig] | None
    defaults: Mapping[str, Any]
    learning_rate: float


_LOW_RANK = {"r": 32, "lora_alpha": 64, "lora_dropout": 0.0, "target_modules": "all-linear"}
METHODS: Mapping[str, Method] = {
    "lora": Method(peft.LoraConfig, _LOW_RANK, 8e-4),
    "dora": Method(peft.LoraConfig, {**_LOW_RANK, "use_dora": True}, 8e-4),
    "adalora": Method(
        peft.AdaLoraConfig,
        {"target_r": 16, "init_r": 24, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"},
        2e-3,
    ),
    "vera": Method(peft.VeraConfig, {"r": 256, "target_modules": "all-linear"}, 4e-3),
    "ia3": Method(peft.IA3Config, {}, 8e-3),
    "loha": Method(peft.LoHaConfig, {"r": 16, "alpha": 32, "target_modules": "all-linear"}, 8e-4),
    "lokr": Method(peft.LoKrConfig, {"r": 16, "alpha": 32, "target_modules": "all-linear"}, 8e-4),
    "head": Method(None, {}, 1e-3),
    "full": Method(None, {}, 5e-5),
}
"""Every method that trains, is kept, put back and merged to the same answers (tests/models/test_methods.py)."""


def adapter_settings(method: str, given: Mapping[str, Any], steps: int = 0) -> dict[str, Any]:
    """Return all settings of a method's adapter, as the artifact keeps them: ours, then those given.

    `steps`: of the whole training, by which AdaLoRA divides its budget. Raises RecipeInvalid for an unknown key.
    """
    chosen = METHODS[method]
    if chosen.config is None:
        if given:
            raise RecipeInvalid(
                f"--method {method} has no adapter, so that {next(iter(given))} has no meaning; remove it"
            )
        return {}
    known = {field.name for field in fields(chosen.config)}
    for key in given:
        if key not in known:
            raise RecipeInvalid(f"{key!r} in [lora] is no setting of {method}; known are {', '.join(sorted(known))}")
    found = {**chosen.defaults, **given}
    if method == "adalora" and steps:
        # A tenth of the steps to warm up at full rank, the last third at the final one.
        found = {
            "total_step": steps, "tinit": steps // 10, "tfinal": steps // 3, "deltaT": max(1, steps // 200), **found
        }  # fmt: skip
    return found


def of_rank(method: str, rank: int) -> dict[str, int]:
    """Return the settings that give a method's adapter this rank; raise RecipeInvalid where it has none."""
    if method == "adalora":
        # It begins half as large again and gives the worst directions up.
        return {"target_r": rank, "init_r": rank + (rank + 1) // 2, "lora_alpha": 2 * rank}
    if method in ("lora", "dora"):
        return {"r": rank, "lora_alpha": 2 * rank}
    if method in ("loha", "lokr"):
        return {"r": rank, "alpha": 2 * rank}
    if method == "vera":
        return {"r": rank}
    raise RecipeInvalid(f"--method {method} has no rank; leave --rank out")


def wrap(encoder: "PreTrainedModel", method: str, settings: Mapping[str, Any]) -> nn.Module:
    """Return the encoder ready for training by a method: frozen, free, or with a fresh adapter of `settings`.

    Raises RecipeInvalid where peft refuses the settings for this encoder.
    """
    chosen = METHODS[method]
    encoder.requires_grad_(method == "full")
    if chosen.config is None:
        return encoder
    # peft changes what it is given.
    own = json.loads(json.dumps(dict(settings)))
    try:
        with warnings.catch_warnings():
            # peft asks transformers under an old name; nothing a user could do about it.
            warnings.simplefilter("ignore", FutureWarning)
            return peft.get_peft_model(encoder, chosen.config(**own))
    except (ValueError, TypeError, KeyError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise RecipeInvalid(f"--method {method} does not work so ({reason}); change [lora] in the recipe") from problem


def freeze(encoder: nn.Module, layers: int) -> None:
    """Let the embeddings and the lowest `layers` of an encoder stay as they are; raise RecipeInvalid beyond its height.

    Source: Lee et al., What Would Elsa Do?, 2019: a quarter of the layers need fine-tuning for most of the gain.
    """
    if not layers:
        return
    found = [m for name, m in encoder.named_modules() if isinstance(m, nn.ModuleList) and name.endswith("layer")]
    if not found or layers >= len(found[0]):
        height = len(found[0]) if found else 0
        raise RecipeInvalid(f"frozen_layers {layers} leaves nothing to train of {height} layers; choose fewer")
    for name, module in encoder.named_children():
        if "embeddings" in name:
            module.requires_grad_(False)
    for module in list(found[0])[:layers]:
        module.requires_grad_(False)


def penalty(encoder: nn.Module) -> Tensor | None:
    """Return what AdaLoRA adds to the loss, None for every other method.

    Source: Zhang et al., AdaLoRA, ICLR 2023, equation 4: how far the singular vectors are from orthogonal. peft adds
    it only to a loss that the encoder itself returns, and ours returns none.
    """
    config = _adalora(encoder)
    if config is None:
        return None
    distances = []
    for name, value in encoder.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            product = value @ value.T if "lora_A" in name else value.T @ value
            distances.append(torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device)))
    mean: Tensor = config.orth_reg_weight * torch.stack(distances).mean()
    return mean


def after_step(encoder: nn.Module, step: int) -> None:
    """Let AdaLoRA move its budget after optimiser step `step` (from 0), while the gradients are still there."""
    if _adalora(encoder) is not None:
        encoder.base_model.update_and_allocate(step)  # type: ignore[union-attr, operator]


def budget_state(encoder: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what AdaLoRA remembers between steps beside its weights: (tensors, JSON); empty for other methods."""
    config = _adalora(encoder)
    if config is None:
        return {}, {}
    allocator = encoder.base_model.rankallocator  # type: ignore[union-attr]
    kinds = ("ipt", "exp_avg_ipt", "exp_avg_unc")
    tensors = {f"{kind}/{name}": value for kind in kinds for name, value in getattr(allocator, kind).items()}
    return tensors, {"rank_pattern": config.rank_pattern}


def restore_budget(encoder: nn.Module, tensors: Mapping[str, Tensor], kept: Mapping[str, Any]) -> None:
    """Put back what `budget_state` gave."""
    config = _adalora(encoder)
    if config is None:
        return
    allocator = encoder.base_model.rankallocator  # type: ignore[union-attr]
    for key, value in tensors.items():
        kind, _, name = key.partition("/")
        getattr(allocator, kind)[name] = value
    config.rank_pattern = kept["rank_pattern"]


def _adalora(encoder: nn.Module) -> Any:
    if not isinstance(encoder, peft.PeftModel):
        return None
    config = encoder.peft_config["default"]
    return config if isinstance(config, peft.AdaLoraConfig) else None
