#!/usr/bin/env bash
# The whole service under a real systemd, in a container: installed, killed, stopped, removed. Not part of the test suite: it needs root,
# debootstrap, systemd-nspawn, the network, and some minutes.
#
#   tests/systemd_trial.sh FOLDER bookworm http://deb.debian.org/debian          # systemd 252, Python 3.11
#   tests/systemd_trial.sh FOLDER jammy http://archive.ubuntu.com/ubuntu         # systemd 249, Python 3.10, as JetPack 6
#   tests/systemd_trial.sh FOLDER noble http://archive.ubuntu.com/ubuntu         # systemd 255, Python 3.12, as JetPack 7
#
# FOLDER holds the system's tree and is made if it is not there. The last line says how many steps failed.
# shellcheck disable=SC2016 # what stands in single quotes is for the container's shell
set -euo pipefail

TREE=$1 RELEASE=$2 MIRROR=$3 HERE=$(cd "$(dirname "$0")/.." && pwd)
PACKAGES=systemd,systemd-sysv,dbus,udev,python3,python3-venv,python3-dev,gcc,libc6-dev,curl,ca-certificates
PACKAGES+=,python3-gi,gir1.2-gstreamer-1.0,gir1.2-gst-plugins-base-1.0,gstreamer1.0-plugins-base
CAMERA='gst:videotestsrc is-live=true pattern=ball background-color=0xff808080 ! video/x-raw,width=640,height=360,framerate=15/1'
FAILED=0
read -ra BINDS <<< "${TRIAL_NSPAWN:-}"           # more for systemd-nspawn, e.g. the folder of a package mirror
read -ra SETTINGS <<< "${TRIAL_ENVIRONMENT:-}" # likewise NAME=VALUE for what runs in the container

if [ ! -e "$TREE/usr/bin/systemctl" ]; then
    debootstrap --variant=minbase --components=main,universe --include="$PACKAGES" "$RELEASE" "$TREE" "$MIRROR" || exit 1
fi
rm -f "$TREE/etc/resolv.conf"
cp -L /etc/resolv.conf "$TREE/etc/resolv.conf"
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --directory="$TREE" --register=no --keep-unit --boot --console=pipe \
    --resolv-conf=off --capability=CAP_IPC_LOCK,CAP_SYS_RESOURCE \
    --bind-ro="$HERE:/src" "${BINDS[@]}" < /dev/null > "$TREE.log" 2>&1 &
CONTAINER=$!
trap 'kill "$CONTAINER" 2> /dev/null; wait "$CONTAINER" 2> /dev/null || true' EXIT

within() {
    nsenter -t "$(pgrep -P "$CONTAINER" | head -1)" -m -u -i -p -n -C env -i HOME=/root LANG=C.UTF-8 "${SETTINGS[@]}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# step WHAT COMMAND: done within the container, by its shell.
step() {
    local said
    if said=$(within bash -euc "cd /srv; $2" 2>&1); then echo "ok      $1"; else
        echo "FAILED  $1"
        echo "$said" | tail -n 15 | sed 's/^/        /'
        FAILED=$((FAILED + 1))
    fi
}

active='for i in $(seq 60); do [ "$(systemctl is-active edge-door)" = active ] && break; sleep 1; done; systemctl is-active edge-door'
brief='mkdir -p /run/systemd/system/edge-door.service.d; printf "[Service]\nWatchdogSec=6\n" > /run/systemd/system/edge-door.service.d/99.conf
    systemctl daemon-reload; systemctl restart edge-door'
picture='/opt/edge/.venv/bin/python -c "
import cv2
from edge.camera.demo import portraits
for name, picture in portraits().items(): cv2.imwrite(name.split()[1] + \".png\", picture)"; chmod a+r ./*.png'

sleep 8
within systemctl --version | head -1
within python3 --version
step "installed" "bash /src/systemd/install.sh --device trial --metrics 9464 --camera '$CAMERA'"
step "a second run has nothing to do" "bash /src/systemd/install.sh --metrics 9464 | grep -q 'nothing to do'"
step "ready after one warm inference" "$active"
step "metrics and health on loopback" "sleep 2; curl -fs 127.0.0.1:9464/readyz; curl -fs 127.0.0.1:9464/metrics | grep -q edge_frames_total"
step "no capability, no new privileges, system calls filtered" \
    'cat /proc/$(systemctl show -P MainPID edge-door)/status | grep -Pzq "CapEff:\t0{16}\n(.*\n)*NoNewPrivs:\t1\nSeccomp:\t2"'
step "the root key is not in the door's folder" '! ls /var/lib/edge | grep -q key'
step "pictures to enrol" "/opt/edge/.venv/bin/python -m pip install -q matplotlib scikit-image; $picture"
step "enrolled and identified through sudo's command" 'edge enrol "Eileen Collins" Collins.png; edge identify Collins.png | grep -q "Eileen Collins"'
step "the running door has taken her up" 'sleep 2; curl -fs 127.0.0.1:9464/metrics | grep -q "^edge_references 1"'
step "the doctor finds no failure" 'edge doctor --json || [ $? = 10 ]'
step "nothing is kept beside the program" '! edge config show | grep /opt/edge/var'
step "the backup's unit does nothing without recipients, and does not fail" 'systemctl start edge-backup; ! systemctl is-failed edge-backup'
step "the purge's unit runs, logs, and deletes nobody without dates" \
    'systemctl start edge-purge; edge audit show --last 20 | grep -q purged; edge list | grep -q "Eileen Collins"'
step "kill -9, ten times, and up again" \
    "for i in \$(seq 10); do kill -9 \$(systemctl show -P MainPID edge-door); sleep 4; $active; done; sleep 3"
step "the audit log is unbroken" 'edge audit verify'
step "a watchdog of 6 s is fed for 20 s" "$brief; $active; sleep 20; [ \"\$(systemctl show -P NRestarts edge-door)\" = 0 ]"
step "a stopped process is found and started again" \
    "kill -STOP \$(systemctl show -P MainPID edge-door); sleep 12; journalctl -u edge-door | grep -q 'Watchdog timeout'; $active"
step "wrong settings end it, and do not restart it" \
    "echo '[decision]
fpri = 1' > /etc/edge/90.toml; ! systemctl restart edge-door; sleep 5; systemctl is-failed edge-door; rm /etc/edge/90.toml; systemctl start edge-door"
# a machine that may not raise its limits cannot lock memory, and the program says so
limited=$(within systemd-run -q --wait --pipe -p LimitMEMLOCK=infinity bash -c 'ulimit -Hl' | grep -q unlimited || echo '|keys may reach swap')
step "the program had no trouble to tell${limited:+, but that memory cannot be locked here}" \
    "! journalctl -b -u edge-door -p warning -o cat _COMM=edge | grep -vE 'unknown key$limited'"
step "no name in the journal" '! journalctl -u edge-door | grep -q Collins'
step "uninstalled, all kept" "bash /src/systemd/install.sh uninstall --keep; ls /var/lib/edge/gallery.db; [ ! -e /opt/edge ]"
step "installed again, and she is still known" "bash /src/systemd/install.sh --metrics 9464; $active; edge list | grep -q 'Eileen Collins'"
step "uninstalled, all destroyed" \
    "bash /src/systemd/install.sh uninstall --destroy; [ -z \"\$(find /etc /opt /var/lib /usr/local -name '*edge*')\" ]; ! id edge"
echo "$FAILED failed"
exit "$((FAILED > 0))"
