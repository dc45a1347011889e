#!/bin/bash
# Makes the test CA once, and a server certificate for all host names at every start.
# The CA lives in the state volume: nodes that trust it outlive this container.
set -eu
state=/var/lib/testbed/tls
mkdir -p "$state"
cd "$state"
if [ ! -e ca.pem ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=coderack test CA" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -addext subjectKeyIdentifier=hash -keyout ca.key -out ca.new 2>/dev/null
    mv ca.new ca.pem
fi
mkdir -p /run/testbed
cd /run/testbed
names=$(sed 's/^/DNS:/' /etc/testbed/hosts | paste -sd,)
cat >leaf.ext <<EXT
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=$names
EXT
openssl req -new -newkey rsa:2048 -nodes -subj "/CN=coderack test bed" \
    -keyout leaf.key -out leaf.csr 2>/dev/null
openssl x509 -req -in leaf.csr -CA "$state/ca.pem" -CAkey "$state/ca.key" -CAcreateserial \
    -CAserial ca.srl -sha256 -days 825 -extfile leaf.ext -out leaf.pem 2>/dev/null
