"""Transformers models behind the protocol of models compute what they compute on their own."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rlvr.agents.lm.dense import DenseAttention  # noqa: E402
from rlvr.agents.lm.hf import NotRoutable  # noqa: E402
from rlvr.agents.lm.routing import probe_ids, route  # noqa: E402

from . import zoo  # noqa: E402

LENGTHS = (5, 1, 23, 12, 40)
"""Longer and shorter than the windows."""


def padded_logits(model, rows, side):
    """Return each row's logits out of one padded batch, run by transformers alone."""
    longest = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        own = slice(longest - len(row), None) if side == "left" else slice(0, len(row))
        ids[i, own], mask[i, own] = torch.tensor(row), 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    return [logits[i][mask[i].bool()] for i in range(len(rows))]


def ragged_logits(model, rows, pieces=1, *, embeds=False, edit=None):
    """Return each row's logits; all rows in one forward pass, or in several that continue them."""
    attend = DenseAttention(len(rows))
    found = [[] for _ in rows]
    for piece in range(pieces):
        parts = [(len(row) * piece // pieces, len(row) * (piece + 1) // pieces) for row in rows]
        present = [(i, low, high) for i, (low, high) in enumerate(parts) if low < high]
        attend.expect([(i, high - low) for i, low, high in present])
        ids = torch.tensor([token for i, low, high in present for token in rows[i][low:high]]).to(model.device)
        positions = torch.cat([torch.arange(low, high) for _, low, high in present]).to(model.device)
        with torch.no_grad():
            given = {"embeds": model.embed(ids)} if embeds else {}
            hidden = model.forward(None if embeds else ids, positions, attend, edit=edit, **given)
            logits = model.logits(hidden)
        logits = logits.cpu()
        for (i, _, _), own in zip(present, logits.split([high - low for _, low, high in present]), strict=True):
            found[i].append(own)
    return [torch.cat(own) for own in found]


def assert_close(found, expected, tolerance=1e-4):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


@pytest.fixture(scope="module")
def routed():
    made = {}

    def make(name):
        if name not in made:
            made[name] = route(zoo.fresh(name), "no weights")
        return made[name]

    return make


@pytest.mark.parametrize("name", zoo.CONFIGS)
def test_ragged_rows_equal_the_models_own_padded_forward_pass(routed, name):
    rows = zoo.rows_of_tokens(LENGTHS, name)
    found = ragged_logits(routed(name), rows)
    for side in ("left", "right"):
        assert_close(found, padded_logits(zoo.original(name), rows, side))


@pytest.mark.parametrize("name", zoo.CONFIGS)
def test_rows_in_pieces_equal_whole_rows(routed, name):
    rows = zoo.rows_of_tokens(LENGTHS, name)
    assert_close(ragged_logits(routed(name), rows, pieces=4), ragged_logits(routed(name), rows))


@pytest.mark.parametrize("name", zoo.CONFIGS)
def test_embeddings_of_ids_equal_ids(routed, name):
    rows = zoo.rows_of_tokens(LENGTHS[:3], name)
    assert_close(ragged_logits(routed(name), rows, embeds=True), ragged_logits(routed(name), rows), 1e-6)


@pytest.mark.parametrize("name", zoo.CONFIGS)
def test_every_block_is_edited_once_and_in_order(routed, name):
    model, (row,) = routed(name), zoo.rows_of_tokens((9,), name)
    seen = []

    def read(layer, hidden):
        seen.append((layer, tuple(hidden.shape)))
        return hidden

    plain = ragged_logits(model, [row])
    assert_close(ragged_logits(model, [row], edit=read), plain, 0)
    assert seen == [(layer, (9, model.info.hidden_size)) for layer in range(3)]
    assert not torch.equal(ragged_logits(model, [row], edit=lambda layer, hidden: hidden + 1)[0], plain[0])
    assert_close(ragged_logits(model, [row]), plain, 0)


@pytest.mark.parametrize("device", zoo.DEVICES)
@pytest.mark.parametrize("name", ["qwen3", "gemma2", "gpt_oss"])
def test_devices_agree(name, device):
    model = route(zoo.fresh(name).to(device), "no weights")
    rows = zoo.rows_of_tokens(LENGTHS, name)
    assert model.device.type == device
    assert_close(ragged_logits(model, rows, pieces=2), padded_logits(zoo.original(name), rows, "left"), 1e-3)


def test_the_measures_are_those_of_the_configuration(routed):
    info = routed("qwen3").info
    assert (info.layers, info.heads, info.kv_heads, info.head_dim, info.hidden_size) == (3, 4, 2, 8, 32)
    assert (info.vocab_size, info.context_length, info.eos_ids) == (97, 512, (1,))
    assert routed("deepseek_v3").info.head_dim == 16  # keys of 16 beside values of 8


@pytest.mark.parametrize("name", zoo.OTHERS)
def test_a_model_with_another_state_or_mask_is_refused_and_left_as_it_was(name):
    model = zoo.fresh(name)
    with pytest.raises(NotRoutable, match=r"\w"):
        route(model, "no weights")
    ids = torch.tensor([probe_ids(zoo.VOCABULARY, 11)])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, zoo.original(name)(ids).logits)


def test_a_model_whose_numbers_change_under_the_interface_is_refused():
    class Restless(type(zoo.original("llama"))):
        def forward(self, *args, **kwargs):
            out = super().forward(*args, **kwargs)
            out.logits = out.logits + 3 * self.calls
            self.calls += 1
            return out

    model = zoo.fresh("llama")
    model.__class__, Restless.calls = Restless, 0
    with pytest.raises(NotRoutable, match="computes something else"):
        route(model, "no weights")


def test_a_model_that_hides_its_window_from_the_attention_is_refused(monkeypatch):
    model = zoo.fresh("mistral")
    from transformers import AttentionInterface
    from transformers.models.mistral import modeling_mistral

    class Forgetful:
        @staticmethod
        def get_interface(name, default):
            chosen = AttentionInterface().get_interface(name, default)
            return lambda *args, sliding_window=None, **kwargs: chosen(*args, **kwargs)

    monkeypatch.setattr(modeling_mistral, "ALL_ATTENTION_FUNCTIONS", Forgetful)
    with pytest.raises(NotRoutable, match="window of 8"):
        route(model, "no weights")


def test_a_row_never_depends_on_the_length_of_its_neighbours():
    import transformers

    longrope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    lengths = {"max_position_embeddings": 256, "original_max_position_embeddings": 64}
    values = zoo.shape("head_dim", rope_parameters=longrope, **lengths)
    model = transformers.AutoModelForCausalLM.from_config(transformers.Phi3Config(**values)).eval()
    assert route(model, "no weights").info.context_length == 64
    dynamic = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}
    values = zoo.shape(max_position_embeddings=128, rope_parameters=dynamic)
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**values)).eval()
    assert route(model, "no weights").info.context_length == 128


@pytest.mark.parametrize("name", ["qwen3", "gemma2", "gpt2"])
def test_half_precision_follows_single_precision(name):
    model = route(zoo.fresh(name).to(torch.bfloat16), "no weights")
    assert model.dtype == torch.bfloat16
    rows = zoo.rows_of_tokens(LENGTHS, name)
    for found, expected in zip(
        ragged_logits(model, rows, pieces=2), padded_logits(zoo.original(name), rows, "left"), strict=True
    ):
        apart = (found.float() - expected).abs().mean()
        assert found.dtype == torch.bfloat16 and 0 < apart < 0.15 * expected.std()


@pytest.mark.slow
def test_a_compiled_model_computes_the_same():
    name = "gemma2"
    model = route(zoo.fresh(name), "no weights", compile=True)
    for lengths in (LENGTHS, (3, 17)):
        rows = zoo.rows_of_tokens(lengths, name)
        assert_close(ragged_logits(model, rows), padded_logits(zoo.original(name), rows, "left"))
    plain = ragged_logits(model, rows)
    assert_close(ragged_logits(model, rows, edit=lambda layer, hidden: hidden), plain)


def test_gradients_reach_the_weights(routed):
    model, (row,) = route(zoo.fresh("llama"), "no weights"), zoo.rows_of_tokens((9,), "llama")
    attend = DenseAttention(1).expect([(0, 9)])
    loss = model.logits(model.forward(torch.tensor(row), torch.arange(9), attend)).logsumexp(-1).sum()
    loss.backward()
    theirs = zoo.fresh("llama")
    theirs(input_ids=torch.tensor([row])).logits.logsumexp(-1).sum().backward()
    for ours, expected in zip(model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad, atol=1e-3, rtol=1e-3)


def test_attention_outside_of_a_forward_pass_says_so(routed):
    with pytest.raises(RuntimeError, match="outside of"):
        routed("qwen3").model(input_ids=torch.tensor([[3, 4]]))
