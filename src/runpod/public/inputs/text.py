"""Typed inputs of public endpoints for language models.

These are the inputs of their native routes. The OpenAI route of a slug, with the base URL
`https://api.runpod.ai/v2/{slug}/openai/v1` and your Runpod API key, is better: it applies the chat template, honours
`max_tokens`, and streams. The documented price of the first two is implausible for their size: compare `output.cost`.
"""

from __future__ import annotations

from runpod.public.inputs.base import Messages, PublicInput, SamplingParams


class _Text(PublicInput):
    kind = "text"


class _Completion(_Text):
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | None = None


class Qwen332B(_Completion):
    """Qwen3 32B (AWQ). The native route ignores `max_tokens` and the chat template.

    Use the OpenAI route instead: `https://api.runpod.ai/v2/qwen3-32b-awq/openai/v1`, model
    "Qwen/Qwen3-32B-AWQ".

    Defaults of the service: max_tokens 512, temperature 0.7.
    """

    slug = "qwen3-32b-awq"
    price = "$10.00 per 1M tokens (doubtful)"


class GptOss120B(_Completion):
    """gpt-oss 120B. Use its OpenAI route: `https://api.runpod.ai/v2/gpt-oss-120b/openai/v1`.

    The documentation names the model both "openai/gpt-oss-120b" and "gpt-oss-120b".

    Defaults of the service: max_tokens 512, temperature 0.7.
    """

    slug = "gpt-oss-120b"
    price = "$10.00 per 1M tokens (doubtful)"


class Cogito671B(_Completion):
    """Cogito 671B v2.1. Use its OpenAI route: `https://api.runpod.ai/v2/cogito-671b-v2-1-fp8-dynamic/openai/v1`.

    The documentation names the model both "deepcogito/cogito-671b-v2.1-FP8" and as the slug.

    Defaults of the service: max_tokens 512, temperature 0.7.
    """

    slug = "cogito-671b-v2-1-fp8-dynamic"
    price = "$0.50 per 1M tokens"


class Granite4HSmall(_Text):
    """Granite 4.0 H Small. Use its OpenAI route: `https://api.runpod.ai/v2/granite-4-0-h-small/openai/v1`.

    Defaults of the service: see `SamplingParams`.

    Example:
        >>> Granite4HSmall(messages=[{"role": "user", "content": "What do horses eat?"}])
    """

    slug = "granite-4-0-h-small"
    price = "$10.00 per 1M tokens"

    messages: Messages
    sampling_params: SamplingParams | None = None


class MoonshotKimi(_Text):
    """Kimi. Use its OpenAI route: `https://api.runpod.ai/v2/moonshot-kimi/openai/v1`.

    USD 0.95 to 3.00 per million input tokens, and 4.00 to 15.00 per million output tokens.

    Defaults of the service: model "kimi-k2.6" (or "kimi-k2.7-code", "kimi-k3"); see `SamplingParams`.
    """

    slug = "moonshot-kimi"
    price = "$0.95-$15.00 per 1M tokens"

    messages: Messages
    model: str | None = None
    sampling_params: SamplingParams | None = None
