#!/bin/bash
# Starts everything that stands for the outside world; ends when one part ends.
set -eu
certificates.sh
python3 -m testbed.aptrepo /srv/packages.json /srv/www
docker-registry serve /etc/testbed/registry.yml &
python3 -m testbed.hub.server &
nginx -g 'daemon off;' &
trap 'kill $(jobs -p) 2>/dev/null' TERM INT
wait -n
kill $(jobs -p) 2>/dev/null
exit 1
