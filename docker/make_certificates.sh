#!/usr/bin/env bash
# Makes a certificate authority for trying out TLS, and what it signs: a pair for sockhostd on this
# machine, one for a viewer, an operator and an admin each, and a roles file that names them.
# Usage: make_certificates.sh DIR. What is there already is kept.
set -euo pipefail
umask 077

readonly DAYS=90

# sign NAME SUBJECT_ALTERNATIVE_NAMES PURPOSE: a key and a certificate signed by ca.crt.
sign() {
  local name=$1 names=$2 purpose=$3
  [[ ! -e $name.crt ]] || return 0
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
    -keyout "$name.key" -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days "$DAYS" \
    -out "$name.crt" 2>/dev/null -extfile <(
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
    printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$purpose" "$names"
  )
  rm "$name.csr"
}

(($# == 1)) || { echo "usage: make_certificates.sh DIR" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
if [[ ! -e ca.crt ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$DAYS" \
    -subj '/CN=sockhost test authority' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    -keyout ca.key -out ca.crt 2>/dev/null
fi
sign server "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:$(uname -n)" serverAuth
for role in viewer operator admin; do
  sign "$role" "DNS:$role.sockhost.test" clientAuth
done
[[ -e roles ]] || cat >roles <<'ROLES'
# SUBJECT                     ROLE
unix:*                        admin
dns:viewer.sockhost.test      viewer
dns:operator.sockhost.test    operator
dns:admin.sockhost.test       admin
ROLES
