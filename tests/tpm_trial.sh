#!/usr/bin/env bash
# Does a TPM count power cuts, with systemd/edge-tpm and without it? An emulated one (packages swtpm, tpm2-tools, libtss2-tcti-swtpm0), some
# seconds, no root. It is killed three times after a key was opened.
set -euo pipefail
HERE=$(cd "$(dirname "$0")/.." && pwd)
PLACE=$(mktemp -d)
PORT=${PORT:-2321}
export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$PORT"
cd "$PLACE"

up() {
    swtpm socket --tpm2 --tpmstate "dir=$PLACE/state" --server "type=tcp,port=$PORT" --ctrl "type=tcp,port=$((PORT + 1))" \
        --flags not-need-init,startup-clear --daemon --pid "file=$PLACE/pid"
    for _ in $(seq 50); do tpm2_flushcontext -t 2> no && return; sleep 0.1; done
    cat no
    return 1
}

cut_power() {
    kill -9 "$(cat pid)"
    rm -f state/.lock
    sleep 0.2
}

trap 'kill -9 "$(cat "$PLACE/pid")" 2> /dev/null; rm -rf "$PLACE"' EXIT

tries() { tpm2_getcap properties-variable | awk '/TPM2_PT_LOCKOUT_COUNTER/ {print $2}'; }

primary() {
    tpm2_createprimary -C o -c primary -Q
    tpm2_flushcontext -t
}

sealed_key() {
    primary
    echo key | tpm2_create -C primary -i - -u public -r private -p password -a "fixedtpm|fixedparent|userwithauth" -Q
    tpm2_flushcontext -t
}

opened() {
    primary
    tpm2_load -C primary -u public -r private -c key -Q
    tpm2_flushcontext -t
    [ "$(tpm2_unseal -c key -p password)" = key ]
}

# systemd/edge-tpm writes to a device; here what it writes goes to the socket
told() {
    : > device
    "$HERE/systemd/edge-tpm" "$PLACE/device"
    exec 3<> "/dev/tcp/127.0.0.1/$PORT"
    cat device >&3
    [ "$(head -c 10 <&3 | od -An -tx1 | tr -d ' \n')" = 80010000000a00000000 ] # TPM_RC_SUCCESS
    exec 3>&-
}

failed=0
for way in without with; do
    rm -rf state && mkdir state
    up
    tpm2_dictionarylockout -s -n 9 -t 1000 -l 1000 -Q
    sealed_key
    for _ in 1 2 3; do
        opened
        if [ "$way" = with ]; then told; fi
        cut_power
        up
    done
    found=$(($(tries)))
    echo "$way edge-tpm: $found of 3 power cuts counted"
    case $way-$found in without-3 | with-0) ;; *) failed=1 ;; esac
    cut_power
done
exit $failed
