"""What runs inside vLLM's worker processes: taking new weights. Imported there by name, never by this package."""

import json
import os
import signal
import threading
import time
from typing import Any

WATCH_S = 1.0
"""How often a worker looks whether the process that owns the engine is still there."""


class WorkerExtension:
    """Mixed into vLLM's worker (`worker_extension_cls`); its methods are called by `collective_rpc`."""

    model_runner: Any
    _expected: dict[str, tuple[int, ...]] | None = None

    def rlvr_end_with(self, owner: int) -> None:
        """End the engine when a process is gone: one that was killed ends nothing, and vLLM would stay.

        Args:
            owner: The process that started the engine.
        """
        import psutil

        engine = os.getppid()
        process = psutil.Process(owner)  # knows when it was made, so that another of the same number is not it

        def watch() -> None:
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(WATCH_S)
            if engine != owner and os.getppid() == engine:
                os.kill(engine, signal.SIGKILL)
            os._exit(1)

        threading.Thread(target=watch, name="rlvr-owner", daemon=True).start()

    def rlvr_load_weights(self, path: str) -> str:
        """Replace all weights by those of a file.

        Nothing is changed unless the file holds what the model's checkpoint holds: vLLM itself would leave the
        weights that are missing as they were, and say so in its log alone.

        Args:
            path: A safetensors file, with the names of the checkpoint.

        Returns:
            JSON: a sentence that says what does not fit, or null.
        """
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if self._ties_head():
                names = [name for name in names if name != "lm_head.weight"]
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            wrong = _misfit(self._checkpoint_shapes(), shapes)
            if wrong is None:
                self.reload_weights(weights_iterator=((name, file.get_tensor(name)) for name in names))  # type: ignore[attr-defined]
                self._repack_tied_heads()
        return json.dumps(wrong)

    def _repack_tied_heads(self) -> None:
        """Let output layers that are the embedding see its new values.

        On the CPU every linear layer keeps a copy of its weights in the order that its kernel reads them in, and
        vLLM's reload renews it for the layers that were given weights: a tied output layer is given none.
        """
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, UnquantizedEmbeddingMethod

        if self._ties_head():
            for module in self.model_runner.get_model().modules():
                if isinstance(module, ParallelLMHead) and isinstance(module.quant_method, UnquantizedEmbeddingMethod):
                    module.quant_method.process_weights_after_loading(module)

    def _ties_head(self) -> bool:
        """Return whether the output layer is the embedding, which trainers may hand over under both names."""
        config = self.model_runner.vllm_config.model_config
        return bool(config.hf_text_config.tie_word_embeddings) and "lm_head.weight" not in self._checkpoint_shapes()

    def _checkpoint_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the tensors that the model was loaded from, by name; they are read once."""
        if self._expected is None:
            from vllm.model_executor.model_loader import get_model_loader

            config = self.model_runner.vllm_config
            loader = get_model_loader(config.load_config)
            weights = loader.get_all_weights(config.model_config, self.model_runner.get_model())
            self._expected = {name: tuple(weight.shape) for name, weight in weights}
        return self._expected


def _misfit(expected: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]) -> str | None:
    """Say how tensors differ from a checkpoint's; None if they fit."""
    missing = sorted(expected.keys() - given.keys())
    unknown = sorted(given.keys() - expected.keys())
    if missing:
        return f"{len(missing)} tensors are missing, such as {missing[0]}"
    if unknown:
        return f"{len(unknown)} tensors are unknown to the model, such as {unknown[0]}"
    for name, shape in given.items():
        if shape != expected[name]:
            return f"{name} has the shape {list(shape)} where the model has {list(expected[name])}"
    return None
