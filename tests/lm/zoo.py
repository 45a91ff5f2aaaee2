"""Small models of many architectures with random weights, and rows to run them on."""

from functools import cache

import torch
import transformers

from rlvr.tasks.rng import Rng

VOCABULARY = 97
END = 1
WINDOW = 8
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
    "pad_token_id": 0, "eos_token_id": END, "bos_token_id": 2,
}  # fmt: skip


def shape(*without, **more):
    return {name: value for name, value in SHAPE.items() if name not in without} | more


CONFIGS = {
    "qwen3": ("Qwen3Config", shape()),
    "qwen3_moe": ("Qwen3MoeConfig", shape(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24)),
    "llama": ("LlamaConfig", shape()),
    "qwen2": ("Qwen2Config", shape("head_dim")),
    "gemma2": ("Gemma2Config", shape(sliding_window=WINDOW, query_pre_attn_scalar=8, attn_logit_softcapping=2.0,
                                      final_logit_softcapping=5.0)),
    "gemma3": ("Gemma3TextConfig", shape(sliding_window=WINDOW, query_pre_attn_scalar=8, layer_types=[
        "sliding_attention", "full_attention", "sliding_attention"])),
    "gpt2": ("GPT2Config", {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 512,
                            "eos_token_id": END, "bos_token_id": 2}),
    "mistral": ("MistralConfig", shape(sliding_window=WINDOW)),
    "gpt_neox": ("GPTNeoXConfig", shape("head_dim", "num_key_value_heads")),
    "phi3": ("Phi3Config", shape("head_dim", sliding_window=WINDOW)),
    "olmo2": ("Olmo2Config", shape("head_dim")),
    "granite": ("GraniteConfig", shape("head_dim", logits_scaling=3.0, attention_multiplier=0.3)),
    "deepseek_v3": ("DeepseekV3Config", shape(
        "head_dim", num_key_value_heads=4, n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1,
        kv_lora_rank=16, q_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=8,
        moe_intermediate_size=16, first_k_dense_replace=1)),
    "gpt_oss": ("GptOssConfig", shape(
        sliding_window=WINDOW, num_local_experts=4, num_experts_per_tok=2, rope_parameters={
            "rope_type": "default", "rope_theta": 10000.0})),
}  # fmt: skip
"""Architectures that keep to the attention interface: name of the configuration, and its values."""

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)

OTHERS = {
    "mamba": ("MambaConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4,
                              "pad_token_id": 0, "eos_token_id": END, "bos_token_id": 2}),
    "bloom": ("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4,
                              "pad_token_id": 0, "eos_token_id": END, "bos_token_id": 2}),
    "llama4": ("Llama4TextConfig", shape(attention_chunk_size=WINDOW, num_local_experts=2,
                                          interleave_moe_layer_step=10)),
    "rwkv": ("RwkvConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2,
                            "attention_hidden_size": 32, "intermediate_size": 48, "eos_token_id": END}),
    "qwen3_next": ("Qwen3NextConfig", shape(
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=16,
        linear_num_value_heads=4, linear_num_key_heads=2, linear_key_head_dim=8, linear_value_head_dim=8,
        layer_types=["linear_attention", "full_attention", "linear_attention"])),
}  # fmt: skip
"""Architectures that carry another state, or mask in their own way."""


def fresh(name):
    """Return a model of transformers with random weights, large enough that attention and windows matter."""
    kind, values = (CONFIGS | OTHERS)[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**values))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(5)
            elif weight.abs().sum() == 0:
                weight.normal_(std=0.2)
    return model.eval()


@cache
def original(name):
    """Return the model as transformers runs it; nobody changes it."""
    return fresh(name)


def rows_of_tokens(lengths, *names):
    """Return random rows without pad and end tokens."""
    rng = Rng.named("zoo", *names)
    return [[3 + rng.below(VOCABULARY - 3) for _ in range(length)] for length in lengths]


CHARACTERS = [chr(code) for code in range(32, 127)]
TEMPLATE = (
    "{% for message in messages %}{{ message.role[0] }}:{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)


def tokenizer(template=TEMPLATE):
    """Return a tokenizer of transformers whose tokens are characters."""
    from tokenizers import Tokenizer, decoders, models

    vocabulary = {"<|pad|>": 0, "<|end|>": END} | {text: 2 + i for i, text in enumerate(CHARACTERS)}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.decoder = decoders.Fuse()
    made.add_special_tokens(["<|pad|>", "<|end|>"])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|pad|>", eos_token="<|end|>")
    fast.chat_template = template
    return fast


def save(name, folder, template=TEMPLATE):
    """Write a model and a tokenizer into a folder, as the Hub has them."""
    original(name).save_pretrained(folder)
    tokenizer(template).save_pretrained(folder)
    return folder
