"""Probabilities of tokens under a causal language model in a folder, by transformers; nothing is downloaded."""

import threading
from collections.abc import Sequence
from pathlib import Path

from pipex_core.adapters.local_models.weights import digest_of_folder
from pipex_core.jsonvalue import Json


class CausalModel:
    """A model as a scorer of texts, on the processor.

    Args:
        folder: Weights and tokenizer as transformers saves them.

    Raises:
        ImportError: transformers is not installed, or no folder of weights is named.
    """

    def __init__(self, folder: str | None) -> None:
        if folder is None or not (Path(folder) / "config.json").is_file():
            raise ImportError(f"no weights of a causal model in `model: {folder}`")
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
        self._lock = threading.Lock()  # the tokenizer is not made for several threads
        self.fingerprint: Json = {"weights": digest_of_folder(Path(folder))}

    def logprobs(self, text: str) -> Sequence[float]:
        """Of each token after the first, which stands without a context unless the model has a start."""
        torch = self._torch
        with self._lock, torch.inference_mode():
            ids = self._tokenizer(text, return_tensors="pt").input_ids
            start = self._tokenizer.bos_token_id
            if start is not None and (not ids.numel() or ids[0, 0].item() != start):
                ids = torch.cat([torch.tensor([[start]]), ids], dim=1)
            most = getattr(self._model.config, "max_position_embeddings", ids.shape[1])
            found: list[float] = []
            # Windows overlap by half, so that no token but the first stands without a context.
            step = max(most // 2, 1)
            for begin in range(0, max(ids.shape[1] - 1, 0), step):
                window = ids[:, max(0, begin - most + step) : begin + step + 1]
                logits = self._model(window[:, :-1]).logits.log_softmax(dim=-1)
                chosen = logits.gather(2, window[:, 1:, None])[0, :, 0]
                fresh = min(step, ids.shape[1] - 1 - begin)
                found += chosen[-fresh:].double().tolist()
        return found
