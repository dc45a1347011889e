#!/bin/sh
# LiteLLM takes secrets from the environment alone, and `docker inspect` must not show them.
LITELLM_MASTER_KEY="$(cat /run/secrets/master_key)" || exit 1
ENGINE_API_KEY="$(cat /run/secrets/engine_api_key)" || exit 1
export LITELLM_MASTER_KEY ENGINE_API_KEY
exec litellm --config /config/config.yaml --host 0.0.0.0 --port 4000 --num_workers 1 --telemetry False
