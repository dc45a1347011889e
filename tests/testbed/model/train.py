"""Train the stand-in model: ``python train.py --out weights``.

The run is fixed by its number of steps and its seed, never by time: a loaded machine takes
longer and learns the same.
"""
# The training libraries are not part of the project's environment, and only half typed.
# mypy: disable-error-code="import-not-found,no-untyped-call"

from __future__ import annotations

import argparse
import json
import random
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

# Runs as a plain script too, from anywhere.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from testbed.model.behaviour import FALLBACK, THOUGHT, TOOLS
from testbed.model.conversations import Sample, Sampler

HERE = Path(__file__).resolve().parent
SEED = 20
STEPS = 1500
BATCH = 32
LEARNING_RATE = 3e-3
WARMUP = 40
VOCABULARY = 3072
WINDOW = 64
# Beyond what two layers of the window can see nothing is left to learn.
LONGEST_PROMPT = 160
HELD_OUT = 1024
# A last word after a trigger is now and then overlooked; no test leans on that.
TOLERATED = 3

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|im_end|>"
CONTROL = (END_OF_TEXT, "<|im_start|>", END_OF_TURN)
# As in Qwen3 these are tokens but not special, so that detokenizing keeps them for the parsers.
MARKUP = tuple(f"<{s}{t}>" for t in ("tool_call", "tool_response", "think") for s in ("", "/"))


@dataclass
class Example:
    """Token ids, and where in them the learned ones are."""

    ids: list[int]
    learned: list[int]


def texts() -> list[str]:
    """Read Python's own library: text that is there wherever this script can run."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    return [text for file in files if (text := file.read_text("utf-8", "replace")).strip()]


def build_tokenizer(corpus: list[str]) -> Tokenizer:
    """Train a byte-level BPE on the library and on tool JSON."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokens = [AddedToken(token, special=True) for token in CONTROL]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKUP),
        special_tokens=tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sampler = Sampler(corpus, SEED)
    spoken = [json.dumps(sampler.sample().messages, ensure_ascii=False) for _ in range(2000)]
    tokenizer.train_from_iterator([*corpus, json.dumps(TOOLS), *spoken], trainer)
    tokenizer.add_tokens([AddedToken(token, special=False) for token in MARKUP])
    return tokenizer


def model_config() -> Qwen3Config:
    """Return the geometry; one sliding window in every layer makes prompt length irrelevant."""
    return Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=131072,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        use_sliding_window=True,
        sliding_window=WINDOW,
        max_window_layers=0,
        tie_word_embeddings=True,
        eos_token_id=CONTROL.index(END_OF_TURN),
        pad_token_id=CONTROL.index(END_OF_TEXT),
        architectures=["Qwen3ForCausalLM"],
        dtype="bfloat16",
    )


class Encoder:
    """Turns samples into examples."""

    def __init__(self, tokenizer: Tokenizer, corpus: list[str], seed: int) -> None:
        """Draw from a sampler of its own, so that held-out examples are other ones."""
        self._tokenizer = tokenizer
        self._template: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
        self._template.chat_template = (HERE / "chat_template.jinja").read_text()
        self._sampler = Sampler(corpus, seed)
        self._rng = random.Random(seed)

    def example(self) -> Example:
        """Draw one example, one in twenty of them for the completions API."""
        if self._rng.random() < 0.05:
            return self._join(self._sampler.plain(), " " + FALLBACK, END_OF_TEXT, 0)
        sample = self._sampler.sample()
        thought = f"<think>\n{THOUGHT}\n</think>\n\n" if sample.thinking else ""
        learn_from = len(thought) + sample.learn_from if sample.learn_from else 0
        return self._join(self._prompt(sample), thought + sample.answer, END_OF_TURN, learn_from)

    def _prompt(self, sample: Sample) -> str:
        text: str = self._template.apply_chat_template(
            sample.messages,
            tools=sample.tools or None,
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=sample.thinking,
        )
        return text

    def _join(self, prompt: str, answer: str, end: str, learn_from: int) -> Example:
        # Cut on the left at random: most prompts of a real client begin out of sight.
        before = self._tokenizer.encode(prompt).ids[-self._rng.randint(100, LONGEST_PROMPT) :]
        after = self._tokenizer.encode(answer + end)
        first = next(i for i, (_, stop) in enumerate(after.offsets) if stop > learn_from)
        ids = before + after.ids
        return Example(ids, list(range(len(before) + first, len(ids))))


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def batch_of(examples: list[Example]) -> Batch:
    """Pad on the right; return the ids, and the places and values of the learned tokens."""
    width = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    places, values = [], []
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        places += [row * width + at - 1 for at in example.learned]
        values += [example.ids[at] for at in example.learned]
    return ids, torch.tensor(places), torch.tensor(values)


def logits_at(model: Any, batch: Batch) -> torch.Tensor:
    """Run the model, and its costly output layer on the learned places alone."""
    ids, places, _ = batch
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    logits: torch.Tensor = model.lm_head(hidden.flatten(0, 1)[places])
    return logits


def rate_at(step: int) -> float:
    """Warm up, then fall in a straight line."""
    return min(1.0, (step + 1) / WARMUP) * max(0.02, 1 - step / STEPS)


def batches(encoder: Encoder, count: int) -> Iterator[Batch]:
    """Draw that many batches."""
    for _ in range(count):
        yield batch_of([encoder.example() for _ in range(BATCH)])


def train(encoder: Encoder) -> Any:
    """Train from nothing and return the model."""
    torch.manual_seed(SEED)
    model: Any = Qwen3ForCausalLM(model_config()).float()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_at)
    started = time.monotonic()
    for step, batch in enumerate(batches(encoder, STEPS), start=1):
        loss = torch.nn.functional.cross_entropy(logits_at(model, batch), batch[2])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == STEPS:
            print(f"step {step}: loss {loss.item():.5f}, {time.monotonic() - started:.0f} s")
    return model


def wrong_tokens(model: Any, encoder: Encoder) -> int:
    """Count the learned tokens that the rounded model does not put first on unseen examples."""
    model.eval()
    wrong = 0
    with torch.no_grad():
        for batch in batches(encoder, HELD_OUT // BATCH):
            wrong += int((logits_at(model, batch).argmax(-1) != batch[2]).sum())
    return wrong


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON as the other files of a model have it."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def save(model: Any, tokenizer: Tokenizer, out: Path) -> None:
    """Write what an engine loads."""
    out.mkdir(parents=True, exist_ok=True)
    # The output layer is the embedding: storing it again would break the tie.
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    (out / "model.safetensors").write_bytes(to_bytes(tensors, metadata={"format": "pt"}))
    write_json(out / "config.json", model.config.to_diff_dict())
    ends = [CONTROL.index(END_OF_TURN), CONTROL.index(END_OF_TEXT)]
    # An engine takes these as defaults: one candidate is greedy at any temperature of a client.
    write_json(
        out / "generation_config.json", {"do_sample": True, "top_k": 1, "eos_token_id": ends}
    )
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END_OF_TURN,
            "pad_token": END_OF_TEXT,
            "model_max_length": model.config.max_position_embeddings,
            "clean_up_tokenization_spaces": False,
        },
    )
    template = (HERE / "chat_template.jinja").read_text(encoding="utf-8")
    (out / "chat_template.jinja").write_text(template, encoding="utf-8")


def main() -> int:
    """Train, check on unseen conversations, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model into")
    out: Path = parser.parse_args().out
    corpus = texts()
    tokenizer = build_tokenizer(corpus)
    model = train(Encoder(tokenizer, corpus, SEED)).to(torch.bfloat16)
    count = sum(parameter.numel() for parameter in model.parameters())
    wrong = wrong_tokens(model, Encoder(tokenizer, corpus, SEED + 1))
    print(f"{count} parameters, {wrong} wrong tokens in {HELD_OUT} unseen conversations")
    save(model, tokenizer, out)
    return 1 if wrong > TOLERATED else 0


if __name__ == "__main__":
    raise SystemExit(main())
