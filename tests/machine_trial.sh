#!/usr/bin/env bash
# The appliance in a virtual machine: a real kernel, a display, a TPM, a GPIO chip, a camera's driver, and the plug pulled. Not part
# of the test suite: it needs root, debootstrap, systemd-nspawn, mke2fs, qemu-system-x86_64, swtpm, socat, ssh, the network, and 8 GB.
#
#   tests/machine_trial.sh FOLDER                     # everything
#   tests/machine_trial.sh FOLDER power key           # after the installation only these of: service relay camera display watchdog
#                                                     # timers power key
#
# On an emulated processor of one core it takes about half an hour up to `power`, 2 to 4 min for each power cut and 12 min for `key`. What
# was run with what result: docs/deployment.md. Two machines on one core are too slow for it: the waits here are for one.
# FOLDER holds the machine's tree, disk, what its display showed and what each step said, and is made if it is not there; TRIAL_* of
# machine_kit.sh set the rest. The last line says how many steps failed.
# shellcheck disable=SC2016,SC2317 # what stands in single quotes is for the machine's shell; parts are called by name
set -euo pipefail

FOLDER=$1
shift
PARTS=("$@")
[ $# -gt 0 ] || PARTS=(service relay camera display watchdog timers power key)
FAILED=0
mkdir -p "$FOLDER/shown"
: > "$FOLDER/steps"
FOLDER=$(realpath "$FOLDER")
# shellcheck source=machine_kit.sh
. "$(dirname "$0")/machine_kit.sh"
trap 'if [ -n "$MACHINE" ]; then kill -9 "$MACHINE"; fi' EXIT

verdict() { # WHAT RETURNED SAID
    printf '%s: %s\n%s\n' "$1" "$2" "$3" >> "$FOLDER/steps"
    if [ "$2" = 0 ]; then echo "ok      $1"; else
        echo "FAILED  $1"
        echo "$3" | tail -n 25 | sed 's/^/        /'
        FAILED=$((FAILED + 1))
    fi
}

# step WHAT COMMAND: done in the machine, by its shell.
step() {
    local said returned=0
    said=$(on "set -e; $2" 2>&1) || returned=$?
    verdict "$1" "$returned" "$said"
}

# here WHAT COMMAND...: done on this side, in this shell, because it may start the machine.
here() {
    local what=$1 returned=0
    shift
    "$@" > "$FOLDER/said" 2>&1 || returned=$?
    verdict "$what" "$returned" "$(cat "$FOLDER/said")"
}

active='for i in $(seq 90); do [ "$(systemctl is-active edge-door)" = active ] && break; sleep 1; done; systemctl is-active edge-door'
# as the door does it: a process put into its control group, which filters addresses, ports and devices by it
among='among() { bash -c "echo \$\$ > /sys/fs/cgroup/system.slice/edge-door.service/cgroup.procs; exec \"\$@\"" - "$@"; }'
since='since() { journalctl -b -o cat -u "$1" --since "@$2"; }'
# the level of a simulated line, as the kernel tells it, every 5 ms: seconds and level at each change
watch='watch() { timeout "$2" python3 -uc "
import sys, time
before = None
while True:
    level = open(sys.argv[1]).read().strip()
    if level != before: print(round(time.monotonic(), 3), level, sep=\" \")
    before = level
    time.sleep(0.005)" "/run/lines/sim_gpio$1/value" || true; }'
drawn='systemctl stop getty@tty1; systemctl restart edge-screen
    for i in $(seq 180); do ls -l /proc/$(systemctl show -P MainPID edge-screen)/fd | grep -E "/dev/(fb0|dri)" && break; sleep 2; done; sleep 30
    systemctl is-active edge-screen; [ "$(systemctl show -P NRestarts edge-screen)" = 0 ]'
press='press() { echo pull-down > /run/lines/sim_gpio$1/pull; sleep 0.3; echo pull-up > /run/lines/sim_gpio$1/pull; }'

installed() {
    step "a display, a TPM, a chip, a camera's driver are there" 'ls /dev/fb0 /dev/dri/card0 /dev/tpmrm0 /dev/trial-chip /dev/video0'
    # a power cut counts as one; the TPM of the emulator is locked by three
    step "the TPM is locked by 32 failed tries" 'python3 tpm.py 32 600'
    step "installed with the key sealed to the TPM alone" \
        'PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels bash edge/systemd/install.sh --device trial --metrics 9464 --screen --gpio --key tpm2 --camera /dev/video0'
    step "a second run has nothing to do" 'bash edge/systemd/install.sh --metrics 9464 --screen --gpio | tee /dev/stderr | grep -q "nothing to do"'
    step "the driver that makes its pictures up is refused, with the way out" \
        'for i in $(seq 60); do journalctl -u edge-door | grep -q "loopback device (driver .vivid.).*allow_loopback" && exit 0; sleep 2; done; exit 1'
    step "allowed, the door becomes ready" "printf '[camera]\nallow_loopback = true\nwidth = 320\nheight = 180\nfps = 2\n' > /etc/edge/20-trial.toml
        chmod 640 /etc/edge/20-trial.toml; chgrp edge /etc/edge/20-trial.toml; systemctl restart edge-door; $active"
    on 'systemctl disable --now edge-screen' || true # it costs an emulated processor much; part_display starts it
    step "somebody is enrolled and recognised" 'edge enrol "Eileen Collins" Collins.png; edge identify Collins.png | grep -q "Eileen Collins"'
}

part_service() {
    step "no unit failed" 'systemctl is-system-running; [ -z "$(systemctl --failed --plain --no-legend)" ]'
    step "the doctor finds no failure" 'edge doctor --json || [ $? = 10 ]'
    step "metrics and health on loopback" 'curl -fs 127.0.0.1:9464/readyz; curl -fs 127.0.0.1:9464/metrics | grep -q edge_frames_total'
    step "the door's memory is locked" 'if journalctl -b -u edge-door | grep "may reach swap"; then exit 1; fi; grep VmLck /proc/$(systemctl show -P MainPID edge-door)/status | grep -v " 0 kB"'
    step "its group reaches this machine and no other" "$among
        among curl -fs -m 5 127.0.0.1:9464/livez; code=0; among curl -s -m 5 10.0.2.2:80 || code=\$?; [ \$code = 28 ] # dropped
        code=0; curl -s -m 5 10.0.2.2:80 || code=\$?; [ \$code != 28 ] # outside of the group: answered or refused"
    if on "systemctl --version | grep -q +BPF_FRAMEWORK"; then
        step "it listens at no other port" "$among
            among python3 -c 'import socket; socket.create_server((\"127.0.0.1\", 9999))' 2>&1 | grep -q 'not permitted'
            python3 -c 'import socket; socket.create_server((\"127.0.0.1\", 9999))'"
    else
        echo "not tried: it listens at no other port (this systemd has no BPF_FRAMEWORK, and does not stop it)"
    fi
    step "it opens no other device, root or not" "$among
        among head -c 1 /dev/vda 2>&1 | grep -q 'not permitted'; among v4l2-ctl -d /dev/video0 --info > /dev/null"
    step "no name in the journal" '! journalctl -b -u edge-door | grep -q Collins'
}

part_relay() {
    step "relay and exit button on the simulated chip" "printf '[relay]\nenabled = true\nchip = \"/dev/gpiochip0\"\nline = \"2\"\npulse = 6.0\n[contact]\nenabled = true\nchip = \"/dev/gpiochip0\"\nexit_button = \"3\"\n' > /etc/edge/30-trial.toml; echo pull-up > /run/lines/sim_gpio3/pull
        chgrp edge /etc/edge/*; systemctl restart edge-door; $active; sleep 10
        [ \$(stat -c %G /dev/gpiochip0) = edge ]; gpioinfo gpiochip0 | grep -E 'line +2.*output.*used'; gpioinfo gpiochip0 | grep -E 'line +3.*input.*used'"
    step "the doctor finds the outputs sound" 'edge doctor --json | grep "\"outputs\"" | grep -q "\"pass\""'
    step "one pulse of its time" "$watch; $press; watch 2 14 > seen & sleep 3; press 3; wait; cat seen
        awk 'NR == 1 && \$2 != 0 || NR == 2 && \$2 != 1 || NR == 3 && (\$2 != 0 || \$1 - up < 5.5 || \$1 - up > 8) {bad = 1} NR == 2 {up = \$1} END {exit bad || NR != 3}' seen"
    step "kill -9 of the door in a pulse releases it" "$watch; $press; watch 2 14 > seen & sleep 3; door=\$(systemctl show -P MainPID edge-door); press 3; sleep 1
        grep -q 1 /run/lines/sim_gpio2/value; read -r killed _ < /proc/uptime; kill -9 \$door; wait; cat seen
        awk -v killed=\$killed 'NR == 3 {print \"released\", \$1 - killed, \"s after the kill\"; late = \$1 - killed > 1.5} END {exit late || NR != 3}' seen; $active"
    step "kill -9 of the guard in a pulse releases it, and the next one works" "$watch; $press; watch 2 30 > seen & sleep 3; press 3; sleep 1.5
        kill -9 \$(pgrep -f [e]dge.door.guard); sleep 12; press 3; wait; cat seen; [ \$(wc -l < seen) = 5 ]
        awk 'NR == 2 {up = \$1} NR == 3 {exit \$1 - up > 5}' seen"
    step "kill -9 of both at once leaves the line as the driver does" "$press; press 3; sleep 1.5; systemctl kill -s KILL edge-door; sleep 0.5
        cat /run/lines/sim_gpio2/value; for i in \$(seq 60); do grep -q 0 /run/lines/sim_gpio2/value && break; sleep 1; done; grep 0 /run/lines/sim_gpio2/value; $active"
    # this line rises when nobody holds it, and the door would be back in a minute only
    step "kill -9 of both at once, with the ExecStopPost of docs/outputs.md: systemd makes the line inactive" "$watch; $press; echo pull-up > /run/lines/sim_gpio2/pull
        own=/run/systemd/system/edge-door.service.d/90.conf; mkdir -p \${own%/*}
        printf '[Service]\nRestartSec=60\nExecStopPost=/opt/edge/.venv/bin/python -m edge.door.guard /dev/gpiochip0 2 0 --safe\n' > \$own; systemctl daemon-reload
        watch 2 20 > seen & sleep 3; press 3; sleep 1.5; systemctl kill -s KILL edge-door; wait; cat seen; journalctl -b -o cat -u edge-door -n 6
        awk '{levels = levels \$2} END {exit levels != \"0101\"}' seen
        rm \$own; systemctl daemon-reload; echo pull-down > /run/lines/sim_gpio2/pull; systemctl restart edge-door; $active"
    step "active low: it rests high, from the door's start on" "$watch; printf '[relay]\nactive = \"low\"\n' > /etc/edge/31-trial.toml; systemctl restart edge-door; $active
        grep 1 /run/lines/sim_gpio2/value; rm /etc/edge/31-trial.toml; systemctl restart edge-door; $active; grep 0 /run/lines/sim_gpio2/value"
}

part_camera() {
    step "a camera that is pulled out and put back is opened again" "$since; now=\$(date +%s); door=\$(systemctl show -P MainPID edge-door)
        v4l2-ctl -d /dev/video0 -c disconnect=1; sleep 8; since edge-door \$now | grep 'the camera is opened again'
        echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind; sleep 2; rmmod vivid || true; sleep 6; modprobe vivid; sleep 20
        $active; since edge-door \$now; [ -e /dev/video0 ]; [ \$(systemctl show -P MainPID edge-door) = \$door ]
        a=\$(curl -fs 127.0.0.1:9464/metrics | grep ^edge_frames_total); sleep 6; b=\$(curl -fs 127.0.0.1:9464/metrics | grep ^edge_frames_total); [ \"\$a\" != \"\$b\" ]"
    step "no camera for longer than camera.vanished: given up, and back when it is" "$since; now=\$(date +%s)
        echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind; rmmod vivid || true; sleep 60; since edge-door \$now | tee /dev/stderr | grep 'camera vanished'; modprobe vivid; $active
        sleep 5; curl -fs 127.0.0.1:9464/readyz"
}

# The pages are looked at by somebody, under $FOLDER/shown. Keys, because Qt takes no tablet for a finger, and this emulator has no touch panel.
part_display() {
    local _
    step "the screen's unit finds a way onto the display, and stays up" "echo 246813 | edge pin set; $drawn"
    step "the door has not turned it away" '! journalctl -b -u edge-door | grep "turned away"'
    picture "$FOLDER/shown/door.png"
    for _ in 1 2 3 4; do key tab; sleep 2; done # past three languages, to the lock
    key ret
    sleep 6
    picture "$FOLDER/shown/pin.png"
    types 8 6 4 2 1 3
    step "keys open the PIN's page: the door has heard a wrong one" "$counted; counted 1; touch heard"
    picture "$FOLDER/shown/wrong.png"
    types 2 4 6 8 1 3
    step "the PIN opens the operator's page: the door has heard it" "$counted; rm heard; counted 0"
    picture "$FOLDER/shown/operator.png"
    on 'systemctl stop edge-screen' || true
}

counted='counted() { for i in $(seq 30); do [ "$(cat /var/lib/edge/operator.pin.failures 2> /dev/null || echo 0)" = $1 ] && return; sleep 1; done; return 1; }'
types() {
    local digit
    for digit; do
        key "$digit"
        sleep 1
    done
    key ret
    sleep 10
}

part_watchdog() {
    step "a stopped door is found by the watchdog and started again" "$since; now=\$(date +%s); kill -STOP \$(systemctl show -P MainPID edge-door); sleep 60
        since edge-door \$now | grep 'Watchdog timeout'; $active"
}

part_timers() {
    step "at night the timers do their work" "edge backup --new-identity /dev/shm/identity > said; cat said
        printf '[backup]\nrecipients = [\"%s\"]\n' \$(grep -oE 'age1[0-9a-z]+' said | head -n 1) > /etc/edge/40-trial.toml; chgrp edge /etc/edge/40-trial.toml
        # a clock that jumps over the time gives each timer a new delay of up to 20 min; this trial does not wait for it
        for i in backup purge; do mkdir -p /run/systemd/system/edge-\$i.timer.d; printf '[Timer]\nRandomizedDelaySec=0\n' > /run/systemd/system/edge-\$i.timer.d/90.conf; done
        systemctl daemon-reload; date -s 'tomorrow 05:00'
        for unit in edge-backup edge-purge; do for i in \$(seq 60); do [ \$(systemctl show -P ExecMainExitTimestampMonotonic \$unit) != 0 ] && break; sleep 3; done; done
        ls -l /var/lib/edge/backup/*; systemctl list-timers --no-pager 'edge-*'; if systemctl is-failed edge-backup edge-purge; then exit 1; fi; edge audit show --last 40 | grep purged"
}

# An operator who enrols and revokes for ever, as the door's user with the sealed key, says whom; another one renews beside the door.
operator='systemd-run --quiet --collect --wait --pipe --uid=edge --gid=edge -p LoadCredentialEncrypted=edge-root-key:/etc/credstore.encrypted/edge-root-key \
    -p WorkingDirectory=/srv -E PYTHONPATH=/srv -E PYTHONUNBUFFERED=1 /opt/edge/.venv/bin/python -m evaluation.faults.operator /etc/edge enrol'
renewals='while true; do edge renew "Eileen Collins" --quiet > /dev/null && echo renewed; done'

# power_cut NUMBER: the plug is pulled amid changes; whoever was reported as enrolled must be there afterwards.
power_cut() {
    local hands=() _
    : > "$FOLDER/acknowledged.$1"
    on "$operator" > "$FOLDER/acknowledged.$1" 2> "$FOLDER/acknowledged.errors" &
    hands+=($!)
    on "$renewals" > "$FOLDER/renewed.$1" 2> /dev/null &
    hands+=($!)
    for _ in $(seq 180); do [ "$(grep -cxE '[0-9a-f]{32}' "$FOLDER/acknowledged.$1")" -lt 3 ] || break; sleep 1; done
    sleep "$((RANDOM % 12)).$((RANDOM % 10))"
    cut_power
    wait "${hands[@]}" || true
    grep -xE '[0-9a-f]{32}' "$FOLDER/acknowledged.$1" >> "$FOLDER/enrolled" || true
    layer
    here "power cut $1, amid $(grep -cxE '[0-9a-f]{32}' "$FOLDER/acknowledged.$1") enrolments: up again" boot
    step "power cut $1: the door is ready, nothing failed" "$active; systemctl --failed --plain --no-legend; [ -z \"\$(systemctl --failed --plain --no-legend)\" ]"
    step "power cut $1: the audit log is unbroken" 'edge audit verify'
    here "power cut $1: the gallery is authentic, all $(wc -l < "$FOLDER/enrolled") who were acknowledged are there" nobody_lost
}

nobody_lost() {
    local id lost=0
    on 'edge list; edge doctor --json | tr "{" "\n" | grep "\"gallery\""' > "$FOLDER/listed" 2>&1 || true
    grep -q '"gallery", "state": "pass"' "$FOLDER/listed" || { tail -n 5 "$FOLDER/listed" && lost=1; }
    while read -r id; do grep -q "$id" "$FOLDER/listed" || { echo "lost: $id" && lost=1; }; done < "$FOLDER/enrolled"
    return "$lost"
}

part_power() {
    local round
    : > "$FOLDER/enrolled"
    for round in $(seq "${TRIAL_CUTS:-8}"); do power_cut "$round"; done
    step "after all power cuts she is recognised" 'edge identify Collins.png | grep "Eileen Collins"'
    echo "        $(wc -l < "$FOLDER/enrolled") enrolments and $(cat "$FOLDER"/renewed.* | wc -l) renewals were acknowledged in all"
}

part_key() {
    # the first 16 bytes are systemd's name for that kind
    step "the key's file says that the TPM alone opens it" 'base64 -d /etc/credstore.encrypted/edge-root-key | head -c 16 | od -An -tx1 | tr -d " " | grep -x 0c7cc07b117645919c4b0bea08bc20fe'
    step "the doctor names the key's source" 'edge doctor --json | grep "\"key\"" | tee /dev/stderr | grep credential'
    shut_down
    STATE=tpm.other
    boot > /dev/null
    step "another TPM: the door is not there and says why" 'sleep 20; if systemctl is-active edge-door; then exit 1; fi; journalctl -b -o cat -u edge-door | tail; journalctl -b -u edge-door | grep -i credential'
    step "another TPM: the screen is told" 'runuser -u edge-screen -- grep -x key /run/edge/screen.sock.refusal'
    step "another TPM: the screen stays up" "$drawn"
    picture "$FOLDER/shown/key.png"
    step "another TPM: the operator is told too" 'if edge list > said 2>&1; then exit 1; fi; cat said; grep -i "root key\|credential" said'
    shut_down
    STATE=tpm
    boot > /dev/null
    step "the first TPM again: the door is there" "$active; edge identify Collins.png | grep 'Eileen Collins'"
    step "the TPM is locked by one failed try for three minutes" 'python3 tpm.py 1 180; edge list | grep "Eileen Collins"'
    cut_power
    layer
    boot > /dev/null
    step "it was told that all is in order, so a power cut does not count" "$active; edge identify Collins.png | grep 'Eileen Collins'"
    step "nobody tells it any more" 'printf "#!/bin/sh\n" > /usr/local/bin/edge-tpm; sync; edge list | grep "Eileen Collins"'
    cut_power
    layer
    boot > /dev/null
    step "then after a power cut such a TPM opens nothing, and the operator is told" \
        'if edge list > said 2>&1; then exit 1; fi; cat said; grep "opens nothing for a while" said; if systemctl is-active edge-door; then exit 1; fi'
    step "it does so again by itself, and the door is there" "sleep 120; $active; edge identify Collins.png | grep 'Eileen Collins'"
}

disk
here "the machine starts, and nothing failed" boot
installed
for part in "${PARTS[@]}"; do "part_$part"; done
echo "$FAILED failed"
exit "$((FAILED > 0))"
