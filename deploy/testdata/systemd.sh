#!/bin/bash
# Runs as a service of a systemd of its own, within a container that lives for
# the test: installs the package given, and takes the service through its life.
# Each line on standard output that begins with "is" is an observation that the
# test compares; the rest is for who reads the log.
set -euo pipefail
exec 2>&1

is() { echo "is $*"; }

# eventually repeats a command until it succeeds.
eventually() {
	local i
	for ((i = 0; i < 200; i++)); do
		"$@" >/dev/null && return
		sleep 0.1
	done
	echo "waited in vain: $*"
	journalctl --no-pager -u meter | tail -30
	return 1
}

# page prints a page of the meter.
page() {
	exec 3<>/dev/tcp/127.0.0.1/9469 || return
	printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
	cat <&3
	exec 3>&-
}

# metric prints the value of a series.
metric() { page /metrics | awk -v name="$1" '$1 == name { printf "%.0f\n", $2 }'; }

# reads tells whether the service has read packets.
reads() { page /metrics | grep -E '^meter_packets_read_total[^ ]* [1-9]'; }

property() { systemctl show -P "$1" meter; }

# A meter that this machine has is no part of the trial.
dpkg -P meter
rm -rf /etc/meter /var/lib/meter /var/lib/private/meter

dpkg -i /trial/meter.deb
is "enabled after the installation: $(systemctl is-enabled meter || true), $(systemctl is-active meter || true)"
is "user: $(id -un meter)"

systemctl start meter && is "started without inputs" || true
eventually systemctl is-failed meter
is "without inputs: $(property Result), status $(property ExecMainStatus), restarts $(property NRestarts)"

cp /trial/config.yaml /etc/meter/config.yaml
systemctl daemon-reload
systemctl reset-failed meter
systemctl enable --now meter
eventually reads
pid=$(property MainPID)
is "active: $(property ActiveState), $(property SubState), of type $(property Type)"
is "runs as $(ps -o user= -p "$pid"), $(grep -E '^Cap(Prm|Eff|Bnd|Amb)' "/proc/$pid/status" | tr -s '\n\t' ' ')seccomp $(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")"
is "state: $(stat -c '%U %a' /var/lib/private/meter)"

start=$(date -d "$(ps -o lstart= -p "$pid")" +%s)
metric process_start_time_seconds | awk -v want="$start" '$1 >= want - 3 && $1 <= want + 3 { exit }; { exit 1 }' && is "the time of its start is told"
is "ready: $(page /-/ready | head -1 | tr -d '\r')"

echo 'rulesets: [{name: hosts, rules: [{save: [ip.src], do: count}]}]' >>/etc/meter/config.yaml
systemctl reload meter
reloaded() { page /status | grep -c '"lastReload": {'; }
eventually reloaded
page /status | tail -n +2 | sed -n '/"lastReload"/,/}/p'
is "reloaded: success $(metric meter_reload_success), rule set $(page /status | grep -o '"name": "hosts"' | head -1), $(property ActiveState)"
test "$(property MainPID)" = "$pid" || is "another process"

# Without systemd.
before=$(metric meter_reload_timestamp_seconds)
again() { test "$(metric meter_reload_timestamp_seconds)" -gt "$before"; }
sleep 1
kill -HUP "$pid"
eventually again
is "hung up: success $(metric meter_reload_success), $(property ActiveState)"

echo 'mistake: 1' >>/etc/meter/config.yaml
systemctl reload meter && is "reloaded a mistake" || is "reload of a mistake: refused, $(property ActiveState)"
test "$(property MainPID)" = "$pid" || is "another process"

cp /trial/config.yaml /etc/meter/config.yaml
version=$(systemctl --version | awk 'NR == 1 { print $2 }')
if [ "$version" -ge 253 ]; then
	install -D -m 644 /trial/notify-reload.conf /etc/systemd/system/meter.service.d/notify-reload.conf
	systemctl daemon-reload
	systemctl restart meter
	eventually reads
	is "restarted: of type $(property Type); systemd finds in it '$(systemd-analyze verify --man=no meter.service 2>&1)'"
	before=$(metric meter_reload_timestamp_seconds)
	sleep 1
	systemctl reload meter
	again && is "reloaded, and waited for: success $(metric meter_reload_success), $(property ActiveState)"
	echo 'mistake: 1' >>/etc/meter/config.yaml
	systemctl reload meter && is "reloaded a mistake" || is "reload of a mistake: refused, $(property ActiveState)"
	is "and as it was: success $(metric meter_reload_success)"
	cp /trial/config.yaml /etc/meter/config.yaml
	pid=$(property MainPID)
else
	echo "systemd $version does not know notify-reload"
fi

dpkg -i /trial/meter.deb
eventually systemctl is-active meter
eventually reads
test "$(property MainPID)" != "$pid" && is "upgraded: restarted, $(property ActiveState)"
cmp /trial/config.yaml /etc/meter/config.yaml && is "the configuration is kept"

systemctl stop meter
is "stopped: $(property Result), status $(property ExecMainStatus)"
test -s /var/lib/meter/flows.jsonl && is "records are written"
journalctl --no-pager -u meter | tail -40
dpkg -P meter
is "purged: $(ls -d /etc/meter /var/lib/private/meter 2>/dev/null | wc -l) left, $(systemctl is-enabled meter >/dev/null 2>&1 && echo enabled || echo not enabled)"
