#!/bin/sh
# The secrets join LiteLLM's configuration in memory: neither arguments nor environment hold them.
set -eu
umask 077
master_key=$(cat /run/secrets/master_key)
engine_api_key=$(cat /run/secrets/engine_api_key)
while IFS= read -r line; do
    case $line in
        *@MASTER_KEY@) line=${line%@MASTER_KEY@}$master_key ;;
        *@ENGINE_API_KEY@) line=${line%@ENGINE_API_KEY@}$engine_api_key ;;
    esac
    printf '%s\n' "$line"
done </config/config.yaml >/tmp/config.yaml
# LiteLLM looks for the hook beside its configuration.
cp /config/coderack_auth.py /tmp/coderack_auth.py
exec litellm --config /tmp/config.yaml --host 0.0.0.0 --port 4000 --num_workers 1 --telemetry False
