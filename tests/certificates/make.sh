#!/usr/bin/env bash
# make.sh: makes the certificates of this folder anew, with OpenSSL 3.0 (Debian 12), and what OpenSSL says of them.
#
# The tests read what is committed. After a run of this, `bash tests/peers/run openssl_dane` compares the table dane.txt with OpenSSL again.
# All keys are throw-away keys. Only leaf.key and those of bindings/ stay: the tests show these certificates in handshakes.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
rm -rf dane bindings; mkdir dane bindings
exec 2>"$work/log" || true
fail() { tail -n 5 "$work/log"; }; trap 'fail; rm -rf "$work"' ERR

# ------------------------------------------------------------- chains for dane.txt
cat >"$work/ca.cnf" <<'C'
[ca]
default_ca = it
[it]
new_certs_dir = $ENV::WORK
database = $ENV::WORK/index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = none
[any]
commonName = supplied
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[short]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
[noca]
basicConstraints = critical,CA:FALSE
[noext]
subjectKeyIdentifier = hash
[nosign]
basicConstraints = critical,CA:TRUE
keyUsage = critical,cRLSign
[permits]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
nameConstraints = critical,permitted;DNS:example.org
[forbids]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
nameConstraints = critical,excluded;DNS:example.org
[leaf]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:mx.example.org
extendedKeyUsage = serverAuth
[other]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:other.example.net
[wildcard]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:*.example.org
[cn]
basicConstraints = critical,CA:FALSE
[client]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:mx.example.org
extendedKeyUsage = clientAuth
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,digitalSignature,keyCertSign
subjectAltName = DNS:mx.example.org
C
export WORK=$work; : >"$work/index"
key() { [ -e "$work/$1.key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key"; }
issue() { # issue NAME KEY SUBJECT EXTENSIONS ISSUER [START END]; the issuer is a NAME, or - for itself
  local start=${6:-20200101000000Z} end=${7:-21200101000000Z} by=()
  key "$2"
  openssl req -new -key "$work/$2.key" -subj "/CN=$3" -out "$work/req"
  if [ "$5" = - ]; then by=(-selfsign -keyfile "$work/$2.key"); else by=(-cert "dane/$5.pem" -keyfile "$work/$(cat "$work/$5.keyname").key"); fi
  openssl ca -batch -notext -config "$work/ca.cnf" -extensions "$4" -startdate "$start" -enddate "$end" "${by[@]}" -in "$work/req" -out "dane/$1.pem"
  echo "$2" >"$work/$1.keyname"
}
past='20000101000000Z 20010101000000Z' future='21000101000000Z 21200101000000Z'
issue root root 'Root' root -
issue inter inter 'Intermediate' root root
issue leaf leaf 'mx.example.org' leaf inter
issue leaf-other leaf 'other.example.net' other inter
issue leaf-wildcard leaf 'wildcard' wildcard inter
issue leaf-cn leaf 'mx.example.org' cn inter
issue leaf-cn-san leaf 'mx.example.org' other inter
issue leaf-client leaf 'mx.example.org' client inter
issue leaf-authority leaf 'mx.example.org' authority inter
# shellcheck disable=SC2086
issue leaf-expired leaf 'mx.example.org' leaf inter $past
# shellcheck disable=SC2086
issue leaf-future leaf 'mx.example.org' leaf inter $future
issue leaf-direct leaf 'mx.example.org' leaf root
# shellcheck disable=SC2086
issue inter-expired inter 'Intermediate' root root $past
issue inter-noca inter 'Intermediate' noca root
issue inter-noext inter 'Intermediate' noext root
issue inter-nosign inter 'Intermediate' nosign root
issue inter-permits inter 'Intermediate' permits root
issue inter-forbids inter 'Intermediate' forbids root
# shellcheck disable=SC2086
issue root-expired root 'Root' root - $past
issue root-short root 'Root' short -
issue root-fake fake 'Root' root -
issue inter-fake inter 'Intermediate' root root-fake
issue stranger stranger 'Stranger' root -
issue self leaf 'mx.example.org' leaf -
issue self-authority leaf 'mx.example.org' authority -
openssl x509 -req -in <(openssl req -new -key "$work/leaf.key" -subj /CN=v1) -key "$work/leaf.key" -days 36500 -out dane/self-v1.pem
openssl x509 -req -in <(openssl req -new -key "$work/leaf.key" -subj /CN=mx.example.org) -key "$work/leaf.key" -sha1 -days 36500 \
  -extfile "$work/ca.cnf" -extensions leaf -out dane/self-sha1.pem
cp "$work/leaf.key" leaf.key

# What TLSA records of them have, as OpenSSL selects and digests it: certificate, selector, matching type, data.
{
  echo '# certificate, selector, matching type, data: made by make.sh'
  for file in dane/*.pem; do
    name=$(basename "$file" .pem)
    openssl x509 -in "$file" -outform DER -out "$work/0"
    openssl x509 -in "$file" -noout -pubkey | openssl pkey -pubin -outform DER -out "$work/1"
    for selector in 0 1; do
      echo "$name $selector 0 $(od -An -v -tx1 "$work/$selector" | tr -d ' \n')"
      echo "$name $selector 1 $(openssl dgst -sha256 -r "$work/$selector" | cut -d' ' -f1)"
      echo "$name $selector 2 $(openssl dgst -sha512 -r "$work/$selector" | cut -d' ' -f1)"
    done
  done
} >associations.txt

# ------------------------------------------------------------- certificates for tls-server-end-point
binding() { # binding NAME DIGEST [OPTION...]: a self-signed certificate, and its hash by DIGEST (- where there is none)
  openssl req -x509 -nodes -days 36500 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
    -keyout "bindings/$1.key" -out "bindings/$1.pem" "${@:3}"
  local hash=-
  [ "$2" = - ] || hash=$(openssl x509 -in "bindings/$1.pem" -outform DER | openssl dgst "-$2" -r | cut -d' ' -f1)
  echo "$1 $(openssl x509 -in "bindings/$1.pem" -noout -text | sed -n 's/.*Signature Algorithm: //p' | head -1 | sed 's, *$,,') $2 $hash"
}
ec() { echo -newkey ec -pkeyopt "ec_paramgen_curve:$1"; }
{
  echo '# certificate, signature algorithm as OpenSSL names it, hash function (RFC 5929 section 4.1), hash: made by make.sh'
  rsa='-newkey rsa:2048' pss='-sigopt rsa_padding_mode:pss'
  # shellcheck disable=SC2046,SC2086
  {
    binding rsa-md5 sha256 $rsa -md5
    binding rsa-sha1 sha256 $rsa -sha1
    binding rsa-sha224 sha224 $rsa -sha224
    binding rsa-sha256 sha256 $rsa -sha256
    binding rsa-sha384 sha384 $rsa -sha384
    binding rsa-sha512 sha512 $rsa -sha512
    binding pss-sha1 sha256 $rsa -sha1 $pss
    binding pss-sha256 sha256 $rsa -sha256 $pss
    binding pss-sha384 sha384 $rsa -sha384 $pss
    binding pss-sha512 sha512 $rsa -sha512 $pss
    binding p256-sha1 sha256 $(ec P-256) -sha1
    binding p256-sha256 sha256 $(ec P-256) -sha256
    binding p256-sha512 sha512 $(ec P-256) -sha512
    binding p384-sha256 sha256 $(ec P-384) -sha256
    binding p384-sha384 sha384 $(ec P-384) -sha384
    binding p521-sha512 sha512 $(ec P-521) -sha512
    binding ed25519 - -newkey ed25519
    binding ed448 - -newkey ed448
  }
} >bindings.txt
# Those that a test shows in a handshake.
for file in bindings/*.key; do
  case $(basename "$file" .key) in rsa-sha1 | rsa-sha256 | pss-sha384 | p256-sha256 | p384-sha384 | ed25519) ;; *) rm "$file" ;; esac
done
